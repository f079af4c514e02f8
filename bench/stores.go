package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
)

type (
	podVersion = Versions[*corev1.Pod]
	podStore   = Store[*corev1.Pod]
	podOpener  = opener[*corev1.Pod]
)

// The stores of Pods that take part.
var (
	larderPods        = podOpener{"larder", newLarder[*corev1.Pod]}
	clientgoPods      = podOpener{"client-go Indexer", newClientgo[*corev1.Pod]}
	runtimePods       = podOpener{"controller-runtime", newRuntime}
	runtimePodsShared = podOpener{"controller-runtime without copies", newRuntimeShared}
	statedbPods       = podOpener{"statedb", newStatedb[*corev1.Pod]}
	statedbPodsBatch  = podOpener{"statedb, 100 a transaction", newStatedbBatch[*corev1.Pod]}
	memdbPods         = podOpener{"go-memdb", newMemdb[*corev1.Pod]}
	xsyncPods         = podOpener{"xsync.Map", newXsync[*corev1.Pod]}
)

// open makes a store that holds the first state of all objects.
type open[T any] func(*Versions[T]) Store[T]

// opener is a store by its name.
type opener[T any] struct {
	name string
	open open[T]
}

// storeContenders measures what a function does with each of several stores.
func storeContenders[T any](v func() *Versions[T], openers []opener[T], work func(*Versions[T], Store[T]) Turn) []Contender {
	contenders := make([]Contender, len(openers))
	for i, o := range openers {
		contenders[i] = Contender{Name: o.name, Open: func() (Turn, func()) {
			s := o.open(v())
			return work(v(), s), s.Close
		}}
	}
	return contenders
}

// getting is operations that Get, one after another, the first so many of [Versions.Lookups].
func getting[T any](s Store[T], count int) func(first, n int) {
	return func(first, n int) {
		at := first % count
		for range n {
			s.Get(at)
			if at++; at == count {
				at = 0
			}
		}
	}
}

// updating is a turn of Sets, each of which changes an object but not its place in an index.
func updating[T any](w *World, v *Versions[T], s Store[T]) Turn {
	change := v.Changes()
	return timed(w.Fill, func(n int) {
		for range n {
			s.Set(change())
		}
	})
}

// underWriter does a turn while one goroutine writes as fast as it can.
func underWriter[T any](v *Versions[T], s Store[T], turn Turn) Turn {
	change := v.Changes()
	return func() Sample {
		var stop atomic.Bool
		var wg sync.WaitGroup
		writing := make(chan struct{})
		wg.Go(func() {
			s.Set(change())
			close(writing)
			for !stop.Load() {
				s.Set(change())
			}
		})
		<-writing
		sample := turn()
		stop.Store(true)
		wg.Wait()
		sample.Cost = nil // mostly the writer's
		return sample
	}
}

// besideWriter is how many goroutines read beside one that writes.
func besideWriter() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// storeScenarios are reads and writes of one object, of some, of all.
func storeScenarios(w *World) []Scenario {
	pods := w.PodVersions
	readers := []podOpener{larderPods, clientgoPods, runtimePodsShared, runtimePods, statedbPods, memdbPods, xsyncPods}
	get := func(name, title string, count func(v *podVersion) int) Scenario {
		return Scenario{
			Name:  name,
			Title: fmt.Sprintf("Get, %d readers, %s", runtime.GOMAXPROCS(0), title),
			Unit:  Nanoseconds,
			Contenders: storeContenders(pods, readers, func(v *podVersion, s podStore) Turn {
				return timed(w.Fill, parallel(runtime.GOMAXPROCS(0), getting(s, count(v))))
			}),
			Ratios: map[string]float64{clientgoPods.name: 0.35},
		}
	}
	hot := func(v *podVersion) int { return min(1000, len(v.First)) }
	all := func(v *podVersion) int { return len(v.First) }
	return []Scenario{
		get("get/parallel", "1,000 hot objects", hot),
		get("get/cold", fmt.Sprintf("any of %s objects", grouped(w.Pods)), all),
		{
			Name:  "get/writer",
			Title: "Get while one writer saturates, 1,000 hot objects",
			Unit:  Nanoseconds,
			Contenders: storeContenders(pods, []podOpener{larderPods, clientgoPods, statedbPods, memdbPods, xsyncPods},
				func(v *podVersion, s podStore) Turn {
					return underWriter(v, s, timed(w.Fill, parallel(besideWriter(), getting(s, hot(v)))))
				}),
			Ratios: map[string]float64{clientgoPods.name: 0.2},
		},
		{
			Name:  "update",
			Title: "Update, indexes unchanged",
			Unit:  Nanoseconds,
			Contenders: storeContenders(pods, []podOpener{larderPods, clientgoPods, statedbPods, statedbPodsBatch, memdbPods},
				func(v *podVersion, s podStore) Turn { return updating(w, v, s) }),
			Ratios: map[string]float64{clientgoPods.name: 0.7},
			Allocs: 3,
		},
		{
			Name:  "index",
			Title: "Read the 1,000 objects of a namespace",
			Unit:  Nanoseconds,
			Contenders: storeContenders(pods, []podOpener{larderPods, clientgoPods, runtimePodsShared, statedbPods, memdbPods},
				func(v *podVersion, s podStore) Turn {
					return timed(w.Fill, func(n int) {
						for i := range n {
							s.Find(byNamespace, v.First[i*1000%len(v.First)].Namespace)
						}
					})
				}),
			Ratios: map[string]float64{clientgoPods.name: 0.2},
		},
		{
			Name:  "iterate",
			Title: fmt.Sprintf("Read all %s objects", grouped(w.Pods)),
			Unit:  Nanoseconds,
			Contenders: storeContenders(pods, []podOpener{larderPods, clientgoPods, runtimePodsShared, statedbPods, memdbPods, xsyncPods},
				func(_ *podVersion, s podStore) Turn {
					return timed(w.Fill, func(n int) {
						for range n {
							s.All()
						}
					})
				}),
			Ratios: map[string]float64{clientgoPods.name: 0.4},
		},
	}
}
