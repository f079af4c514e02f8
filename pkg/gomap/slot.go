package gomap

import (
	"iter"
	"sync/atomic"
)

// slot is a stretch of a key's life in which the object is under the same values of
// all indexes. The content and every index point to it, so that an update which
// leaves those values alone has nothing to tell them: it puts a new version into the
// slot. An update that changes a value begins another slot for the key. (Postgres
// calls the one a heap-only tuple.)
//
// A slot is current until it ends with a version that is marked deleted or moved. When
// no reader needs what it held, it is retired: all it has then is a mark.
type slot[T any] struct {
	since uint64                     // the revision of its first version
	cur   atomic.Pointer[version[T]] // the latest, perhaps pending
	terms uint64                     // a hash of the index values that it is under; the writer's
}

func (s *slot[T]) stamp() uint64 { return s.since }

// at returns the version that a slot held at a revision, or nil. The revision has to
// be pinned.
func (s *slot[T]) at(rev uint64) *version[T] {
	if v := s.latest(rev); v != nil && !v.is(ended) {
		return v
	}
	return nil
}

// latest is at, but returns what the slot ended with too.
func (s *slot[T]) latest(rev uint64) *version[T] {
	if s.since > rev {
		return nil
	}
	return s.cur.Load().at(rev)
}

// between returns what became of a slot's key between two revisions, which are
// pinned. ok is false if there is nothing to tell, or another slot has it.
func (s *slot[T]) between(pos, rev uint64) (change step[T], ok bool) {
	v := s.latest(rev)
	if v == nil || v.rev() <= pos || v.is(moved) {
		return change, false
	}
	old, direct := v.before(pos)
	if v.is(deleted) && old == nil {
		return change, false // it came and went unseen
	}
	return step[T]{record: record[T]{version: v, old: old}, coalesced: !direct}, true
}

// slots are slots in the order of their revisions, among them some that are retired. A
// writer adds to them and, under the rules of [pages], sweeps them.
type slots[T any] struct {
	pages[*slot[T]]
	left int // were retired since the last sweep
}

const (
	slotShift = 8 // slots are in pages of 256

	// pagesForLeft is how many pages are swept for as many retired slots as a page has.
	pagesForLeft = 8
)

func (l *slots[T]) init() { l.pages.init(slotShift, 0) }

func (l *slots[T]) add(s *slot[T]) {
	l.put(s)
	l.publish(0)
}

// leave is called when one of the slots was retired.
func (l *slots[T]) leave() {
	if l.left++; l.left < min(l.total/4, 1<<slotShift) {
		return
	}
	l.left = 0
	l.sweep(pagesForLeft, func(s *slot[T]) bool { return !s.cur.Load().is(retired) })
}

// arena is where slots get their memory. A few are made at once, so that those which
// are read one after another are neighbours; not many, for the last one that is in use
// keeps the memory of all.
type arena[T any] struct{ spare []slot[T] }

const slab = 8

// make returns a slot that begins with a version. It is the writer's.
func (a *arena[T]) make(first *version[T], terms uint64) *slot[T] {
	if len(a.spare) == 0 {
		a.spare = make([]slot[T], slab)
	}
	s := &a.spare[0]
	a.spare = a.spare[1:]
	s.since, s.terms = first.rev(), terms
	s.cur.Store(first)
	return s
}

// currentOf yields the latest versions in those of some slots that have not ended. It
// is for the writer.
func currentOf[T any](of span[*slot[T]]) iter.Seq[*version[T]] {
	return func(yield func(*version[T]) bool) {
		for s := range of.all() {
			if v := s.cur.Load(); !v.is(ended) && !yield(v) {
				return
			}
		}
	}
}

// readAhead is how many slots are looked at before the first of them is yielded: the
// processor fetches them from memory at the same time.
const readAhead = 32

// versionsAt yields what slots held at a revision, which has to be pinned.
func versionsAt[T any](of span[*slot[T]], rev uint64) iter.Seq[*version[T]] {
	return func(yield func(*version[T]) bool) {
		var versions [readAhead]*version[T]
		var states [readAhead]uint64
		for i := range of.pages() {
			for page := of.page(i); len(page) > 0; {
				some := page[:min(len(page), readAhead)]
				page = page[len(some):]
				// These loops only load, so that the processor has many loads under way.
				for j, s := range some {
					versions[j] = s.cur.Load()
				}
				for j := range some {
					states[j] = versions[j].state.Load()
				}
				for j, s := range some {
					v := versions[j]
					if states[j]>>flagBits > rev { // most slots hold what they held
						if v = s.at(rev); v == nil {
							continue
						}
					} else if states[j]&ended != 0 {
						continue
					}
					if !yield(v) {
						return
					}
				}
			}
		}
	}
}

// objectsAt yields the keys and values that slots held at a revision, which has to be
// pinned.
func objectsAt[T any](of span[*slot[T]], rev uint64) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for v := range versionsAt(of, rev) {
			if !yield(v.name, v.value) {
				return
			}
		}
	}
}
