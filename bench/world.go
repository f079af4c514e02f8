package main

import (
	"slices"
	"time"
)

// World is how large everything is, and what the scenarios share.
type World struct {
	// Pods and Items are how many objects there are of each.
	Pods, Items int
	// Rounds is how many turns each contender has.
	Rounds int
	// Fill is for how long a turn repeats a short operation.
	Fill time.Duration
	// Points are the sizes at which growth is measured, and Watchers how many of them.
	Points, Watchers []int
	// Cursors is how many of them sleep on one kind, and Kinds how many there are in one store.
	Cursors, Kinds int

	pods  *podVersion
	items *Versions[*item]
}

// The two sizes of a run: figures for the documentation take minutes, those for every day less than three.
func fullWorld() *World {
	return &World{
		Pods: 100_000, Items: 1_000_000, Rounds: 9, Fill: 100 * time.Millisecond,
		Points: []int{1_000, 10_000, 100_000, 1_000_000}, Watchers: []int{0, 1, 10, 100, 1_000, 10_000},
		Cursors: 20_000, Kinds: 30_000,
	}
}

func quickWorld() *World {
	return &World{
		Pods: 20_000, Items: 100_000, Rounds: 4, Fill: 30 * time.Millisecond,
		Points: []int{1_000, 10_000, 100_000}, Watchers: []int{0, 1, 10, 100, 1_000},
		Cursors: 20_000, Kinds: 10_000,
	}
}

// PodVersions returns the Pods. They are made when they are first asked for, and again if items were in between:
// the two would fill the memory, and take the collector's time.
func (w *World) PodVersions() *podVersion {
	if w.pods == nil {
		w.items, w.pods = nil, podVersions(w.Pods)
	}
	return w.pods
}

// ItemVersions returns so many items.
func (w *World) ItemVersions(count int) *Versions[*item] {
	if w.items == nil || len(w.items.First) != count {
		w.pods, w.items = nil, itemVersions(count)
	}
	return w.items
}

// scenarios returns all of them. Those that share objects follow each other.
func scenarios(w *World) []Scenario {
	return slices.Concat(
		storeScenarios(w), informerScenarios(w), watcherScenarios(w), crowdScenarios(w), stallScenarios(w),
		backlogScenarios(w), heapScenarios(w), kindScenarios(w), queueScenarios(w),
	)
}
