package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// measure is one thing that is measured of caches.
type measure struct {
	title string
	of    func(Footprint) float64
	show  func(float64) string
	// against is the cache that others are compared to.
	against string
	// atMost are the targets: ratios, by the name of the cache.
	atMost map[string]float64
}

func bytesShown(v float64) string   { return grouped(int(v)) + " B" }
func megabytes(v float64) string    { return fmt.Sprintf("%.0f MB", v/1e6) }
func seconds(v float64) string      { return fmt.Sprintf("%.2f s", v) }
func nanoseconds(v float64) string  { return figure(v, Nanoseconds) }
func percentShown(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }

// The caches that have targets.
const (
	withBudget = "larder, 32 MiB"
	allPacked  = "larder, all packed"
	allZstd    = "larder, all packed, zstd"
	widgets    = "larder, all packed, unstructured"
)

// podMeasures are what is measured of caches of so many Pods.
func podMeasures(count int) []measure {
	heap := map[string]float64{allPacked: 1.0 / 15, allZstd: 1.0 / 20}
	if count >= 100_000 {
		heap[withBudget] = 1.0 / 10
	}
	return []measure{
		{"live heap, an object", func(f Footprint) float64 { return f.LiveHeap }, bytesShown, clientgoCache, heap},
		{
			"forced collection", func(f Footprint) float64 { return f.ForcedGC }, nanoseconds, clientgoCache,
			map[string]float64{allPacked: 1.0 / 30, allZstd: 1.0 / 30},
		},
		{
			"collecting garbage under 200 updates a second, of all processor time", func(f Footprint) float64 { return f.GCShare },
			percentShown, clientgoCache, nil,
		},
		{
			"peak RSS until synced", func(f Footprint) float64 { return f.PeakRSS }, megabytes, clientgoCache,
			map[string]float64{withBudget: 1.0 / 8, allPacked: 1.0 / 8, allZstd: 1.0 / 8},
		},
		{
			"processor time until synced", func(f Footprint) float64 { return f.CPU }, seconds, clientgoCache,
			map[string]float64{withBudget: 0.5, allPacked: 0.5},
		},
		{"time until synced", func(f Footprint) float64 { return f.Wall }, seconds, clientgoCache, nil},
		{
			"Get of a hot object", func(f Footprint) float64 { return f.HotGet }, nanoseconds, controllerRuntime,
			map[string]float64{withBudget: 1.0 / 5},
		},
		{
			"Get of any object", func(f Footprint) float64 { return f.ColdGet }, nanoseconds, controllerRuntime,
			map[string]float64{withBudget: 3, allPacked: 3},
		},
	}
}

// widgetMeasures are what is measured of caches of custom resources.
var widgetMeasures = []measure{
	{"live heap, an object", func(f Footprint) float64 { return f.LiveHeap }, bytesShown, clientgoWidgets, map[string]float64{widgets: 1.0 / 30}},
	{"peak RSS until synced", func(f Footprint) float64 { return f.PeakRSS }, megabytes, clientgoWidgets, nil},
	{"processor time until synced", func(f Footprint) float64 { return f.CPU }, seconds, clientgoWidgets, nil},
	{"forced collection", func(f Footprint) float64 { return f.ForcedGC }, nanoseconds, clientgoWidgets, nil},
	{"Get of any object", func(f Footprint) float64 { return f.ColdGet }, nanoseconds, clientgoWidgets, nil},
}

// packingSize is how much is measured.
type packingSize struct {
	pods, widgets, memory, rounds int
	load                          time.Duration
}

// packing is what was measured of a cluster of one size.
type packing struct {
	size packingSize
	runs map[string][]Footprint // by the name of the cache, by round
}

// measurePacking runs every cache in a process of its own, round by round, on one cluster.
func measurePacking(ctx context.Context, size packingSize, progress io.Writer) (p *packing, err error) {
	c, err := startCluster(ctx, size.pods, size.widgets, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.plane.Stop()) }()
	p = &packing{size: size, runs: map[string][]Footprint{}}
	config := c.plane.Config()
	for round := range size.rounds {
		for i := range liveCaches {
			l := liveCaches[(i+round)%len(liveCaches)]
			fmt.Fprintf(progress, "round %d of %d: %s\n", round+1, size.rounds, l.name)
			f, err := measureProcess(ctx, task{Cache: l.name, Host: config.Host, TLS: config.TLSClientConfig}, func() {
				ctx, cancel := context.WithTimeout(ctx, size.load)
				defer cancel()
				c.update(ctx, 200)
			})
			if err != nil {
				return nil, err
			}
			p.runs[l.name] = append(p.runs[l.name], f)
		}
	}
	return p, nil
}

// table compares the caches.
func (p *packing) table(measures []measure) string {
	rows := [][]string{{"", "cache", "figure", "ratio", "least – greatest", "target", ""}}
	for _, m := range measures {
		title := m.title
		for _, c := range liveCaches {
			if c.widgets != (m.against == clientgoWidgets) {
				continue
			}
			row := []string{title, c.name, m.show(p.spread(c.name, m.of).Median), "", "", "", ""}
			title = ""
			if c.name != m.against {
				ratio := p.ratio(c.name, m)
				row[3], row[4] = significant(ratio.Median), significant(ratio.Min)+" – "+significant(ratio.Max)
				if target, ok := m.atMost[c.name]; ok {
					row[5], row[6] = "≤ "+significant(target), verdict(ratio.Median <= target)
				}
			}
			rows = append(rows, row)
		}
	}
	return markdown(rows)
}

