package gomap

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// hotset keeps decoded values within a budget. It decides as S3-FIFO does (Yang et
// al., SOSP 2023), weighted by bytes: a value that was just decoded waits in a
// small queue; only if it is read again there, or soon after it fell out, does it
// get into the main one. So a scan of everything passes through the small queue
// and leaves the rest alone.
//
// A value whose key has another one by now is stale. It is kept for the cursors that have
// yet to read how the one became the other, so that each of their readers need not decode
// it again: until all of them have, or the budget is full, for stale values go first.
//
// A reader that finds its value takes no lock. The lock is for what was decoded,
// which took far longer.
type hotset[T any] struct {
	budget int64 // bytes

	mu     sync.Mutex
	small  queue[T]
	main   queue[T]
	ghosts queue[T]   // what is remembered: as many as there ever were values
	homes  []*home[T] // have the stale ones
	values int        // that are kept, and
	most   int        // were ever
	bytes  int64      // that they take
}

// home is where the parcels of one kind come from.
type home[T any] struct {
	kind    string
	codec   store.Codec[T]
	onShare func(T) // nil: none
	hot     *hotset[T]
	decodes atomic.Uint64
	decoded atomic.Int64 // values that are kept, and
	bytes   atomic.Int64 // what they take

	// Guarded by hot.mu:
	stale queue[T]
	read  uint64 // all cursors have reached this revision
	gone  bool   // its store keeps nothing decoded any more

	weighing sync.Mutex
	scale    scale
}

