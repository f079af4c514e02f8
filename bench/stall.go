package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/larder-dev/larder/pkg/store"
)

// stallContender measures the slowest writes of one goroutine while another reads everything there is. With no
// one reading, the writes are as many as a turn is filled with.
func stallContender(name string, w *World, percentile float64, open open[*item], read func(s Store[*item])) Contender {
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := w.ItemVersions(w.Items)
		s := open(v)
		change := v.Changes()
		turn := func() Sample {
			done := make(chan struct{})
			var reader sync.WaitGroup
			reader.Go(func() {
				defer close(done)
				read(s)
			})
			took := latencies(done, func() { s.Set(change()) })
			reader.Wait()
			slices.Sort(took)
			return Sample{Value: float64(took[int(percentile/100*float64(len(took)-1))])}
		}
		return turn, s.Close
	}}
}

// latencies repeats an operation until done, and returns how long each took.
func latencies(done <-chan struct{}, operation func()) []time.Duration {
	took := make([]time.Duration, 0, 1<<20)
	for last := time.Now(); ; {
		operation()
		now := time.Now()
		took = append(took, now.Sub(last))
		select {
		case <-done:
			return took
		default:
		}
		last = time.Now()
	}
}

// snapshotContender measures the slowest of so many writes that every object changes while a snapshot is held, and
// once more after it was closed.
func snapshotContender(name string, w *World, held bool) Contender {
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := w.ItemVersions(w.Items / 2)
		s := newLarder(v).(*larderStore[*item])
		change := v.Changes()
		set := func() { s.Set(change()) }
		turn := func() Sample {
			closing := nothing
			if held {
				snapshot, err := s.Snapshot(kind)
				must(err)
				closing = snapshot.Close
			}
			worst := slowestOf(len(v.First), set)
			closing()
			return Sample{Value: float64(max(worst, slowestOf(len(v.First), set)))}
		}
		return turn, s.Close
	}}
}

// slowestOf does n operations, and returns how long the slowest took.
func slowestOf(n int, operation func()) (worst time.Duration) {
	last := time.Now()
	for range n {
		operation()
		now := time.Now()
		worst = max(worst, now.Sub(last))
		last = now
	}
	return worst
}

// replayCursor reads a replay as an informer's handler does.
func replayCursor(s Store[*item]) {
	cursor, err := s.(*larderStore[*item]).Cursor(kind, store.WithInitialReplay[*item](), store.WithSyncMarker[*item]())
	must(err)
	defer cursor.Close()
	for event := range cursor.Changes() {
		if event.EventType == store.EventTypeSync {
			return
		}
	}
}

// replayWatch reads a replay from a channel.
func replayWatch(s Store[*item]) {
	events, cancel, err := s.(*larderStore[*item]).Watch(kind, store.WithInitialReplay[*item](), store.WithSyncMarker[*item]())
	must(err)
	defer cancel()
	for event := range events {
		if event.EventType == store.EventTypeSync {
			return
		}
	}
}

// stallScenarios are the writes that somebody who begins to watch could hold up.
func stallScenarios(w *World) []Scenario {
	slowest := func(name, title, why string, percentile, atMost float64) Scenario {
		const undisturbed = "larder, nobody reads"
		return Scenario{
			Name:  name,
			Title: fmt.Sprintf("%s Set while another replays %s keys", title, grouped(w.Items)),
			Why:   why,
			Unit:  Nanoseconds,
			Contenders: []Contender{
				stallContender("larder, a cursor replays", w, percentile, newLarder[*item], replayCursor),
				stallContender("larder, a watch replays", w, percentile, newLarder[*item], replayWatch),
				stallContender(undisturbed, w, percentile, newLarder[*item], func(Store[*item]) { time.Sleep(w.Fill) }),
				stallContender("a client-go Indexer, another lists", w, percentile, newClientgo[*item], func(s Store[*item]) { s.All() }),
			},
			AtMost: atMost,
		}
	}
	return []Scenario{
		slowest("stall/p100", "Slowest", "a client that connects should not make the informer fall behind", 100, float64(500*time.Microsecond)),
		slowest("stall/p99.9", "99.9th percentile of", "the same without what the machine alone does to the slowest", 99.9, 0),
		{
			Name:  "stall/snapshot",
			Title: fmt.Sprintf("Slowest Set while a snapshot of %s keys is held, and let go", grouped(w.Items/2)),
			Why:   "a long list or a backup reads a snapshot, while the informer goes on writing",
			Unit:  Nanoseconds,
			Contenders: []Contender{
				snapshotContender("larder, a snapshot is held", w, true),
				snapshotContender("larder, none is", w, false),
			},
		},
	}
}
