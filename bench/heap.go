package main

import (
	"fmt"
	"maps"
	"runtime"
)

// heapContender measures what a store adds to the live heap for each of its objects, beyond the object and its
// key. Fill changes the store, which holds all objects at first, and returns how many it holds then.
func heapContender(name string, w *World, open open[*item], fill func(*Versions[*item], Store[*item]) int) Contender {
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := w.ItemVersions(w.Items)
		v.Keys()
		return func() Sample { return Sample{Value: heapOfEntry(v, open, fill)} }, nothing
	}}
}

// indexContender measures what an index whose values are all different adds to the live heap for each object: a
// store with it is compared to one without.
func indexContender(name string, w *World, open open[*item]) Contender {
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := w.ItemVersions(w.Items)
		v.Keys()
		with := *v
		with.Indexes = maps.Clone(v.Indexes)
		with.Indexes["unique"] = v.Key // the strings are there already
		return func() Sample {
			return Sample{Value: heapOfEntry(&with, open, asFilled) - heapOfEntry(v, open, asFilled)}
		}, nothing
	}}
}

// heapOfEntry opens a store, fills it, and returns what it has added to the live heap for each of its objects.
func heapOfEntry(v *Versions[*item], open open[*item], fill func(*Versions[*item], Store[*item]) int) float64 {
	before := liveHeap()
	s := open(v)
	entries := fill(v, s)
	after := liveHeap()
	s.Close()
	return (float64(after) - float64(before)) / float64(entries)
}

func liveHeap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has unlinked
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// asFilled leaves a store as it is.
func asFilled(v *Versions[*item], _ Store[*item]) int { return len(v.First) }

// updatedTwice changes every object twice.
func updatedTwice(v *Versions[*item], s Store[*item]) int {
	change := v.Changes()
	for range 2 * len(v.First) {
		s.Set(change())
	}
	return len(v.First)
}

// survivorOf is of how many objects one is left by [deleted].
const survivorOf = 64

// deleted takes out all objects but one in 64.
func deleted(v *Versions[*item], s Store[*item]) (left int) {
	r := s.(remover[*item])
	for i, obj := range v.First {
		if i%survivorOf == 0 {
			left++
		} else {
			r.Remove(obj)
		}
	}
	return left
}

// heapScenarios are the memory of a store itself. The objects are small, but that does not matter here.
func heapScenarios(w *World) []Scenario {
	live := func(name, title, why string, atMost float64, fill func(*Versions[*item], Store[*item]) int) Scenario {
		return Scenario{
			Name:  name,
			Title: title,
			Why:   why,
			Unit:  Bytes,
			Contenders: []Contender{
				heapContender("larder", w, newLarder[*item], fill),
				heapContender(clientgoPods.name, w, newClientgo[*item], fill),
			},
			AtMost: atMost,
		}
	}
	entry := fmt.Sprintf("Heap of an entry, beyond key and value, of %s", grouped(w.Items))
	return []Scenario{
		live("heap/filled", entry, "it is the memory that a cache needs besides its objects", 144, asFilled),
		live("heap/updated", entry+", each updated twice", "history that nobody reads should not stay", 144, updatedTwice),
		live("heap/deleted", fmt.Sprintf("Heap of a survivor, beyond key and value, after %d of %d in %s were deleted", survivorOf-1, survivorOf, grouped(w.Items)),
			"memory should come back when a burst of objects, such as Jobs, is over", 0, deleted),
		{
			Name:  "heap/unique",
			Title: fmt.Sprintf("Heap of an entry of an index whose %s values are all different", grouped(w.Items)),
			Why:   "an index by UID, or by IP address, has as many values as there are objects",
			Unit:  Bytes,
			Contenders: []Contender{
				indexContender("larder", w, newLarder[*item]),
				indexContender(clientgoPods.name, w, newClientgo[*item]),
			},
		},
	}
}
