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

// between returns the last pin p with from <= p < until, if there is one.
func (ps pins) between(from, until uint64) (p uint64, ok bool) {
	i := sort.Search(len(ps), func(i int) bool { return ps[i] >= until })
	if i == 0 || ps[i-1] < from {
		return 0, false
	}
	return ps[i-1], true
}

// has tells whether a revision is pinned.
func (ps pins) has(rev uint64) bool {
	_, ok := slices.BinarySearch(ps, rev)
	return ok
}

// board is where readers pin revisions for the time of one reading: in one of a few
// places that are taken without a lock or, if there is none, in a list. All kinds of a
// store share it; a pin of another kind's revision keeps a little more than is needed,
// but not for long.
type board struct {
	places [boardPlaces]place
	more   holds
}

const boardPlaces = 32

// place has a cache line of its own.
type place struct {
	at atomic.Uint64 // the revision and one, or 0 if it is free
	_  [56]byte
}

// pin is a revision that a reader has pinned. It must be released.
type pin struct {
	rev   uint64
	place *place // or
	holds *holds
}

// take pins a revision.
func (b *board) take(rev uint64) pin {
	first := rand.Uint32()
	for i := range uint32(boardPlaces) {
		p := &b.places[(first+i)%boardPlaces]
		if p.at.Load() == 0 && p.at.CompareAndSwap(0, rev+1) {
			return pin{rev: rev, place: p}
		}
	}
	return b.more.take(rev)
}

func (p pin) release() {
	if p.place != nil {
		p.place.at.Store(0)
		return
	}
	p.holds.drop(p.rev)
}

// below returns the pins at revisions below one.
func (b *board) below(rev uint64) (ps pins) {
	for i := range b.places {
		if at := b.places[i].at.Load(); at != 0 && at-1 < rev {
			ps = append(ps, at-1)
		}
	}
	return b.more.below(rev, ps)
}

// holds are the revisions that readers pin for longer.
type holds struct {
	mu   sync.Mutex
	list []hold // in order
	free int    // holds that nobody has any more
}

type hold struct {
	rev uint64
	by  int // so many
}

// take pins a revision.
func (h *holds) take(rev uint64) pin {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.list) // those who pin the newest revision come about in order
	for i > 0 && h.list[i-1].rev > rev {
		i--
	}
	if i == 0 || h.list[i-1].rev != rev {
		h.list = slices.Insert(h.list, i, hold{rev: rev})
		i++
	} else if h.list[i-1].by == 0 {
		h.free--
	}
	h.list[i-1].by++
	return pin{rev: rev, holds: h}
}

func (h *holds) drop(rev uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := sort.Search(len(h.list), func(i int) bool { return h.list[i].rev >= rev })
	if h.list[i].by--; h.list[i].by == 0 {
		h.free++
	}
	if h.free > len(h.list)/2 {
		h.list = slices.DeleteFunc(h.list, func(p hold) bool { return p.by == 0 })
		h.free = 0
	}
}

// count returns how many revisions are held.
func (h *holds) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.list) - h.free
}

// below appends the pins at revisions below one.
func (h *holds) below(rev uint64, ps pins) pins {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.list {
		if p.rev >= rev {
			break
		}
		if p.by > 0 {
			ps = append(ps, p.rev)
		}
	}
	return ps
}
