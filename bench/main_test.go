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
	"unicode"
	"unicode/utf8"

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
		Points: []int{10, 100}, Watchers: []int{0, 1, 10}, Cursors: 20, Kinds: 200,
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

// Nothing is measured of which nobody says why: in one clause, which goes on where the title ends. The report has it.
func TestWhy(t *testing.T) {
	report := Report{World: quickWorld()}
	reasons := map[string]string{} // by title
	for _, s := range scenarios(report.World) {
		reasons[s.Title] = s.Why
		report.Results = append(report.Results, Result{Scenario: s, Samples: make([][]Sample, len(s.Contenders))})
		for i := range s.Contenders {
			report.Results[len(report.Results)-1].Samples[i] = []Sample{{Value: 1}}
		}
	}
	for _, g := range growths(report.World) {
		reasons[g.Title] = g.Why
		report.Growths = append(report.Growths, Grown{Growth: g})
	}
	text := report.Markdown()
	for title, why := range reasons {
		first, _ := utf8.DecodeRuneInString(why)
		if why == "" || len(why) > 110 || unicode.IsUpper(first) || strings.ContainsAny(why, ".\n") {
			t.Errorf("%s: why is %q, want one short clause", title, why)
		}
		if line := "- **" + title + "**: " + why + ".\n"; !strings.Contains(text, line) {
			t.Errorf("the report has no line %q", line)
		}
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
