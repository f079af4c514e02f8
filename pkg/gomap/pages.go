package gomap

import (
	"iter"
	"math"
	"sort"
	"sync/atomic"
)

// pages is a sequence of elements in the order of their stamps. It has one writer at
// a time, which appends to it and takes elements out of it bit by bit, and any number
// of readers, which take no lock.
type pages[E stamped] struct {
	head atomic.Pointer[block[E]] // what readers see

	// The writer's own:
	block  *block[E] // the head, or what is to take its place
	length int       // the length of block, with what is not published
	total  int       // elements in all pages
	hand   int       // the page that the next sweep begins with
}

// stamped is an element that knows its place in a sequence.
type stamped interface{ stamp() uint64 }

// block is the memory of a sequence between two changes of what is in it already.
// The writer fills it from the front and publishes what it added by one store to
// state. What was published of a block stays as it is, so that a reader may keep a
// block for as long as it likes.
//
// A block takes pages over from the one before it. Those before the page at open
// are closed, and as long as what was left of them. From there on all are of one
// size, and filled one after another; those at the end may not be made yet.
type block[E stamped] struct {
	pages [][]E
	open  int
	shift uint8  // of an element's number, to get its page's
	low   uint64 // what has a stamp up to it may have been cut off the front
	state atomic.Uint64
}

// minPage is the size of a page that is the first to be open; it may grow to the
// block's.
const minPage = 4

// The two halves of block.state: how many elements are published from the page at
// open on, and a number that the writer published with them.
func packState(length, note int) uint64 { return uint64(length)<<32 | uint64(note) }

func unpackState(s uint64) (length, note int) { return int(s >> 32), int(s & math.MaxUint32) }

// init makes a sequence that is empty and as if cut off at a stamp, with pages of
// 1<<shift elements.
func (l *pages[E]) init(shift uint8, low uint64) {
	l.block = &block[E]{pages: make([][]E, 1), shift: shift, low: low}
	l.length, l.total, l.hand = 0, 0, 0
	l.head.Store(l.block)
}

func (l *pages[E]) view() span[E] { return l.head.Load().view() }

// put adds an element behind the others. Readers see it once it is published.
func (l *pages[E]) put(e E) {
	if l.length == l.block.room() {
		l.block = l.block.grow()
	}
	page := &l.block.pages[l.block.open+l.length>>l.block.shift]
	if *page == nil {
		*page = make([]E, l.block.size())
	}
	(*page)[l.length&(l.block.size()-1)] = e
	l.length++
	l.total++
}

// publish lets readers see what was put, and a number.
func (l *pages[E]) publish(note int) {
	l.block.state.Store(packState(l.length, note))
	if l.block != l.head.Load() {
		l.head.Store(l.block)
	}
}

// size returns how many elements a full page has.
func (b *block[E]) size() int { return 1 << b.shift }

// small tells whether the only page is one that has yet to grow to the full size.
func (b *block[E]) small() bool { return b.open == 0 && len(b.pages[0]) < b.size() }

// room returns for how many elements, from the page at open on, a block has room.
func (b *block[E]) room() int {
	if b.small() {
		return len(b.pages[0])
	}
	return (len(b.pages) - b.open) << b.shift
}

// grow returns a block with the same content, not published, and more room.
func (b *block[E]) grow() *block[E] {
	grown := &block[E]{open: b.open, shift: b.shift, low: b.low}
	if b.small() {
		page := make([]E, min(max(2*len(b.pages[0]), minPage), b.size()))
		copy(page, b.pages[0])
		grown.pages = [][]E{page}
		return grown
	}
	grown.pages = make([][]E, len(b.pages)+len(b.pages)/2+1)
	copy(grown.pages, b.pages)
	return grown
}

// sweep takes the elements out of the next so many pages that keep does not want.
// Everything that was put must have been published.
func (l *pages[E]) sweep(pages int, keep func(E) bool) {
	w := l.view()
	from := l.hand
	if from >= w.pages() {
		from = 0
	}
	to := min(from+pages, w.pages())
	if l.hand = to; to == w.pages() {
		l.hand = 0
	}
	b := &block[E]{shift: w.block.shift, low: w.block.low}
	b.pages = append(make([][]E, 0, len(w.block.pages)+1), w.block.pages[:from]...)
	size := b.size()
	if w.pages() == 1 {
		if size = len(w.block.pages[0]); l.total < size/4 {
			size = max(size/2, minPage)
		}
	}
	var kept []E
	dropped := 0
	for i := from; i < to; i++ {
		for _, e := range w.page(i) {
			if !keep(e) {
				dropped++
				continue
			}
			if kept == nil {
				kept = make([]E, 0, size)
			}
			if kept = append(kept, e); len(kept) == size {
				b.pages = append(b.pages, kept)
				kept = nil
			}
		}
	}
	if dropped == 0 {
		return
	}
	l.total -= dropped

	// What is put next goes behind the last page, be that one of these or not.
	begun := 0
	switch {
	case to < w.pages():
		if kept != nil {
			b.pages = append(b.pages, kept)
		}
		b.pages = append(b.pages, w.block.pages[to:w.pages()]...)
		begun = len(w.page(w.pages() - 1))
	case kept != nil:
		begun = len(kept)
		b.pages = append(b.pages, kept[:size])
	}
	b.open = len(b.pages) - 1
	if begun == 0 {
		b.open++
		b.pages = append(b.pages, nil)
	}
	b.pages = append(b.pages, make([][]E, len(b.pages)/16)...)
	l.start(b, begun, w.note)
}

