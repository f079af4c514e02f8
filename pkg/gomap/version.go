package gomap

import "sync/atomic"

// version is one value that a key had. It does not change, but for its state and prev.
type version[T any] struct {
	name  string // the key
	value T      // of a deletion: the last state of the object
	state atomic.Uint64

	// prev is the version before it in the same life of its key, from creation to
	// deletion or, once that was unlinked, the latest one before it that a reader
	// still needs; see history.go.
	prev atomic.Pointer[version[T]]

	slot *slot[T]
}

// The flags of a version, in the lowest bits of its state. Above them is its revision.
const (
	deleted  uint64 = 1 << iota // the end of the key's life
	moved                       // not a value: the mark at the end of a slot whose key lives on in another
	pending                     // its commit may not be published
	skipped                     // there were others between it and prev
	retired                     // in a slot that nobody needs
	flagBits = iota

	ended = deleted | moved
)

func newVersion[T any](name string, value T, rev, flags uint64) *version[T] {
	v := &version[T]{name: name, value: value}
	v.state.Store(rev<<flagBits | flags)
	return v
}

func (v *version[T]) rev() uint64 { return v.state.Load() >> flagBits }

func (v *version[T]) is(flags uint64) bool { return v.state.Load()&flags != 0 }

func (v *version[T]) mark(flags uint64)   { v.state.Store(v.state.Load() | flags) }
func (v *version[T]) unmark(flags uint64) { v.state.Store(v.state.Load() &^ flags) }

// at returns the version that was the latest of its life at a revision, from v on back,
// or nil. The revision has to be pinned.
func (v *version[T]) at(rev uint64) *version[T] {
	for v != nil && v.rev() > rev {
		v = v.prev.Load()
	}
	return v
}

// oldest returns the first version that is left of a life that ended with v.
func (v *version[T]) oldest() *version[T] {
	for p := v.prev.Load(); p != nil; p = p.prev.Load() {
		v = p
	}
	return v
}

// before returns the version of the same life that was held at revision rev, which is
// pinned, and nil if the life began later. direct tells whether v is all that came
// after it.
func (v *version[T]) before(rev uint64) (p *version[T], direct bool) {
	// The writer marks v before it unlinks what is behind it. So if prev is what was
	// linked at first, or is found to be marked, the two belong together.
	p = v.prev.Load()
	hook(hookBefore)
	direct = !v.is(skipped)
	if p == nil || p.rev() <= rev {
		return p, direct
	}
	return p.at(rev), false
}
