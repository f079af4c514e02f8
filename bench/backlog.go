package main

import (
	"runtime"

	"github.com/larder-dev/larder/pkg/store"
)

// noBacklog is the name of the contender that has none.
const noBacklog = "no backlog"

// backlogContender measures Sets beside a watcher that is so many changes behind, and does not read. Its buffer is
// large enough, so that all of them are kept for it. Without a backlog as many changes are written before as
// with the smallest, but nobody watches.
func backlogContender(w *World, behind int) Contender {
	name := noBacklog
	if behind > 0 {
		name = grouped(behind) + " behind"
	}
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := w.ItemVersions(max(1, w.Items/10))
		s := newLarder(v).(*larderStore[*item])
		change := v.Changes()
		set := func(n int) {
			for range n {
				s.Set(change())
			}
		}
		operations := max(1, w.Items/10)
		turn := func() Sample {
			if behind > 0 {
				cursor, err := s.Cursor(kind, store.WithBufferSize[*item](behind+operations))
				must(err)
				defer cursor.Close()
			}
			set(max(behind, w.Items/2))
			runtime.GC()
			return counted(operations, set)
		}
		return turn, s.Close
	}}
}

// backlogScenarios are writes beside a watcher that has stalled.
func backlogScenarios(w *World) []Scenario {
	contenders := []Contender{backlogContender(w, 0)}
	atMost := map[string]float64{}
	for _, halves := range []int{1, 2, 4, 8} {
		c := backlogContender(w, w.Items/2*halves)
		contenders = append(contenders, c)
		atMost[c.Name] = 1.5
	}
	return []Scenario{{
		Name:       "backlog",
		Title:      "Set beside a watcher that has stalled",
		Why:        "a client that hangs for an hour should not make the informer slower and slower",
		Unit:       Nanoseconds,
		Contenders: contenders,
		Baseline:   noBacklog,
		Ratios:     atMost,
	}}
}
