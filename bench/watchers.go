package main

import (
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/larder-dev/larder/pkg/store"
)

// watching opens watches of a store, and says how to end them.
type watching func(s *larderStore[*corev1.Pod], v *podVersion, watchers int) (end func())

// watcherContender measures an update beside watchers. They may be there for a turn of it only, each time anew: those
// that fall behind would go on reading in the turns of others.
func watcherContender(w *World, watchers int, what string, watch watching, forATurn bool) Contender {
	name := fmt.Sprintf("%s %s", grouped(watchers), what)
	if watchers == 0 {
		name = nobody
	}
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := w.PodVersions()
		s := newLarder(v).(*larderStore[*corev1.Pod])
		update := updating(w, v, s)
		if forATurn {
			return func() Sample {
				defer watch(s, v, watchers)()
				return update()
			}, s.Close
		}
		end := watch(s, v, watchers)
		return update, func() {
			end()
			s.Close()
		}
	}}
}

// nobody is the name of the contender that is not watched.
const nobody = "no watcher"

// idleScenario is the name of the one that is drawn as a curve.
const idleScenario = "watchers/idle"

// idle watchers are open and read nothing: their channels are full, and what comes is merged until they read.
func idle(s *larderStore[*corev1.Pod], v *podVersion, watchers int) (end func()) {
	channels := make([]<-chan *store.Event[*corev1.Pod], watchers)
	cancels := make([]func(), watchers)
	for i := range watchers {
		var err error
		channels[i], cancels[i], err = s.Watch(kind)
		must(err)
	}
	for _, events := range channels {
		// Who is slow to begin may have been sent less than what was written: it was merged.
		for len(events) < cap(events) {
			s.Set(v.Second[0])
			s.Set(v.First[0])
			time.Sleep(time.Millisecond)
		}
	}
	return func() {
		for i, cancel := range cancels {
			cancel()
			drain(channels[i])
		}
	}
}

// reading watchers read what they are sent, as fast as they get the processor.
func reading(s *larderStore[*corev1.Pod], _ *podVersion, watchers int) (end func()) {
	return read(s, watchers, func(int) []store.WatchOption[*corev1.Pod] { return nil })
}

// ofKeys are watchers that read too, each of a key of its own as far as there are as many.
func ofKeys(s *larderStore[*corev1.Pod], v *podVersion, watchers int) (end func()) {
	keys := v.Keys()
	return read(s, watchers, func(i int) []store.WatchOption[*corev1.Pod] {
		return []store.WatchOption[*corev1.Pod]{store.WithKey[*corev1.Pod](keys[i%len(keys)])}
	})
}

// ofNodes are watchers that read too, each of a node of its own: first those that have Pods, then empty ones.
func ofNodes(s *larderStore[*corev1.Pod], _ *podVersion, watchers int) (end func()) {
	nodes, err := s.IndexValues(kind, byNode)
	must(err)
	for i := range watchers {
		nodes = append(nodes, fmt.Sprintf("empty-%d", i))
	}
	return read(s, watchers, func(i int) []store.WatchOption[*corev1.Pod] {
		return []store.WatchOption[*corev1.Pod]{store.WithIndexValue[*corev1.Pod](byNode, nodes[i])}
	})
}

// read opens watches, each with its options, and reads from them.
func read(s *larderStore[*corev1.Pod], watchers int, options func(watcher int) []store.WatchOption[*corev1.Pod]) (end func()) {
	var readers sync.WaitGroup
	cancels := make([]func(), watchers)
	for i := range watchers {
		events, cancel, err := s.Watch(kind, options(i)...)
		must(err)
		readers.Go(func() { drain(events) })
		cancels[i] = cancel
	}
	return func() {
		for _, cancel := range cancels {
			cancel()
		}
		readers.Wait()
	}
}

// drain reads until the channel is closed.
func drain[T any](events <-chan T) {
	for range events {
	}
}

// watcherScenarios are writes beside many who want to be told.
func watcherScenarios(w *World) []Scenario {
	beside := func(what string, watch watching, forATurn bool) []Contender {
		contenders := make([]Contender, len(w.Watchers))
		for i, n := range w.Watchers {
			contenders[i] = watcherContender(w, n, what, watch, forATurn)
		}
		return contenders
	}
	const ofKeysName, ofNodesName = "watchers of a key", "watchers of a node"
	most := w.Watchers[len(w.Watchers)-1]
	return []Scenario{
		{
			Name:       idleScenario,
			Title:      "Update, watchers that do not read",
			Why:        "whoever is slow, or stuck, must not hold up the writer",
			Unit:       Nanoseconds,
			Contenders: beside("idle watchers", idle, false),
			Baseline:   nobody,
			Ratios:     map[string]float64{"1,000 idle watchers": 2},
		},
		{
			Name:       "watchers/reading",
			Title:      "Update, watchers that read everything on the same cores",
			Why:        "streams to clients are one watcher each, and all want every change",
			Unit:       Nanoseconds,
			Contenders: beside("reading watchers", reading, true),
			Baseline:   nobody,
			Ratios:     map[string]float64{"1,000 reading watchers": 3},
		},
		{
			Name:  "watchers/narrowed",
			Title: "Update, watchers that read a key or an index value",
			Why:   "agents that each follow their own object or node should not pay for the others'",
			Unit:  Nanoseconds,
			Contenders: []Contender{
				watcherContender(w, 0, "", ofKeys, false),
				watcherContender(w, most, ofKeysName, ofKeys, false),
				watcherContender(w, most, ofNodesName, ofNodes, false),
			},
			Baseline: nobody,
			Ratios:   map[string]float64{grouped(most) + " " + ofKeysName: 3, grouped(most) + " " + ofNodesName: 3},
		},
	}
}
