package main

import (
	"fmt"
	"runtime"
)

// heapContender measures what a store adds to the live heap for each object, beyond the object and its key.
func heapContender(name string, w *World, open open[*item], fill func(*Versions[*item], Store[*item])) Contender {
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := w.ItemVersions(w.Items)
		v.Keys()
		turn := func() Sample {
			before := liveHeap()
			s := open(v)
			fill(v, s)
			after := liveHeap()
			s.Close()
			return Sample{Value: (float64(after) - float64(before)) / float64(len(v.First))}
		}
		return turn, nothing
	}}
}

func liveHeap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first has unlinked
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// heapScenarios are the memory of a store itself. The objects are small, but that does not matter here.
func heapScenarios(w *World) []Scenario {
	live := func(name, title string, fill func(*Versions[*item], Store[*item])) Scenario {
		return Scenario{
			Name:  name,
			Title: fmt.Sprintf("Heap of an entry, beyond key and value, of %s%s", grouped(w.Items), title),
			Unit:  Bytes,
			Contenders: []Contender{
				heapContender("larder", w, newLarder[*item], fill),
				heapContender(clientgoPods.name, w, newClientgo[*item], fill),
			},
			AtMost: 120,
		}
	}
	return []Scenario{
		live("heap/filled", "", func(*Versions[*item], Store[*item]) {}),
		live("heap/updated", ", each updated twice", func(v *Versions[*item], s Store[*item]) {
			change := v.Changes()
			for range 2 * len(v.First) {
				s.Set(change())
			}
		}),
	}
}
