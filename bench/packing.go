package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// packingPlan is what is to be measured.
type packingPlan struct {
	sizes  []packingSize
	memory int // Pods
}

// packingSize is how much is measured on one cluster.
type packingSize struct {
	clusterSize
	rounds int
	fill   time.Duration // for which a read is repeated
	// For how long Pods change while caches hold them, and while controllers run; 0 leaves these out.
	load, underWay time.Duration
}

// packing is one comparison of caches on a cluster, and what came of it.
type packing struct {
	name   string // for -run
	title  string // what the caches hold
	task   task   // of each
	caches []liveCache
	rounds int
	runs   map[string][]Footprint // by the name of the cache, by round
}

// comparisons returns what is measured on a cluster.
func (s packingSize) comparisons() []*packing {
	updates := func(while time.Duration) int { return int(while.Seconds() * updatesPerSecond) }
	if s.mixed {
		return []*packing{{
			name: fmt.Sprintf("mixed/%d", s.pods), title: "Ten kinds of objects, as there are with " + grouped(s.pods) + " Pods",
			task: task{Content: tenKinds, Fill: s.fill}, caches: doors, rounds: s.rounds,
		}}
	}
	all := []*packing{
		{
			name: fmt.Sprintf("pods/%d", s.pods), title: grouped(s.pods) + " Pods",
			task: task{Content: podsOnly, Fill: s.fill, Updates: updates(s.load)}, caches: together(doors, budgets), rounds: s.rounds,
		},
		{
			name: fmt.Sprintf("widgets/%d", s.widgets), title: grouped(s.widgets) + " custom resources",
			task: task{Content: widgetsOnly, Fill: s.fill}, caches: ofWidgets, rounds: s.rounds,
		},
	}
	if s.underWay > 0 {
		all = append(all, &packing{
			name:  fmt.Sprintf("underway/%d", s.pods),
			title: fmt.Sprintf("A controller of %s Pods, %s updates, %d a second", grouped(s.pods), grouped(updates(s.underWay)), updatesPerSecond),
			task:  task{Controller: true, Count: s.pods, Updates: updates(s.underWay)}, rounds: s.rounds,
			caches: named(doors, controllerRuntime, runtimeCache, runtimeInformer),
		})
	}
	return all
}

// measure runs every cache in a process of its own, round by round.
func (p *packing) measure(ctx context.Context, c *cluster, progress io.Writer) error {
	p.runs = map[string][]Footprint{}
	config := c.plane.Config()
	for round := range p.rounds {
		for i := range p.caches {
			t := p.task
			t.Cache, t.Host, t.TLS = p.caches[(i+round)%len(p.caches)].name, config.Host, config.TLSClientConfig
			fmt.Fprintf(progress, "%s, round %d of %d: %s\n", p.name, round+1, p.rounds, t.Cache)
			f, err := measureProcess(ctx, t, func() { c.update(ctx, t.Updates) })
			if err != nil {
				return err
			}
			p.runs[t.Cache] = append(p.runs[t.Cache], f)
		}
	}
	return nil
}

// packingReport is what a run with -packing has found out.
type packingReport struct {
	command string // that makes it anew
	results []*packing
	memory  *Footprint // nil: not measured
}

// measure measures what is selected of a plan.
func (r *packingReport) measure(ctx context.Context, plan packingPlan, selected *regexp.Regexp, progress io.Writer) error {
	for _, size := range plan.sizes {
		comparisons := slices.DeleteFunc(size.comparisons(), func(p *packing) bool { return !selected.MatchString(p.name) })
		if err := measureOn(ctx, size.clusterSize, comparisons, progress); err != nil {
			return err
		}
		r.results = append(r.results, comparisons...)
	}
	if name := fmt.Sprintf("memory/%d", plan.memory); selected.MatchString(name) {
		fmt.Fprintln(progress, name)
		f, err := measureProcess(ctx, task{Count: plan.memory}, nil)
		if err != nil {
			return err
		}
		r.memory = &f
	}
	if len(r.results) == 0 && r.memory == nil {
		return fmt.Errorf("-run %q matches nothing that is measured with -packing", selected)
	}
	return nil
}

