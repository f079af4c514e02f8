package gomap

import "sync/atomic"

// version is one value that a key had, or a mark at the end of a [slot].
type version[T any] struct {
	value T             // of a deletion: the last state of the object
	state atomic.Uint64 // its revision and flags; the writer's to change

	// prev is the version before it in the same life of its key, from creation to
	// deletion or, once that was taken out, the latest one before it that a reader
	// still needs; see compact.go.
	prev atomic.Pointer[version[T]]
}

// The flags of a version, in the lowest bits of its state.
const (
	deleted  uint64 = 1 << iota // the end of the key's life
	moved                       // the end of its slot: the key lives on in another
	pending                     // its commit may not be published
	skipped                     // there were others between it and prev
	dropped                     // no longer the prev of another, or on the way to it
	flagBits = iota

	ended = deleted | moved
)

func newVersion[T any](value T, rev, flags uint64) *version[T] {
	v := &version[T]{value: value}
	v.state.Store(rev<<flagBits | flags)
	return v
}

func (v *version[T]) rev() uint64 { return v.state.Load() >> flagBits }

func (v *version[T]) is(flags uint64) bool { return v.state.Load()&flags != 0 }

func (v *version[T]) mark(flags uint64)   { v.state.Store(v.state.Load() | flags) }
func (v *version[T]) unmark(flags uint64) { v.state.Store(v.state.Load() &^ flags) }

// before returns the version of the same life that was held at revision rev, nil if
// the life began later. direct tells whether v is all that came after it.
func (v *version[T]) before(rev uint64) (p *version[T], direct bool) {
	direct = !v.is(skipped)
	p = v.prev.Load()
	for p != nil && p.rev() > rev {
		direct = false
		p = p.prev.Load()
	}
	return p, direct
}

// pass takes the version before v out of the chain if no pin needs it, and tells whether
// any is left. What is further behind was seen to when that one passed.
func (v *version[T]) pass(ps pins) bool {
	p := v.prev.Load()
	if p != nil && !ps.within(p.rev(), v.rev()) {
		v.mark(skipped)
		p.mark(dropped)
		p = p.prev.Load()
		v.prev.Store(p)
	}
	return p != nil
}

// unlink takes those versions out of the chain behind v that no pin needs any more,
// and tells whether any is left.
func (v *version[T]) unlink(ps pins) bool {
	last := v
	for p := v.prev.Load(); p != nil; p = p.prev.Load() {
		if ps.within(p.rev(), last.rev()) {
			last = p
			continue
		}
		last.mark(skipped)
		p.mark(dropped)
		last.prev.Store(p.prev.Load())
	}
	return last != v
}

// shorten lets v, which marks where a key moved to another slot, lead to the latest
// version of its slot that a pin needs, and tells whether there is one. What is
// behind that is in the chain of the other slot too, and seen to there.
func (v *version[T]) shorten(ps pins, since uint64) bool {
	p := v.prev.Load()
	for p != nil && p.rev() >= since && !ps.within(p.rev(), v.rev()) {
		p = p.prev.Load()
	}
	if p != nil && p.rev() < since {
		p = nil
	}
	v.prev.Store(p)
	return p != nil
}
