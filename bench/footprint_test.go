package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Every cache can be filled from a real API server, in a process of its own, and measured.
func TestPacking(t *testing.T) {
	plan := packingPlan{memory: 500, sizes: []packingSize{
		{clusterSize: clusterSize{pods: 300, widgets: 20}, rounds: 1, fill: time.Millisecond, load: 500 * time.Millisecond, underWay: 500 * time.Millisecond},
		{clusterSize: clusterSize{pods: 60, widgets: 10, mixed: true}, rounds: 1, fill: time.Millisecond},
	}}
	report := packingReport{command: "test"}
	if err := report.measure(t.Context(), plan, regexp.MustCompile(""), t.Output()); err != nil {
		t.Fatal(err)
	}
	text := report.Markdown()
	for _, c := range together(doors, budgets, ofWidgets) {
		if !strings.Contains(text, c.name) {
			t.Errorf("%s is not in the report", c.name)
		}
	}
	for _, bad := range []string{"NaN", "9,223,372,036", " 0 B ", " 0 ns"} { // the second is what becomes of infinity
		if strings.Contains(text, bad) {
			t.Errorf("the report has %q:\n%s", bad, text)
		}
	}
	if len(report.results) != 4 || report.memory == nil {
		t.Errorf("%d comparisons, memory %v", len(report.results), report.memory)
	}
	for _, p := range report.results {
		for name, runs := range p.runs {
			if f := runs[0]; p.task.Controller && f.Reconciled != float64(p.task.Updates) {
				t.Errorf("%s: %s reconciled %v times for %d updates", p.name, name, f.Reconciled, p.task.Updates)
			}
		}
	}
	folder := filepath.Join(t.TempDir(), "new")
	if err := report.save(folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PACKING.md", "packing.svg"} {
		if data, err := os.ReadFile(filepath.Join(folder, name)); err != nil || len(data) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

// The documents have places for what is written into them.
func TestSummaries(t *testing.T) {
	for file, from := range map[string]string{readme: doorsShown, memory: packingShown, comparison: ratiosShown} {
		text, err := os.ReadFile(file)
		if _, rest, found := strings.Cut(string(text), from); err != nil || !found || !strings.Contains(rest, shownTo) {
			t.Errorf("%s has no place for what follows %q (%v)", file, from, err)
		}
	}
}

// Comparisons and targets are of caches that take part.
func TestPackingTargets(t *testing.T) {
	for _, table := range []struct {
		caches   []liveCache
		measures []measure
	}{
		{doors, doorMeasures(100_000)},
		{doors, controllerMeasures},
		{budgets, budgetMeasures(100_000)},
		{ofWidgets, widgetMeasures},
	} {
		for _, c := range table.caches {
			if c.stock != "" && len(named(table.caches, c.stock)) != 1 {
				t.Errorf("%s is compared to %q", c.name, c.stock)
			}
		}
		for _, m := range table.measures {
			if m.against != "" && len(named(table.caches, m.against)) != 1 {
				t.Errorf("%s is compared to %q", m.title, m.against)
			}
			for name, target := range m.atMost {
				if len(named(table.caches, name)) != 1 || target <= 0 {
					t.Errorf("%s has a target of %v for %q", m.title, target, name)
				}
			}
		}
	}
}

// A process that is given nonsense says so.
func TestProcessErrors(t *testing.T) {
	for _, in := range []string{"", "no json\n", `{"Cache":"none"}` + "\n"} {
		if err := serve(strings.NewReader(in), &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}
