package gomap

import (
	"cmp"
	"slices"
	"sync"
)

// digest is what became of a kind between two revisions: the slots that changed, in the
// order of the latest change of each. It is what a cursor reads that has fallen behind
// the log. Making one takes a look at all slots, and memory for those that changed, so
// cursors share it: each reads what comes after the revision that it has reached.
type digest[T any] struct {
	from    uint64 // no cursor had reached less when it was made
	rev     uint64 // pinned while it has readers
	pin     pin
	changed []changed[T]
	readers int
}

// changed is a slot with the revision of its version at the time that matters.
type changed[T any] struct {
	slot *slot[T]
	rev  uint64
}

// digests has the digest that cursors of a table are sent to.
type digests[T any] struct {
	mu     sync.Mutex
	latest *digest[T] // nil if it has no readers
}

// openDigest returns a digest that leads on from a revision that a cursor has reached.
// The cursor must give it to closeDigest when it is through.
func (t *table[T]) openDigest(pos uint64) *digest[T] {
	t.digests.mu.Lock()
	defer t.digests.mu.Unlock()
	d := t.digests.latest
	if d == nil || pos < d.from || pos >= d.rev {
		d = t.newDigest()
		t.digests.latest = d
	}
	d.readers++
	return d
}

func (t *table[T]) closeDigest(d *digest[T]) {
	t.digests.mu.Lock()
	defer t.digests.mu.Unlock()
	if d.readers--; d.readers > 0 {
		return
	}
	t.board.give(d.pin)
	if t.digests.latest == d {
		t.digests.latest = nil
	}
}

func (t *table[T]) newDigest() *digest[T] {
	w, short := t.pin()
	defer t.board.give(short)
	d := &digest[T]{from: t.hub.earliest(w.rev), rev: w.rev, pin: t.board.hold(w.rev)}
	for s := range t.content.view().all() {
		if v := s.latest(d.rev); v != nil && v.rev() > d.from && !v.is(moved) {
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