func (h *hotset[T]) add(o *home[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.homes = append(h.homes, o)
}

// forget lets go of all values of a home, which keeps none from now on.
func (h *hotset[T]) forget(o *home[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, q := range []*queue[T]{&h.small, &h.main, &o.stale} {
		for r := range q.all() {
			if r.parcel.home == o {
				h.letGo(r)
				r.parcel.slot.Store(nil)
			}
		}
	}
	for r := range h.ghosts.all() {
		if r.parcel.home == o {
			r.remove()
			r.parcel.slot.CompareAndSwap(r, nil)
		}
	}
	o.gone = true
	h.homes = slices.DeleteFunc(h.homes, func(other *home[T]) bool { return other == o })
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
	heir         bool // of one that is arriving: the value before was hot
	decoded      bool // of one that is arriving: the value is no writer's, so that readers may have it
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

// all yields the residents, the oldest first. The one that was yielded may be removed.
func (q *queue[T]) all() iter.Seq[*resident[T]] {
	return func(yield func(*resident[T]) bool) {
		for r := q.back; r != nil; {
			newer := r.newer
			if !yield(r) {
				return
			}
			r = newer
		}
	}
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
func (h *hotset[T]) admit(p *Parcel[T], value T) T { return h.take(p, value, false) }

// fill is admit as long as there is room. It is no use of the value.
func (h *hotset[T]) fill(p *Parcel[T], value T) T { return h.take(p, value, true) }

func (h *hotset[T]) take(p *Parcel[T], value T, ifRoom bool) T {
	if h.budget <= 0 {
		return value
	}
	size := p.home.weigh(p, value)
	h.mu.Lock()
	defer h.mu.Unlock()
	was := p.slot.Load()
	switch {
	case was.readable():
		if !ifRoom {
			was.touch()
		}
		return was.value
	case was != nil && was.state != ghost,
		p.home.gone,
		p.stale() && p.replaced.Load() <= p.home.read,
		size > h.budget,
		ifRoom && h.bytes+size > h.budget:
		return value // is being written, or not worth keeping
	}
	r := &resident[T]{value: value, parcel: p, size: size}
	if !p.slot.CompareAndSwap(was, r) {
		return value
	}
	if was != nil {
		was.remove()
	}
	// It may be replaced just now. Whoever does so marks it before looking at its slot.
	switch {
	case p.stale():
		h.keep(r, &p.home.stale)
	case was != nil:
		h.keep(r, &h.main)
	default:
		h.keep(r, &h.small)
	}
	return value
}

// settle makes the value of a parcel that has arrived one that is kept.
func (h *hotset[T]) settle(p *Parcel[T], arriving *resident[T]) {
	size := p.home.weigh(p, arriving.value)
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &resident[T]{value: arriving.value, parcel: p, size: size}
	switch {
	case h.budget <= 0, p.home.gone, p.stale() && p.replaced.Load() <= p.home.read, size > h.budget:
		p.slot.CompareAndSwap(arriving, nil)
	case !p.slot.CompareAndSwap(arriving, r): // it is another's by now
	case p.stale():
		h.keep(r, &p.home.stale)
	case arriving.heir:
		h.keep(r, &h.main)
	default:
		h.keep(r, &h.small)
	}
}

// abandon lets go of the value of a parcel that was not written after all.
func (h *hotset[T]) abandon(p *Parcel[T]) {
	if !p.slot.Load().readable() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := p.slot.Load(); r.readable() {
		h.letGo(r)
		p.slot.Store(nil)
	}
}

// keep puts a resident, which its parcel's slot has, into a queue.
func (h *hotset[T]) keep(r *resident[T], q *queue[T]) {
	q.push(r)
	h.bytes += r.size
	h.values++
	h.most = max(h.most, h.values)
	r.parcel.home.decoded.Add(1)
	r.parcel.home.bytes.Add(r.size)
	h.shrink()
}

// weigh returns the bytes that a value of a parcel takes, about.
func (o *home[T]) weigh(p *Parcel[T], value T) int64 {
	o.weighing.Lock()
	defer o.weighing.Unlock()
	return o.scale.size(p.packed.Len(), value) + residentSize
}

// shrink lets values go until the budget is kept.
func (h *hotset[T]) shrink() {
	for _, o := range h.homes {
		for h.bytes > h.budget && o.stale.count > 0 {
			h.drop(o.stale.back)
		}
	}
	for spared := 0; h.bytes > h.budget; {
		if h.main.count == 0 || h.small.bytes > h.budget/smallShare {
			r := h.small.back
			if r.uses.Load() < 2 {
				h.drop(r)
				continue
			}
			r.remove()
			r.uses.Store(0)
			h.main.push(r)
			continue
		}
		r := h.main.back
		// Once round and no further, however busy the readers are.
		if r.uses.Load() == 0 || spared > maxUses*h.main.count {
			h.drop(r)
			continue
		}
		spared++
		r.remove()
		r.uses.Add(-1)
		h.main.push(r)
	}
}

// drop forgets the value of a resident, and remembers for a while that it was there.
func (h *hotset[T]) drop(r *resident[T]) {
	p := r.parcel
	stale := r.queue == &p.home.stale
	h.letGo(r)
	if stale {
		p.slot.Store(nil)
		return
	}
	h.remember(p, r)
}

// letGo takes a resident out of its queue, and what it takes off the accounts.
func (h *hotset[T]) letGo(r *resident[T]) {
	r.remove()
	h.bytes -= r.size
	h.values--
	r.parcel.home.decoded.Add(-1)
	r.parcel.home.bytes.Add(-r.size)
}

// glimpse remembers that a parcel which is decoded nowhere was read.
func (h *hotset[T]) glimpse(p *Parcel[T]) {
	if h.budget <= 0 || p.stale() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.home.gone {
		return
	}
	h.remember(p, nil)
	// It may be replaced just now; see take.
	if r := p.slot.Load(); p.stale() && r != nil && r.state == ghost && r.queue != nil {
		r.remove()
		p.slot.Store(nil)
	}
}

// hasRoom tells whether the budget has room for another value of the usual size.
func (h *hotset[T]) hasRoom() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.budget > 0 && h.bytes+h.bytes/int64(max(h.values, 1)) <= h.budget
}

// passed lets those stale values go that no cursor has yet to read: all have reached a
// revision.
func (o *home[T]) passed(rev uint64) {
	o.hot.mu.Lock()
	defer o.hot.mu.Unlock()
	o.read = max(o.read, rev)
	for r := o.stale.back; r != nil && r.parcel.replaced.Load() <= o.read; r = o.stale.back {
		o.hot.drop(r)
	}
}

// remember makes a parcel, whose slot has r, one whose next reader finds it worth
// keeping.
func (h *hotset[T]) remember(p *Parcel[T], r *resident[T]) {
	g := &resident[T]{state: ghost, parcel: p}
	if !p.slot.CompareAndSwap(r, g) {
		return
	}
	h.ghosts.push(g)
	for h.ghosts.count > max(h.most, minGhosts) {
		last := h.ghosts.back
		last.remove()
		last.parcel.slot.CompareAndSwap(last, nil)
	}
}

const minGhosts = 16

// replace is called when a key's parcel gives way to another, or to none, at a revision.
// The new one, which is arriving, is worth keeping if the old one was.
func (h *hotset[T]) replace(prev, next *Parcel[T], rev uint64, deleted bool) {
	hot := h.setStale(prev, rev)
	switch a := next.slot.Load(); {
	case deleted:
		h.setStale(next, rev)
	case a != nil:
		a.heir = hot
	}
}

// setStale is called when a parcel is no longer what its key has, since a revision. It
// tells whether its value was worth keeping.
func (h *hotset[T]) setStale(p *Parcel[T], rev uint64) (hot bool) {
	p.replaced.Store(rev)
	if p.slot.Load() == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := p.slot.Load()
	if r == nil || r.queue == nil {
		return false
	}
	hot = r.queue != &h.small || r.uses.Load() > 1
	r.remove()
	if r.state == ghost {
		p.slot.Store(nil)
	} else {
		p.home.stale.push(r)
	}
	return hot
}

// arrived ends what began when a parcel was made to be written. What was decoded for an
// index is kept for those who are about to be told of it.
func (h *hotset[T]) arrived(p *Parcel[T], r *resident[T]) {
	if r.decoded && p.stored {
		h.settle(p, r)
		return
	}
	if !r.heir {
		p.slot.CompareAndSwap(r, nil)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.home.gone {
		p.slot.CompareAndSwap(r, nil)
		return
	}
	h.remember(p, r)
}
