package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-dev/larder/pkg/gomap"
)

// crowdContender measures the slowest Set beside so many cursors. In a turn they fall asleep again and again, each
// time all of them, and then a goroutine writes some changes. Another reads cursors that were woken meanwhile, so
// that they sleep again, and replaces one with a new one now and then.
func crowdContender(w *World, cursors int) Contender {
	const (
		changes = 100
		pause   = 10 * time.Microsecond // from a change to the next, so that there is time to wake all cursors
		joining = 10                    // of so many that are read one is replaced
	)
	return Contender{Name: grouped(cursors) + " cursors", Open: func() (Turn, func()) {
		v := w.ItemVersions(w.Items)
		s := newLarder(v).(*larderStore[*item])
		crowd := make([]*gomap.Cursor[*item], cursors)
		join := func(i int) {
			var err error
			crowd[i], err = s.Cursor(kind)
			must(err)
			readAll(crowd[i])
		}
		for i := range crowd {
			join(i)
		}
		change := v.Changes()
		next := 0
		read := func() {
			i := next % cursors
			if next%joining == 0 {
				crowd[i].Close()
				join(i)
			} else {
				readAll(crowd[i])
			}
			next++
		}
		turn := func() Sample {
			var worst time.Duration
			for range max(1, w.Fill/(10*changes*pause)) {
				for _, c := range crowd {
					readAll(c)
				}
				var over atomic.Bool
				var reader sync.WaitGroup
				reader.Go(func() {
					for !over.Load() {
						read()
					}
				})
				for range changes {
					worst = max(worst, clock(1, func(int) { s.Set(change()) }))
					for begin := time.Now(); time.Since(begin) < pause; {
					}
				}
				over.Store(true)
				reader.Wait()
			}
			return Sample{Value: float64(worst)}
		}
		return turn, func() {
			for _, c := range crowd {
				c.Close()
			}
			s.Close()
		}
	}}
}

// readAll reads a cursor until it sleeps.
func readAll[T any](c *gomap.Cursor[T]) {
	select {
	case <-c.Ready():
	default:
	}
	for range c.Changes() {
	}
}

// crowdScenarios are writes beside many cursors that sleep.
func crowdScenarios(w *World) []Scenario {
	few := crowdContender(w, max(1, w.Cursors/1000))
	return []Scenario{{
		Name:       "crowd",
		Title:      "Slowest Set while cursors sleep, are woken, join and leave",
		Why:        "every client that waits for changes is a cursor, and clients come and go",
		Unit:       Nanoseconds,
		Contenders: []Contender{few, crowdContender(w, w.Cursors)},
		Baseline:   few.Name,
	}}
}
