package gomap

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// hub has the cursors of a stream, and wakes those that wait for a change. What it costs
// a writer does not depend on how many there are: a few are woken at once, more by a
// goroutine of their own. Who joins, leaves or wakes cursors does not hold up a writer.
type hub[T any] struct {
	count  atomic.Int64 // of cursors
	asleep atomic.Int64 // not fewer than the cursors that say that they sleep
	waking atomic.Bool  // a goroutine is about to look at the cursors

	seats atomic.Pointer[[]seats[T]] // of readers' and the writer's; replaced, never changed

	mu   sync.Mutex // of those who join and leave
	free []*atomic.Pointer[Cursor[T]]
}

// seats are places for cursors; those that are free hold nil.
type seats[T any] []atomic.Pointer[Cursor[T]]

const (
	few      = 4 // cursors a writer wakes by itself
	maxSeats = 64
)

// all yields the cursors, at least those that are there all the time.
func (h *hub[T]) all() iter.Seq[*Cursor[T]] {
	return func(yield func(*Cursor[T]) bool) {
		all := h.seats.Load()
		if all == nil {
			return
		}
		for _, some := range *all {
			for i := range some {
				if c := some[i].Load(); c != nil && !yield(c) {
					return
				}
			}
		}
	}
}

// notify has the waiting cursors woken. It does not block.
func (h *hub[T]) notify() {
	switch {
	case h.asleep.Load() == 0:
	case h.count.Load() <= few:
		h.wakeAll()
	case h.waking.CompareAndSwap(false, true):
		go func() {
			h.waking.Store(false)
			h.wakeAll()
		}()
	}
}

func (h *hub[T]) wakeAll() {
	for c := range h.all() {
		c.wake()
	}
}

// earliest returns the earliest revision that a cursor has reached, at most rev.
func (h *hub[T]) earliest(rev uint64) uint64 {
	for c := range h.all() {
		rev = min(rev, c.pos.Load())
	}
	return rev
}

// join takes a cursor in. From now on the writer sees its position.
func (h *hub[T]) join(c *Cursor[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.free) == 0 {
		more := make(seats[T], min(max(h.count.Load(), 1), maxSeats))
		for i := range more {
			h.free = append(h.free, &more[i])
		}
		var all []seats[T]
		if old := h.seats.Load(); old != nil {
			all = *old
		}
		all = append(slices.Clip(all), more)
		h.seats.Store(&all)
	}
	last := len(h.free) - 1
	c.seat = h.free[last]
	h.free = h.free[:last]
	c.seat.Store(c)
	h.count.Add(1)
}

// leave takes a cursor out, if it is in, and tells whether none is left.
func (h *hub[T]) leave(c *Cursor[T]) (last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.seat == nil {
		return false
	}
	c.seat.Store(nil)
	h.free = append(h.free, c.seat)
	c.seat = nil
	c.rouse()
	if h.count.Add(-1) > 0 {
		return false
	}
	h.seats.Store(nil)
	h.free = nil
	return true
}
