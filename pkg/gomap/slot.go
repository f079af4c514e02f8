package gomap

import (
	"iter"
	"sync/atomic"
)

// slot is a stretch of a key's life in which the object is under the same values of
// all indexes. The key map and every index point to it, so that an update which
// leaves those values alone has nothing to tell them: it puts a new version into the
// slot. An update that changes a value begins another slot for the key. (Postgres
// calls the one a heap-only tuple.)
//
// A slot is current until it ends with a version that is marked deleted or moved.
type slot[T any] struct {
	name  string
	since uint64                     // the revision of its first version
	cur   atomic.Pointer[version[T]] // the latest, perhaps pending
	terms uint64                     // a hash of the index values that it is under; the writer's
}

func (s *slot[T]) key() string   { return s.name }
func (s *slot[T]) stamp() uint64 { return s.since }

// at returns the version that a slot held at a revision, or nil. The revision has to
// be pinned.
func (s *slot[T]) at(rev uint64) *version[T] {
	if v := s.latest(rev); v != nil && !v.is(ended) {
		return v
	}
	return nil
}

// latest is at, but returns the mark at the slot's end too.
func (s *slot[T]) latest(rev uint64) *version[T] {
	if s.since > rev {
		return nil
	}
	v := s.cur.Load()
	for v != nil && v.rev() > rev {
		v = v.prev.Load()
	}
	return v
}

// gone tells whether a slot has ended and no reader needs it.
func (s *slot[T]) gone() bool { return s.cur.Load().state.Load() == deleted }

// slots are slots in the order of their revisions, among them some that are gone. A
// writer adds to them and, under the rules of [pages], sweeps them.
type slots[T any] struct {
	pages[*slot[T]]
	left int // went since the last sweep

	// spare is memory for slots of one kind, so that those which are read one after
	// another are neighbours.
	spare []slot[T]
}

// slab is how many slots get their memory at once, when there are as many already.
const slab = 64

// make returns a slot that is not among the others yet.
func (l *slots[T]) make(name string, since uint64, first *version[T]) *slot[T] {
	if len(l.spare) == 0 {
		l.spare = make([]slot[T], min(l.total+1, slab))
	}
	s := &l.spare[0]
	l.spare = l.spare[1:]
	s.name, s.since = name, since
	s.cur.Store(first)
	return s
}

const (
	slotShift = 8 // slots are in pages of 256

	// pagesForLeft is how many pages are swept for as many slots gone as a page has.
	pagesForLeft = 8
)

func (l *slots[T]) init() { l.pages.init(slotShift, 0) }

func (l *slots[T]) add(s *slot[T]) {
	l.put(s)
	l.publish(0)
}

// leave is called when one of the slots is gone.
func (l *slots[T]) leave() {
	if l.left++; l.left < min(l.total/4, 1<<slotShift) {
		return
	}
	l.left = 0
	l.sweep(pagesForLeft, func(s *slot[T]) bool { return !s.gone() })
}

// currentOf yields those of some slots that have not ended. It is for the writer.
func currentOf[T any](of span[*slot[T]]) iter.Seq[*slot[T]] {
	return func(yield func(*slot[T]) bool) {
		for s := range of.all() {
			if !s.cur.Load().is(ended) && !yield(s) {
				return
			}
		}
	}
}

// objectsAt yields what slots held at a revision, which has to be pinned.
func objectsAt[T any](of span[*slot[T]], rev uint64) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for i := range of.pages() {
			for _, s := range of.page(i) {
				if v := s.at(rev); v != nil && !yield(s.name, v.value) {
					return
				}
			}
		}
	}
}
