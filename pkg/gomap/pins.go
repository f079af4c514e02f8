package gomap

import (
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// pins are the revisions of a kind that readers need, in order.
type pins []uint64

// within tells whether there is a pin p with from <= p < until.
func (ps pins) within(from, until uint64) bool {
	i := sort.Search(len(ps), func(i int) bool { return ps[i] >= from })
	return i < len(ps) && ps[i] < until
}

// without tells whether one of the pins is not among others.
func (ps pins) without(others pins) bool {
	i := 0
	for _, p := range ps {
		for i < len(others) && others[i] < p {
			i++
		}
		if i == len(others) || others[i] != p {
			return true
		}
	}
	return false
}

// board is where readers pin the revisions that they need: for one reading, in one of
// a few places that are taken without a lock; for longer, in a list.
type board struct {
	quick atomic.Pointer[[quickPins]quickPin] // made when it is first needed

	mu   sync.Mutex
	list []listPin // in order
	free int       // pins that nobody holds
}

const quickPins = 16

// quickPin is a place with a cache line of its own.
type quickPin struct {
	at atomic.Uint64 // the revision and one, or 0 if it is free
	_  [56]byte
}

// listPin is a pin in the list.
type listPin struct {
	rev  uint64
	held int // by so many
}

// pin is either of the two.
type pin struct {
	quick *quickPin // or nil
	rev   uint64
}

// take pins a revision for one reading.
func (b *board) take(rev uint64) pin {
	quick := b.quick.Load()
	if quick == nil {
		b.quick.CompareAndSwap(nil, new([quickPins]quickPin))
		quick = b.quick.Load()
	}
	first := rand.Uint32()
	for i := range uint32(quickPins) {
		q := &quick[(first+i)%quickPins]
		if q.at.Load() == 0 && q.at.CompareAndSwap(0, rev+1) {
			return pin{quick: q, rev: rev}
		}
	}
	return b.hold(rev)
}

// hold pins a revision for longer.
func (b *board) hold(rev uint64) pin {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := len(b.list) // those who pin the newest revision come about in order
	for i > 0 && b.list[i-1].rev > rev {
		i--
	}
	if i == 0 || b.list[i-1].rev != rev {
		b.list = slices.Insert(b.list, i, listPin{rev: rev})
		i++
	} else if b.list[i-1].held == 0 {
		b.free--
	}
	b.list[i-1].held++
	return pin{rev: rev}
}

// give releases a pin.
func (b *board) give(p pin) {
	if p.quick != nil {
		p.quick.at.Store(0)
		return
	}
	b.drop(p.rev)
}

// drop releases a pin of the list, and returns how many revisions are left in it.
func (b *board) drop(rev uint64) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := sort.Search(len(b.list), func(i int) bool { return b.list[i].rev >= rev })
	if b.list[i].held--; b.list[i].held == 0 {
		b.free++
	}
	if b.free > len(b.list)/2 {
		b.list = slices.DeleteFunc(b.list, func(p listPin) bool { return p.held == 0 })
		b.free = 0
	}
	return len(b.list) - b.free
}

// below returns the pins at revisions below one.
func (b *board) below(rev uint64) (ps pins) {
	if quick := b.quick.Load(); quick != nil {
		for i := range quick {
			if at := quick[i].at.Load(); at != 0 && at-1 < rev {
				ps = append(ps, at-1)
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.list {
		if p.held > 0 && p.rev < rev {
			ps = append(ps, p.rev)
		}
	}
	return ps
}

// pin pins the newest revision for one reading, by the protocol of compact.go. The
// caller gives the pin back to the board.
func (t *table[T]) pin() (view[T], pin) {
	for {
		w := t.log.view()
		p := t.board.take(w.rev)
		if t.floor.Load() <= w.rev {
			return w, p
		}
		t.board.give(p)
	}
}
