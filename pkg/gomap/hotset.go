package gomap

import (
	"sync"
	"sync/atomic"
)

// hotset keeps decoded values within a budget. It decides as S3-FIFO does (Yang et
// al., SOSP 2023), weighted by bytes: a value that was just decoded waits in a
// small queue; only if it is read again there, or soon after it fell out, does it
// get into the main one. So a scan of everything passes through the small queue
// and leaves the rest alone.
//
// A reader that finds its value takes no lock. The lock is for what was decoded,
// which took far longer.
type hotset[T any] struct {
	budget int64 // bytes

	mu     sync.Mutex
	small  queue[T]
	main   queue[T]
	ghosts queue[T] // what is remembered: as much as there are values
	scale  scale
}

// smallShare is the part of the budget that is small's, as its authors chose it.
const smallShare = 10

// resident is what a parcel's slot holds.
type resident[T any] struct {
	state  state // does not change
	value  T     // of those that are kept or arriving
	parcel *Parcel[T]
	size   int64
	uses   atomic.Int32 // since it was last looked at, up to maxUses

	newer, older *resident[T] // in its queue
	queue        *queue[T]
	stale        bool // the key has another value
	heir         bool // of one that is arriving: the value before was hot
}

type state uint8

const (
	kept      state = iota // decoded, for readers
	ghost                  // was kept not long ago
	arriving               // being written, with a value that may be the writer's own
	announced              // being written, packed only
)

const (
	maxUses      = 3
	residentSize = 96 // of a resident itself
)

// readable tells whether readers may have the resident's value.
func (r *resident[T]) readable() bool { return r != nil && r.state == kept }

// touch counts a use. Hot values soon have as many as count, and are then only read.
func (r *resident[T]) touch() {
	if r.uses.Load() < maxUses {
		r.uses.Add(1)
	}
}

// queue has the values that came last at its front.
type queue[T any] struct {
	front, back *resident[T]
	count       int
	bytes       int64
}

func (q *queue[T]) push(r *resident[T]) {
	r.queue, r.older, r.newer = q, q.front, nil
	if q.front != nil {
		q.front.newer = r
	} else {
		q.back = r
	}
	q.front = r
	q.count++
	q.bytes += r.size
}

// remove takes a resident out of its queue.
func (r *resident[T]) remove() {
	q := r.queue
	if r.newer != nil {
		r.newer.older = r.older
	} else {
		q.front = r.older
	}
	if r.older != nil {
		r.older.newer = r.newer
	} else {
		q.back = r.newer
	}
	q.count--
	q.bytes -= r.size
	r.queue, r.newer, r.older = nil, nil, nil
}

// admit takes in a value that was decoded of a parcel, and returns the one that
// readers of the parcel share, which may be another's that was faster.
func (h *hotset[T]) admit(p *Parcel[T], value T) T {
	if h.budget <= 0 {
		return value
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	was := p.slot.Load()
	switch {
	case was.readable():
		was.touch()
		return was.value
	case was != nil && was.state != ghost:
		return value // is being written
	}
	r := &resident[T]{value: value, parcel: p, size: h.scale.size(p.packed.Len(), value) + residentSize}
	if r.size > h.budget || !p.slot.CompareAndSwap(was, r) {
		return value
	}
	if was == nil {
		h.small.push(r)
	} else {
		was.remove()
		h.main.push(r)
	}
	p.home.decoded.Add(1)
	p.home.bytes.Add(r.size)
	h.shrink()
	return value
}

// shrink lets values go until the budget is kept.
func (h *hotset[T]) shrink() {
	for spared := 0; h.small.bytes+h.main.bytes > h.budget; {
		if h.main.count == 0 || h.small.bytes > h.budget/smallShare {
			r := h.small.back
			r.remove()
			if r.stale || r.uses.Load() < 2 {
				h.drop(r)
				continue
			}
			r.uses.Store(0)
			h.main.push(r)
			continue
		}
		r := h.main.back
		r.remove()
		// Once round and no further, however busy the readers are.
		if r.uses.Load() == 0 || spared > maxUses*h.main.count {
			h.drop(r)
			continue
		}
		spared++
		r.uses.Add(-1)
		h.main.push(r)
	}
}

// drop forgets the value of a resident that is in no queue any more, and remembers
// for a while that it was there.
func (h *hotset[T]) drop(r *resident[T]) {
	p := r.parcel
	p.home.decoded.Add(-1)
	p.home.bytes.Add(-r.size)
	if r.stale {
		p.slot.Store(nil)
		return
	}
	h.remember(p, r)
}

// remember makes a parcel, whose slot has r, one whose next reader finds it worth
// keeping.
func (h *hotset[T]) remember(p *Parcel[T], r *resident[T]) {
	g := &resident[T]{state: ghost, parcel: p}
	if !p.slot.CompareAndSwap(r, g) {
		return
	}
	h.ghosts.push(g)
	for h.ghosts.count > max(h.small.count+h.main.count, minGhosts) {
		last := h.ghosts.back
		last.remove()
		last.parcel.slot.CompareAndSwap(last, nil)
	}
}

const minGhosts = 16

// succeed is called when a key's parcel gives way to another, or to none. The old
// value stays for those who compare the two, but not for long; the new one, which is
// arriving, is worth keeping if the old one was.
func (h *hotset[T]) succeed(prev, next *Parcel[T]) {
	if prev.slot.Load() == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := prev.slot.Load()
	if r == nil || r.queue == nil {
		return
	}
	if a := next.slot.Load(); a != nil && next != prev {
		a.heir = r.queue != &h.small || r.uses.Load() > 1
	}
	r.remove()
	if r.state == ghost {
		prev.slot.Store(nil)
	} else {
		r.stale = true
		h.small.push(r)
	}
}

// arrived ends what began when a parcel was made to be written.
func (h *hotset[T]) arrived(p *Parcel[T], r *resident[T]) {
	if !r.heir {
		p.slot.CompareAndSwap(r, nil)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remember(p, r)
}
