package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Columns line up, also where there are letters of more than one byte.
func TestMarkdown(t *testing.T) {
	got := markdown([][]string{{"operation", "ns"}, {"Get", "1.5 µs"}})
	want := "| operation | ns     |\n" +
		"|-----------|--------|\n" +
		"| Get       | 1.5 µs |\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Figures have the digits that mean something, and a unit.
func TestFigure(t *testing.T) {
	for _, test := range []struct {
		value float64
		unit  Unit
		want  string
	}{
		{0, Nanoseconds, "0 ns"},
		{12.34, Nanoseconds, "12.3 ns"},
		{2121, Nanoseconds, "2.12 µs"},
		{62e6, Nanoseconds, "62.0 ms"},
		{1.5e9, Nanoseconds, "1.50 s"},
		{1234567, Bytes, "1,234,567 B"},
		{0.36, Items, "0.36 items"},
		{0.00012, Bytes, "0.00012 B"},
	} {
		if got := figure(test.value, test.unit); got != test.want {
			t.Errorf("figure(%v, %s) = %q, want %q", test.value, test.unit, got, test.want)
		}
	}
}

// The table says of every target whether it is met, be it a ratio, a figure or a number of allocations.
func TestTargets(t *testing.T) {
	report := Report{World: quickWorld(), Results: []Result{{
		Scenario: Scenario{
			Title: "Get", Unit: Nanoseconds, Contenders: []Contender{{Name: "larder"}, {Name: "client-go Indexer"}},
			Ratios: map[string]float64{"client-go Indexer": 0.5}, AtMost: 20, Allocs: 3,
		},
		Samples: [][]Sample{{{Value: 25, Cost: &Cost{Allocs: 3}}}, {{Value: 100}}},
	}}}
	table := report.table()
	rows := strings.Split(strings.TrimSpace(table), "\n")[2:]
	for i, want := range []string{"| ≤ 0.50       | met", "| ≤ 20.0 ns    | **missed**", "| ≤ 3.00 allocs | met"} {
		if got := strings.Join(strings.Fields(rows[i]), " "); !strings.Contains(got, strings.Join(strings.Fields(want), " ")) {
			t.Errorf("row %d is %q, want %q in it", i, got, want)
		}
	}
	if summary := report.Summary(); !strings.Contains(summary, "| Get       | 25.0 ns | 100 ns    | 0.25  |") {
		t.Errorf("the summary is\n%s", summary)
	}
}

// Charts are XML, as the browsers want it, whatever the titles are.
func TestChartsAreXML(t *testing.T) {
	results := []Result{{
		Scenario: Scenario{Title: `A "title" with <angles> & more`, Contenders: []Contender{{Name: "larder"}, {Name: "client-go Indexer"}}},
		Samples:  [][]Sample{{{Value: 1}}, {{Value: 1e6}}},
	}}
	curve := Curve{Name: "larder", Points: []Point{{Size: 0, Figure: Spread{1, 1, 1}}, {Size: 1000, Figure: Spread{50, 1, 90}}}}
	for name, chart := range map[string]string{
		"ratios": ratioChart(results),
		"growth": growthChart([]Grown{{Growth: Growth{Title: "<b>"}, Curves: []Curve{curve, curve}}}),
	} {
		for decoder := xml.NewDecoder(strings.NewReader(chart)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v in\n%s", name, err, chart)
				break
			}
		}
		if strings.Contains(chart, "NaN") || strings.Contains(chart, "Inf") {
			t.Errorf("%s: a place that is no number in\n%s", name, chart)
		}
	}
}

// A summary replaces the one before, and nothing else; a file with no place for it is left alone.
func TestShowIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	for _, text := range []string{"above\n" + ratiosShown + shownTo + "below\n", "above\n" + ratiosShown + "old\n" + shownTo + "below\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := showIn(file, ratiosShown, "new\n"); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if want := "above\n" + ratiosShown + "new\n" + shownTo + "below\n"; err != nil || string(got) != want {
			t.Errorf("%q became %q (%v), want %q", text, got, err, want)
		}
	}
	if err := os.WriteFile(file, []byte("no place"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := showIn(file, ratiosShown, "new\n"); err == nil {
		t.Error("a file with no place for the summary was accepted")
	}
}
