package gomap

import (
	"sync"
	"sync/atomic"
)

// hub wakes the cursors of a table that wait for a change. What it costs a writer
// does not depend on how many there are: a few are woken at once, more by a
// goroutine of their own.
type hub[T any] struct {
	count  atomic.Int64 // of cursors
	asleep atomic.Int64 // of cursors that wait
	waking atomic.Bool  // a goroutine is about to look at the cursors

	mu      sync.RWMutex // of the list: who wakes cursors does not stop the writer
	cursors []*Cursor[T]
}

// few is how many cursors a writer wakes by itself.
const few = 4

// notify has the waiting cursors woken. It does not block.
func (h *hub[T]) notify() {
	switch {
	case h.asleep.Load() == 0:
	case h.count.Load() <= few && h.mu.TryRLock():
		h.wakeLocked()
		h.mu.RUnlock()
	case h.waking.CompareAndSwap(false, true):
		go func() {
			h.waking.Store(false)
			h.wakeAll()
		}()
	}
}

func (h *hub[T]) wakeAll() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	h.wakeLocked()
}

func (h *hub[T]) wakeLocked() {
	for _, c := range h.cursors {
		c.wake()
	}
}

func (h *hub[T]) join(c *Cursor[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.place = len(h.cursors)
	h.cursors = append(h.cursors, c)
	h.count.Add(1)
}

// leave takes a cursor out, and tells whether it was the last.
func (h *hub[T]) leave(c *Cursor[T]) (last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.place < 0 {
		return false
	}
	n := len(h.cursors) - 1
	h.cursors[c.place] = h.cursors[n]
	h.cursors[c.place].place = c.place
	h.cursors[n] = nil
	h.cursors = h.cursors[:n]
	c.place = -1
	h.count.Add(-1)
	c.rouse()
	return n == 0
}

// spare returns the revision up to which a log may be cut off, at most floor: what a
// cursor is to be told one by one has to stay.
func (h *hub[T]) spare(w view[T], floor uint64) uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.cursors {
		pos := c.pos.Load()
		if pos >= floor || pos < w.block.low {
			continue
		}
		if unread := w.after(pos); unread.atMost(c.config.BufferSize) {
			floor = pos
		}
	}
	return floor
}

// earliest returns the earliest revision that a cursor has reached, at most rev.
func (h *hub[T]) earliest(rev uint64) uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.cursors {
		rev = min(rev, c.pos.Load())
	}
	return rev
}

// below adds the cursors' revisions below one to pins.
func (h *hub[T]) below(rev uint64, ps pins) pins {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, c := range h.cursors {
		if pos := c.pos.Load(); pos < rev {
			ps = append(ps, pos)
		}
	}
	return ps
}