// measureOn makes comparisons on a cluster.
func measureOn(ctx context.Context, size clusterSize, comparisons []*packing, progress io.Writer) (err error) {
	if len(comparisons) == 0 {
		return nil
	}
	c, err := startCluster(ctx, size, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.plane.Stop()) }()
	for _, p := range comparisons {
		if err := p.measure(ctx, c, progress); err != nil {
			return err
		}
	}
	return nil
}

// Markdown returns the whole report.
func (r *packingReport) Markdown() string {
	var b, rest strings.Builder
	fmt.Fprintf(&b, "# Packing\n\nMade by `%s` with %s on %s/%s, %d cores.\n\n", r.command, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	b.WriteString("A real kube-apiserver has the objects. Every cache runs in a process of its own, in turns; a figure is the median over\n" +
		"the rounds, a ratio the median of the rounds' own. First come the doors, each compared to what it stands in for, as users\n" +
		"have it: controller-runtime's cache copies what is read unless it is told not to, client-go's informer reads protobuf.\n" +
		"Then come informer.New with several budgets, whose Gets are compared to those of controller-runtime's cache, and caches\n" +
		"of custom resources.\n")
	for _, p := range r.results {
		section := fmt.Sprintf("%s, %d rounds\n\n", p.title, p.rounds)
		switch {
		case p.task.Controller:
			b.WriteString("\n## " + section + p.table(controllerMeasures, p.caches))
		case p.task.Content == widgetsOnly:
			rest.WriteString("\n## " + section + p.table(widgetMeasures, p.caches))
		default:
			b.WriteString("\n## " + section + p.table(doorMeasures(p.objects()), doors))
		}
		if p.task.Content == podsOnly {
			rest.WriteString("\n## Budgets: " + section + p.table(budgetMeasures(p.objects()), budgets))
		}
	}
	b.WriteString(rest.String())
	if f := r.memory; f != nil {
		fmt.Fprintf(&b, "\n## %s Pods from memory\n\nAll packed with S2, in a process with a memory limit of 1 GiB: %s of RSS, at most %s (target ≤ 1,200 MB: %s); live heap %s an\nobject; a forced collection takes %s.\n",
			grouped(f.Objects), megabytes(f.RSS), megabytes(f.PeakRSS), verdict(f.PeakRSS <= 1.2e9), bytesShown(f.LiveHeap), nanoseconds(f.ForcedGC))
	}
	return b.String()
}

// ofPods returns the comparisons of the doors and the budgets, the smallest first.
func (r *packingReport) ofPods() []*packing {
	return slices.DeleteFunc(slices.Clone(r.results), func(p *packing) bool { return p.task.Content != podsOnly })
}

// save writes a report of everything and its chart into a folder.
func (r *packingReport) save(folder string) error {
	pods := r.ofPods()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "PACKING.md"), []byte(r.Markdown()), 0o644),
		os.WriteFile(filepath.Join(folder, "packing.svg"), []byte(footprintChart(pods[len(pods)-1])), 0o644),
	)
}

// show writes the summaries of a report of everything into larder's documents.
func (r *packingReport) show() error {
	pods := r.ofPods()
	least, most := pods[0], pods[len(pods)-1]
	return errors.Join(
		showIn(readme, doorsShown, least.summary(doorMeasures(least.objects()), doorsInSummary)),
		showIn(memory, packingShown, most.summary(budgetMeasures(most.objects()), budgetsInSummary)),
	)
}

// fill is for how long a read is repeated.
const fill = 200 * time.Millisecond

// What make bench-packing measures, and what it does for every day.
func fullPacking() packingPlan {
	return packingPlan{memory: 1_000_000, sizes: []packingSize{
		{clusterSize: clusterSize{pods: 20_000, widgets: 2_000}, rounds: 2, fill: fill, load: 10 * time.Second, underWay: 30 * time.Second},
		{clusterSize: clusterSize{pods: 8_000, widgets: 1_000, mixed: true}, rounds: 2, fill: fill},
		{clusterSize: clusterSize{pods: 100_000, widgets: 4_000}, rounds: 1, fill: fill, load: 10 * time.Second},
	}}
}

func quickPacking() packingPlan {
	return packingPlan{memory: 100_000, sizes: []packingSize{
		{clusterSize: clusterSize{pods: 5_000, widgets: 1_000}, rounds: 1, fill: fill, load: 5 * time.Second, underWay: 5 * time.Second},
		{clusterSize: clusterSize{pods: 1_000, widgets: 100, mixed: true}, rounds: 1, fill: fill},
	}}
}
