package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every cache can be filled from a real API server, in a process of its own, and measured.
func TestPacking(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	size := packingSize{pods: 300, widgets: 20, memory: 500, rounds: 1, load: 500 * time.Millisecond}
	var out bytes.Buffer
	if err := packingReport(t.Context(), []packingSize{size}, "test", folder, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	report := out.String()
	for _, c := range liveCaches {
		if !strings.Contains(report, c.name) {
			t.Errorf("%s is not in the report", c.name)
		}
	}
	for _, bad := range []string{"NaN", "Inf", " 0 B ", " 0 ns"} {
		if strings.Contains(report, bad) {
			t.Errorf("the report has %q:\n%s", bad, report)
		}
	}
	for _, name := range []string{"PACKING.md", "packing.svg"} {
		if data, err := os.ReadFile(filepath.Join(folder, name)); err != nil || len(data) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

// Targets are of caches that there are.
func TestPackingTargets(t *testing.T) {
	known := map[string]bool{}
	for _, c := range liveCaches {
		known[c.name] = true
	}
	for _, m := range append(podMeasures(100_000), widgetMeasures...) {
		if !known[m.against] {
			t.Errorf("%s is compared to %q", m.title, m.against)
		}
		for name, target := range m.atMost {
			if !known[name] || target <= 0 {
				t.Errorf("%s has a target of %v for %q", m.title, target, name)
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
