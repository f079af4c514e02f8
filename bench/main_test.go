package main

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" { // a process of TestPacking
		must(serve(os.Stdin, os.Stdout))
		return
	}
	goleak.VerifyTestMain(m)
}

// Every scenario can be run, gives a figure for every contender, and leaves nothing running; the report and its
// charts can be written.
func TestSmoke(t *testing.T) {
	w := &World{
		Pods: 200, Items: 1_000, Rounds: 1, Fill: time.Microsecond,
		Points: []int{10, 100}, Watchers: []int{0, 1, 10},
	}
	report := Report{World: w, Command: "test"}
	report.measure(regexp.MustCompile(""), io.Discard)
	names := map[string]bool{}
	for _, r := range report.Results {
		if names[r.Scenario.Name] {
			t.Errorf("%s: there are two of that name", r.Scenario.Name)
		}
		names[r.Scenario.Name] = true
		for i, c := range r.Scenario.Contenders {
			// A thousand entries are too few for their memory to be told from the garbage.
			if v := r.Figure(i).Median; math.IsNaN(v) || math.IsInf(v, 0) || v <= 0 && r.Scenario.Unit == Nanoseconds {
				t.Errorf("%s: the figure of %s is %v", r.Scenario.Name, c.Name, v)
			}
		}
		for name := range r.Scenario.Ratios {
			if r.index(name) < 0 && !strings.HasPrefix(r.Scenario.Name, "watchers/") {
				t.Errorf("%s: a target for %s, who does not take part", r.Scenario.Name, name)
			}
		}
	}
	for _, g := range report.Growths {
		for _, c := range g.Curves {
			for _, p := range c.Points {
				if p.Figure.Median <= 0 {
					t.Errorf("%s: %s takes %v ns at %d", g.Name, c.Name, p.Figure.Median, p.Size)
				}
			}
		}
	}
	if len(report.Results) != len(scenarios(w)) || len(report.Growths) != len(growths(w)) {
		t.Errorf("%d results and %d growths", len(report.Results), len(report.Growths))
	}
	folder := filepath.Join(t.TempDir(), "new")
	if err := report.save(folder); err != nil {
		t.Error(err)
	}
	if files, err := filepath.Glob(filepath.Join(folder, "*")); err != nil || len(files) != 3 {
		t.Errorf("files written: %v (%v)", files, err)
	}
}

// What cannot be run is an error that says so, and not a report of nothing.
func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-run", "("},
		{"-run", "no such scenario"},
		{"-rounds", "-1"},
		{"-unknown"},
		{"get"},
		{"-cpuprofile", filepath.Join(t.TempDir(), "missing", "cpu.out")},
	} {
		var out bytes.Buffer
		if err := bench(args, &out, io.Discard); err == nil || out.Len() > 0 {
			t.Errorf("%q: error %v, output %q", args, err, out.String())
		}
	}
}
