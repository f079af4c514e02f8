package main

import (
	"runtime"
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
	r := Result{Scenario: s, Samples: make([][]Sample, len(s.Contenders))}
	open := allOpen
	if s.Anew {
		open = openedAnew
	}
	take, closing := open(s.Contenders)
	defer closing()
	for round := range rounds {
		for i := range s.Contenders {
			i = (i + round) % len(s.Contenders)
			r.Samples[i] = append(r.Samples[i], take(i))
		}
	}
	return r
}

// allOpen opens all contenders, each of which warms up. It returns what takes a contender's turn, and what closes
// them.
func allOpen(contenders []Contender) (take func(contender int) Sample, closing func()) {
	var garbage collector
	turns, closings := make([]Turn, len(contenders)), make([]func(), len(contenders))
	for i, c := range contenders {
		turns[i], closings[i] = c.Open()
		turns[i]() // warms up
	}
	take = func(contender int) Sample {
		garbage.collect()
		return turns[contender]()
	}
	closing = func() {
		for _, end := range closings {
			end()
		}
	}
	return take, closing
}

// openedAnew opens a contender for each turn, after a collection, so that all are opened on the same heap: that of
// the objects.
func openedAnew(contenders []Contender) (take func(contender int) Sample, closing func()) {
	_, end := contenders[0].Open() // makes the objects
	end()
	take = func(contender int) Sample {
		runtime.GC()
		turn, end := contenders[contender].Open()
		defer end()
		turn() // warms up
		runtime.GC()
		return turn()
	}
	return take, nothing
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
