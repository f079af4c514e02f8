package gomap

import (
	"fmt"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

func openCursor(t *testing.T, s *MemStore[int], opts ...store.WatchOption[int]) *Cursor[int] {
	t.Helper()
	c, err := s.Cursor("numbers", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func setNumber(t *testing.T, s *MemStore[int], key string, n int) {
	t.Helper()
	if _, err := s.Set("numbers", key, n); err != nil {
		t.Fatal(err)
	}
}

// drain reads everything and lets the cursor sleep.
func drain(c *Cursor[int]) {
	select {
	case <-c.Ready():
	default:
	}
	for range c.Changes() {
	}
}

func isReady(c *Cursor[int]) bool {
	select {
	case <-c.Ready():
		return true
	default:
		return false
	}
}

// A cursor that is about to sleep does not make the writer believe that another, which
// sleeps, is awake.
func TestEverySleeperIsWoken(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	sleeper, other := openCursor(t, s), openCursor(t, s)
	drain(sleeper)
	at(t, hookSleep, func() {
		setNumber(t, s, "a", 1) // finds the other half asleep
		drain(sleeper)
		setNumber(t, s, "a", 2)
		if !isReady(sleeper) {
			t.Error("a cursor that sleeps is not woken beside one that is about to")
		}
		drain(sleeper)
	})
	drain(other)
	if !isReady(other) {
		t.Error("a cursor sleeps through what was written while it was about to sleep")
	}
	setNumber(t, s, "a", 3)
	if !isReady(sleeper) {
		t.Error("a cursor is not woken")
	}
}

// The hub counts no sleeper twice and forgets none, whoever wakes, reads and closes.
func TestHubCounts(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	const readers, rounds = 6, 200
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			for i := range rounds {
				c, err := s.Cursor("numbers")
				if err != nil {
					t.Error(err)
					return
				}
				for range i % 4 {
					drain(c)
				}
				if r%2 == 0 {
					setNumber(t, s, fmt.Sprint(r), i)
				}
				wg.Go(c.Close)
			}
		})
	}
	wg.Wait()
	setNumber(t, s, "last", 0)
	h := &s.kinds.lookup("numbers").hub
	if count, asleep := h.count.Load(), h.asleep.Load(); count != 0 || asleep != 0 {
		t.Errorf("%d cursors are counted, %d asleep: there are none", count, asleep)
	}
}

// Cursors beyond those that fit into the seats that there are get more, and seats that
// are left are taken again.
func TestSeats(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	setNumber(t, s, "a", 0)
	h := &s.kinds.lookup("numbers").hub
	var cursors []*Cursor[int]
	for range 500 {
		cursors = append(cursors, openCursor(t, s))
	}
	seated := func() (n int) {
		for range h.all() {
			n++
		}
		return n
	}
	if n := seated(); n != 500 {
		t.Fatalf("%d of 500 cursors have a seat", n)
	}
	for i, c := range cursors {
		if i%5 != 0 {
			c.Close()
		}
	}
	before := len(*h.seats.Load())
	for range 400 {
		openCursor(t, s)
	}
	if n := seated(); n != 500 || len(*h.seats.Load()) != before {
		t.Errorf("%d of 500 cursors have a seat, in %d groups instead of %d", n, len(*h.seats.Load()), before)
	}
}
