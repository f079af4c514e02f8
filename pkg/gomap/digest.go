package gomap

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"
)

// digest is what became of a kind between two revisions: the slots that changed, in the
// order of the latest change of each. It is what a cursor reads that has fallen behind
// the log. Making one takes a look at all slots, and memory for those that changed, so
// cursors share it: each reads what comes after the revision that it has reached.
type digest[T any] struct {
	from    uint64 // it leads on from any revision not before this one
	pin     pin    // of the revision up to which it leads, while it has readers
	changed []changed[T]
	readers int
}

// digests are those that cursors of a table read.
type digests[T any] struct {
	mu   sync.Mutex
	open []*digest[T]
}

// fits tells whether a digest leads on from a revision, and is not much longer than one
// that begins there would be: who is far behind does not make it longer for others.
func (d *digest[T]) fits(pos uint64) bool {
	return d.from <= pos && pos < d.pin.rev && d.pin.rev-d.from <= 4*(d.pin.rev-pos)
}

// openDigest returns a digest that leads on from a revision that a cursor has reached.
// The cursor must give it to closeDigest when it is through.
func (t *table[T]) openDigest(pos uint64) *digest[T] {
	t.digests.mu.Lock()
	defer t.digests.mu.Unlock()
	for _, d := range t.digests.open {
		if d.fits(pos) {
			d.readers++
			return d
		}
	}
	d := t.newDigest(pos)
	d.readers++
	t.digests.open = append(t.digests.open, d)
	return d
}

func (t *table[T]) closeDigest(d *digest[T]) {
	t.digests.mu.Lock()
	defer t.digests.mu.Unlock()
	if d.readers--; d.readers > 0 {
		return
	}
	d.pin.release()
	t.digests.open = slices.DeleteFunc(t.digests.open, func(o *digest[T]) bool { return o == d })
}

// newDigest makes one that fits all who are not much further behind than a cursor.
func (t *table[T]) newDigest(pos uint64) *digest[T] {
	w, pin := t.hold()
	d := &digest[T]{pin: pin}
	if behind := uint64(1) << bits.Len64(w.rev-pos); behind < w.rev {
		d.from = w.rev - behind
	}
	for s := range t.content.view().all() {
		if v := s.latest(w.rev); v != nil && v.rev() > d.from && !v.is(moved) {
			d.changed = append(d.changed, changed[T]{s, v.rev()})
		}
	}
	sortByRevision(d.changed)
	return d
}

func sortByRevision[T any](slots []changed[T]) {
	slices.SortFunc(slots, func(a, b changed[T]) int { return cmp.Compare(a.rev, b.rev) })
}

// after returns how many of the changes are not after a revision.
func (d *digest[T]) after(rev uint64) int {
	i, _ := slices.BinarySearchFunc(d.changed, rev+1, func(c changed[T], rev uint64) int { return cmp.Compare(c.rev, rev) })
	return i
}