func (p *packing) spread(cache string, of func(Footprint) float64) Spread {
	var values []float64
	for _, f := range p.runs[cache] {
		values = append(values, of(f))
	}
	return spread(values)
}

// ratio returns that of a cache to the one it is compared to, each round's by itself.
func (p *packing) ratio(cache string, m measure) Spread {
	var ratios []float64
	for round, f := range p.runs[cache] {
		ratios = append(ratios, m.of(f)/m.of(p.runs[m.against][round]))
	}
	return spread(ratios)
}

// summary is the table for those in a hurry.
func (p *packing) summary() string {
	header := []string{grouped(p.size.pods) + " Pods"}
	caches := []string{clientgoCache, controllerRuntime, withBudget, allPacked, allZstd}
	rows := [][]string{append(header, caches...)}
	for _, m := range podMeasures(p.size.pods) {
		row := []string{m.title}
		for _, c := range caches {
			row = append(row, m.show(p.spread(c, m.of).Median))
		}
		rows = append(rows, row)
	}
	return markdown(rows)
}

// packingReport measures and writes what came out of it.
func packingReport(ctx context.Context, sizes []packingSize, command, folder string, out, progress io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Packing\n\nMade by `%s` with %s on %s/%s, %d cores.\n\n", command, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	b.WriteString("A real kube-apiserver has the objects. Every cache runs in a process of its own, in turns; a figure is the median over\n" +
		"the rounds, a ratio the median of the rounds' own. Pods are compared to client-go's informer, which reads protobuf, and\n" +
		"Gets to those of controller-runtime's cache, which copies. Custom resources are compared to client-go's dynamic informer.\n")
	var last *packing
	for _, size := range sizes {
		p, err := measurePacking(ctx, size, progress)
		if err != nil {
			return err
		}
		last = p
		fmt.Fprintf(&b, "\n## %s Pods, %d rounds\n\n%s", grouped(size.pods), size.rounds, p.table(podMeasures(size.pods)))
		fmt.Fprintf(&b, "\n## %s custom resources\n\n%s", grouped(size.widgets), p.table(widgetMeasures))
	}
	size := sizes[len(sizes)-1]
	fmt.Fprintf(progress, "%s Pods from memory\n", grouped(size.memory))
	f, err := measureProcess(ctx, task{Count: size.memory}, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "\n## %s Pods from memory\n\nAll packed with S2, in a process with a memory limit of 1 GiB: %s of RSS, at most %s (target ≤ 1,200 MB: %s); live heap %s an\nobject; a forced collection takes %s.\n",
		grouped(f.Objects), megabytes(f.RSS), megabytes(f.PeakRSS), verdict(f.PeakRSS <= 1.2e9), bytesShown(f.LiveHeap), nanoseconds(f.ForcedGC))
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(folder+"/PACKING.md", []byte(b.String()), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(folder+"/packing.svg", []byte(footprintChart(last)), 0o644); err != nil || folder != "." {
		return err
	}
	return showIn("../README.md", packingShown, last.summary())
}

// footprintChart draws what the caches take, a panel a measure, as bars.
func footprintChart(p *packing) string {
	measures := podMeasures(p.size.pods)
	caches := slices.DeleteFunc(slices.Clone(liveCaches), func(c liveCache) bool { return c.widgets })
	return p.chart([]measure{measures[0], measures[1], measures[3], measures[4]}, caches)
}

// chart draws measures of caches as bars.
func (p *packing) chart(shown []measure, caches []liveCache) string {
	const barHeight, longest = 20.0, 570.0
	title := "What a cache of Pods takes: less is better"
	head := title + " (" + grouped(p.size.pods) + " Pods)"
	names, values, titles := 0.0, 0.0, textWidth(titleSize, head)
	for _, m := range shown {
		titles = max(titles, textWidth(plainSize, m.title))
		for _, c := range caches {
			names = max(names, textWidth(faintSize, c.name))
			values = max(values, textWidth(faintSize, m.show(p.spread(c.name, m.of).Median)))
		}
	}
	left := margin + names + 12
	panelHeight := 40 + float64(len(caches))*barHeight
	d := newDrawing(max(left+longest+8+values, margin+titles)+margin, 50+float64(len(shown))*panelHeight, title)
	d.text(margin, 28, "title", "start", head)
	for i, m := range shown {
		top := 50 + float64(i)*panelHeight
		d.text(margin, top+14, "", "start", m.title)
		greatest := 0.0
		for _, c := range caches {
			greatest = max(greatest, p.spread(c.name, m.of).Median)
		}
		for n, c := range caches {
			y := top + 24 + float64(n)*barHeight
			value := p.spread(c.name, m.of).Median
			class := "theirs"
			if strings.HasPrefix(c.name, "larder") {
				class = "ours"
			}
			length := value / greatest * longest
			d.text(left-12, y+13, "faint", "end", c.name)
			d.bar(class, left, y+3, length, barHeight-6)
			d.text(left+length+8, y+13, "faint", "start", m.show(value))
		}
	}
	return d.done()
}

// What make bench-packing measures, and what it does for every day.
var (
	fullPacking = []packingSize{
		{pods: 20_000, widgets: 2_000, rounds: 2, load: 10 * time.Second},
		{pods: 100_000, widgets: 4_000, memory: 1_000_000, rounds: 1, load: 10 * time.Second},
	}
	quickPacking = []packingSize{{pods: 5_000, widgets: 1_000, memory: 100_000, rounds: 1, load: 5 * time.Second}}
)
