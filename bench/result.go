package main

import (
	"slices"
)

// Result is what the contenders of a scenario took, round by round.
type Result struct {
	Scenario Scenario
	Samples  [][]Sample // by contender, by round
}

// run puts a scenario to its contenders. In each round every contender has its turn; who begins changes from
// round to round. So whatever disturbs the machine meets all of them, and ratios are of figures taken moments
// apart.
func run(s Scenario, rounds int) Result {
	var garbage collector
	turns, closings := make([]Turn, len(s.Contenders)), make([]func(), len(s.Contenders))
	for i, c := range s.Contenders {
		turns[i], closings[i] = c.Open()
		turns[i]() // warms up
	}
	r := Result{Scenario: s, Samples: make([][]Sample, len(turns))}
	for round := range rounds {
		for i := range turns {
			i = (i + round) % len(turns)
			garbage.collect()
			r.Samples[i] = append(r.Samples[i], turns[i]())
		}
	}
	for _, closing := range closings {
		closing()
	}
	return r
}

// Spread is a median with the least and the greatest of what it is the median of.
type Spread struct{ Median, Min, Max float64 }

func spread(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return Spread{}
	}
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// Figure returns a contender's figure over all rounds.
func (r Result) Figure(contender int) Spread {
	return r.over(contender, func(s Sample) float64 { return s.Value })
}

// Cost returns a contender's median allocations, or nil if they were not counted.
func (r Result) Cost(contender int) *Cost {
	if r.Samples[contender][0].Cost == nil {
		return nil
	}
	return &Cost{
		Allocs: r.over(contender, func(s Sample) float64 { return s.Cost.Allocs }).Median,
		Bytes:  r.over(contender, func(s Sample) float64 { return s.Cost.Bytes }).Median,
	}
}

func (r Result) over(contender int, of func(Sample) float64) Spread {
	values := make([]float64, len(r.Samples[contender]))
	for i, s := range r.Samples[contender] {
		values[i] = of(s)
	}
	return spread(values)
}

// Comparison is two contenders in one scenario.
type Comparison struct {
	Ours, Theirs int     // contenders
	Ratio        Spread  // of Ours to Theirs, each round's by itself
	Target       float64 // 0: none
}

// Met tells whether the target is met.
func (c Comparison) Met() bool { return c.Ratio.Median <= c.Target }

// Comparisons returns what the scenario compares.
func (r Result) Comparisons() []Comparison {
	var all []Comparison
	for i, c := range r.Scenario.Contenders {
		comparison := Comparison{Theirs: i}
		if base := r.Scenario.Baseline; base != "" {
			comparison = Comparison{Ours: i, Theirs: r.index(base)}
		}
		if comparison.Ours == comparison.Theirs {
			continue
		}
		ratios := make([]float64, len(r.Samples[i]))
		for round := range ratios {
			ratios[round] = r.Samples[comparison.Ours][round].Value / r.Samples[comparison.Theirs][round].Value
		}
		comparison.Ratio = spread(ratios)
		comparison.Target = r.Scenario.Ratios[c.Name]
		all = append(all, comparison)
	}
	return all
}

func (r Result) index(contender string) int {
	return slices.IndexFunc(r.Scenario.Contenders, func(c Contender) bool { return c.Name == contender })
}
