package main

import (
	"slices"
	"testing"
)

// A spread is the median with its extremes, whatever the order.
func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{7}, Spread{7, 7, 7}},
		{[]float64{3, 1, 2}, Spread{2, 1, 3}},
		{[]float64{4, 1, 3, 2}, Spread{2.5, 1, 4}},
	} {
		if got := spread(test.values); got != test.want {
			t.Errorf("spread(%v) = %v, want %v", test.values, got, test.want)
		}
	}
}

// Every contender warms up once, has one turn in each round, is first in some round, and is closed once.
func TestRunTakesTurns(t *testing.T) {
	var order []string
	contender := func(name string) Contender {
		return Contender{Name: name, Open: func() (Turn, func()) {
			return func() Sample { order = append(order, name); return Sample{Value: 1} },
				func() { order = append(order, "close "+name) }
		}}
	}
	run(Scenario{Contenders: []Contender{contender("a"), contender("b"), contender("c")}}, 3)
	want := []string{
		"a", "b", "c", // warming up
		"a", "b", "c", "b", "c", "a", "c", "a", "b",
		"close a", "close b", "close c",
	}
	if !slices.Equal(order, want) {
		t.Errorf("turns: %v, want %v", order, want)
	}
}

// With Anew a contender is opened for every turn, warms up, and is closed before the next is opened. Once before the
// first round one is opened, for the objects.
func TestRunAnew(t *testing.T) {
	var order []string
	contender := func(name string) Contender {
		return Contender{Name: name, Open: func() (Turn, func()) {
			order = append(order, "open "+name)
			return func() Sample { order = append(order, name); return Sample{Value: float64(len(order))} },
				func() { order = append(order, "close "+name) }
		}}
	}
	r := run(Scenario{Anew: true, Contenders: []Contender{contender("a"), contender("b")}}, 2)
	want := []string{
		"open a", "close a",
		"open a", "a", "a", "close a", "open b", "b", "b", "close b",
		"open b", "b", "b", "close b", "open a", "a", "a", "close a",
	}
	if !slices.Equal(order, want) {
		t.Errorf("turns: %v, want %v", order, want)
	}
	if first := r.Samples[0][0].Value; first != 5 {
		t.Errorf("the figure is that of turn %v, want the one after warming up, 5", first)
	}
}

// A ratio is of one round's figures, so that a round in which everything was slow does not show.
func TestComparisons(t *testing.T) {
	values := func(of ...float64) []Sample {
		samples := make([]Sample, len(of))
		for i, v := range of {
			samples[i].Value = v
		}
		return samples
	}
	s := Scenario{
		Contenders: []Contender{{Name: "larder"}, {Name: "slow"}, {Name: "fast"}},
		Ratios:     map[string]float64{"slow": 0.5, "fast": 0.5},
	}
	r := Result{Scenario: s, Samples: [][]Sample{values(1, 10, 1), values(2, 20, 4), values(1, 8, 1)}}
	want := []Comparison{
		{Ours: 0, Theirs: 1, Ratio: Spread{0.5, 0.25, 0.5}, Target: 0.5},
		{Ours: 0, Theirs: 2, Ratio: Spread{1, 1, 1.25}, Target: 0.5},
	}
	if got := r.Comparisons(); !slices.Equal(got, want) {
		t.Errorf("comparisons: %v, want %v", got, want)
	}
	if got := r.Comparisons(); !got[0].Met() || got[1].Met() {
		t.Error("the first target is met, the second is not")
	}

	r.Scenario.Baseline = "fast"
	want = []Comparison{
		{Ours: 0, Theirs: 2, Ratio: Spread{1, 1, 1.25}},
		{Ours: 1, Theirs: 2, Ratio: Spread{2.5, 2, 4}, Target: 0.5},
	}
	if got := r.Comparisons(); !slices.Equal(got, want) {
		t.Errorf("comparisons with a baseline: %v, want %v", got, want)
	}
}
