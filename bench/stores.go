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

// readingAll is a turn of reads of everything.
func readingAll[T any](w *World, s Store[T]) Turn {
	return timed(w.Fill, func(n int) {
		for range n {
			s.All()
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

// hot is how many objects are hot.
func hot[T any](v *Versions[T]) int { return min(1000, len(v.First)) }

// getHot reads the same 1,000 of so many objects again and again.
func getHot[T any](name, of string, w *World, v func() *Versions[T], openers []opener[T]) Scenario {
	s := get(w, v, openers, hot)
	s.Name, s.Title = name, s.Title+" 1,000 hot of "+of
	s.Why = "every reconcile reads its object this way"
	s.Ratios = map[string]float64{clientgoPods.name: 0.6, xsyncPods.name: 1.3}
	return s
}

// getAny reads all of so many objects, in no order.
func getAny[T any](name, of string, w *World, v func() *Versions[T], openers []opener[T]) Scenario {
	s := get(w, v, openers, func(v *Versions[T]) int { return len(v.First) })
	s.Name, s.Title = name, s.Title+" any of "+of
	s.Why = "an object that was not read for long is read this way, and after a restart all are"
	s.Ratios = map[string]float64{clientgoPods.name: 0.9, xsyncPods.name: 1.6}
	return s
}

// get is a scenario of Gets of the first so many objects of [Versions.Lookups], by as many readers as there are cores.
func get[T any](w *World, v func() *Versions[T], openers []opener[T], count func(*Versions[T]) int) Scenario {
	readers := runtime.GOMAXPROCS(0)
	return Scenario{
		Title: fmt.Sprintf("Get, %d readers,", readers),
		Unit:  Nanoseconds,
		Contenders: storeContenders(v, openers, func(v *Versions[T], s Store[T]) Turn {
			return timed(w.Fill, parallel(readers, getting(s, count(v))))
		}),
	}
}

// storeScenarios are reads and writes of one object, of some, of all.
func storeScenarios(w *World) []Scenario {
	pods := w.PodVersions
	items := func() *Versions[*item] { return w.ItemVersions(w.Items) }
	readers := []podOpener{larderPods, clientgoPods, runtimePodsShared, runtimePods, statedbPods, memdbPods, xsyncPods}
	itemReaders := []opener[*item]{
		{larderPods.name, newLarder[*item]}, {clientgoPods.name, newClientgo[*item]}, {xsyncPods.name, newXsync[*item]},
	}
	return []Scenario{
		getHot("get/parallel", fmt.Sprintf("%s objects", grouped(w.Pods)), w, pods, readers),
		getAny("get/cold", fmt.Sprintf("%s objects", grouped(w.Pods)), w, pods, readers),
		getHot("get/parallel-items", fmt.Sprintf("%s small objects", grouped(w.Items)), w, items, itemReaders),
		getAny("get/cold-items", fmt.Sprintf("%s small objects", grouped(w.Items)), w, items, itemReaders),
		{
			Name:  "get/writer",
			Title: "Get while one writer saturates, 1,000 hot objects",
			Why:   "reconciles go on reading while an informer brings in a burst of changes",
			Unit:  Nanoseconds,
			Contenders: storeContenders(pods, []podOpener{larderPods, clientgoPods, statedbPods, memdbPods, xsyncPods},
				func(v *podVersion, s podStore) Turn {
					return underWriter(v, s, timed(w.Fill, parallel(besideWriter(), getting(s, hot(v)))))
				}),
			Ratios: map[string]float64{clientgoPods.name: 0.3},
		},
		{
			Name:  "update",
			Title: "Update, indexes unchanged",
			Why:   "nearly every change that an informer brings in is one of these: a status, a heartbeat",
			Unit:  Nanoseconds,
			Contenders: storeContenders(pods, []podOpener{larderPods, clientgoPods, statedbPods, statedbPodsBatch, memdbPods},
				func(v *podVersion, s podStore) Turn { return updating(w, v, s) }),
			Ratios: map[string]float64{clientgoPods.name: 0.8},
			Allocs: 3,
		},
		{
			Name:  "index",
			Title: "Read the 1,000 objects of a namespace",
			Why:   "a reconcile that looks at the other objects of its namespace, or at its children, reads them so",
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
			Why:   "metrics, sweeps for garbage and answers to a list without a selector go over everything",
			Unit:  Nanoseconds,
			Anew:  true,
			Contenders: storeContenders(pods, []podOpener{larderPods, clientgoPods, runtimePodsShared, statedbPods, memdbPods, xsyncPods},
				func(_ *podVersion, s podStore) Turn { return readingAll(w, s) }),
			Ratios: map[string]float64{clientgoPods.name: 0.8},
		},
		{
			Name:  "iterate/updated",
			Title: fmt.Sprintf("Read all %s objects, each updated since, in any order", grouped(w.Pods)),
			Why:   "the same after a day's changes, which have put neighbours at different places in memory",
			Unit:  Nanoseconds,
			Anew:  true,
			Contenders: storeContenders(pods, []podOpener{larderPods, clientgoPods, xsyncPods},
				func(v *podVersion, s podStore) Turn {
					for _, obj := range shuffled(v.Second) {
						s.Set(obj)
					}
					return readingAll(w, s)
				}),
		},
	}
}
