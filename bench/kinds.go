package main

import (
	"fmt"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// fewKinds is how many kinds a program has that does not make them up.
const fewKinds = 100

// kindContender measures the first Set of a new kind in stores that have so many already. A turn does so many
// Sets in all; they should not make the stores much larger.
func kindContender(kinds, stores, operations int) Contender {
	return Contender{Name: grouped(kinds) + " kinds", Open: func() (Turn, func()) {
		all := make([]*gomap.MemStore[*item], stores)
		one, made := &item{key: "one"}, 0
		// makeKinds makes new kinds in all stores, whose names are made before.
		makeKinds := func(names []string) {
			for _, s := range all {
				for _, name := range names {
					_, err := s.Set(name, one.key, one)
					must(err)
				}
			}
		}
		newNames := func(n int) (names []string) {
			for range n {
				names = append(names, fmt.Sprintf("kind-%d", made))
				made++
			}
			return names
		}
		for i := range all {
			all[i] = gomap.NewMemStore(store.StoreOptions[*item]{})
		}
		makeKinds(newNames(kinds))
		turn := func() Sample {
			names := newNames(operations / stores)
			return counted(operations, func(int) { makeKinds(names) })
		}
		return turn, func() {
			for _, s := range all {
				must(s.Close())
			}
		}
	}}
}

// kindScenarios are what a store with many kinds costs.
func kindScenarios(w *World) []Scenario {
	const operations = 200
	few := kindContender(fewKinds, operations, operations)
	many := kindContender(w.Kinds, 1, operations)
	return []Scenario{{
		Name:       "kinds",
		Title:      "First Set of a new kind",
		Why:        "a program that keeps a kind for each tenant, or job, makes them all the time",
		Unit:       Nanoseconds,
		Contenders: []Contender{few, many},
		Baseline:   few.Name,
		Ratios:     map[string]float64{many.Name: 2},
	}}
}