// cut takes the first so many pages out, which must be full or closed and not all,
// and everything in them. low becomes the block's. Everything that was put must have
// been published.
func (l *pages[E]) cut(pages int, low uint64) {
	w := l.view()
	for i := range pages {
		l.total -= len(w.page(i))
	}
	open := max(w.block.open, pages)
	begun := w.length - (open-w.block.open)<<w.block.shift
	b := &block[E]{open: open - pages, shift: w.block.shift, low: low}
	b.pages = append(make([][]E, 0, len(w.block.pages)), w.block.pages[pages:]...)
	l.hand = 0
	l.start(b, begun, w.note)
}

// start publishes a block that holds begun elements from the page at open on.
func (l *pages[E]) start(b *block[E], begun, note int) {
	b.state.Store(packState(begun, note))
	l.block, l.length = b, begun
	l.head.Store(b)
}

// span is a sequence as it was at one time. It is immutable.
type span[E stamped] struct {
	block  *block[E]
	length int // elements from the page at open on
	note   int // what was published with them
}

// spanOf returns a span of few elements, which are in order.
func spanOf[E stamped](shift uint8, elements ...E) span[E] {
	return span[E]{block: &block[E]{pages: [][]E{elements}, shift: shift}, length: len(elements)}
}

func (b *block[E]) view() span[E] {
	length, note := unpackState(b.state.Load())
	return span[E]{b, length, note}
}

// pages returns how many pages there are with anything in them.
func (w span[E]) pages() int { return w.block.open + (w.length+w.block.size()-1)>>w.block.shift }

func (w span[E]) page(i int) []E {
	page := w.block.pages[i]
	if i < w.block.open {
		return page
	}
	return page[:min(w.length-(i-w.block.open)<<w.block.shift, w.block.size())]
}

// last returns the stamp of the last element of a page.
func (w span[E]) last(i int) uint64 {
	page := w.page(i)
	return page[len(page)-1].stamp()
}

// all yields the elements.
func (w span[E]) all() iter.Seq[E] {
	return func(yield func(E) bool) {
		for i := range w.pages() {
			for _, e := range w.page(i) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// size returns how many elements there are.
func (w span[E]) size() int {
	n := 0
	for i := range w.pages() {
		n += len(w.page(i))
	}
	return n
}

// reader reads a span element by element.
type reader[E stamped] struct {
	span span[E]
	page int // the page after
	rest []E // what is left of the one before
}

// after returns a reader of the elements after a stamp.
func (w span[E]) after(stamp uint64) reader[E] {
	r := reader[E]{span: w}
	r.page = sort.Search(w.pages(), func(i int) bool { return w.last(i) > stamp })
	r.advance()
	r.rest = r.rest[sort.Search(len(r.rest), func(i int) bool { return r.rest[i].stamp() > stamp }):]
	return r
}

// advance begins the next page.
func (r *reader[E]) advance() {
	if r.page < r.span.pages() {
		r.rest = r.span.page(r.page)
		r.page++
	}
}

// peek returns the next element, false if there is none.
func (r *reader[E]) peek() (e E, ok bool) {
	if len(r.rest) == 0 {
		if r.advance(); len(r.rest) == 0 {
			return e, false
		}
	}
	return r.rest[0], true
}

// skip passes over the element that was peeked at.
func (r *reader[E]) skip() { r.rest = r.rest[1:] }

// next returns the next element, false if there is none.
func (r *reader[E]) next() (e E, ok bool) {
	if e, ok = r.peek(); ok {
		r.skip()
	}
	return e, ok
}

// seek moves on to the first element that is not before a stamp and returns it,
// false if there is none. It gallops (Bentley and Yao, 1976).
func (r *reader[E]) seek(stamp uint64) (e E, ok bool) {
	for len(r.rest) == 0 || r.rest[len(r.rest)-1].stamp() < stamp {
		if r.rest = nil; r.page == r.span.pages() {
			return e, false
		}
		r.page = r.span.gallop(r.page, stamp)
		r.advance()
	}
	step := 1
	for step < len(r.rest) && r.rest[step-1].stamp() < stamp {
		step *= 2
	}
	low := step / 2
	r.rest = r.rest[low+sort.Search(min(step, len(r.rest))-low, func(i int) bool { return r.rest[low+i].stamp() >= stamp }):]
	return r.rest[0], true
}

// gallop returns the first page from one on whose last element is not before a
// stamp, the last page if there is none.
func (w span[E]) gallop(from int, stamp uint64) int {
	last := w.pages() - 1
	step := 1
	for from+step <= last && w.last(from+step-1) < stamp {
		step *= 2
	}
	low := from + step/2
	return min(last, low+sort.Search(min(from+step, last+1)-low, func(i int) bool { return w.last(low+i) >= stamp }))
}
