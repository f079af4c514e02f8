package gomap

import (
	"iter"
	"math"
	"sort"
	"sync/atomic"
)

// version is one value that a key had, or, if deleted, the end of a key's life.
//
// Its fields do not change once it is published, but for those that are atomic
// and for terms, which belongs to the writer.
type version[T any] struct {
	entry   *entry[version[T]]
	value   T      // of a deletion: the last value before it
	rev     uint64 // the revision of this version
	born    uint64 // the revision that created the key, at the beginning of this life
	before  uint64 // the revision of the key's version before this one, 0 if unknown
	deleted bool

	// until is the revision that took this version's place, or one of the marks
	// below. A version is what its key held at revision R if rev <= R < until.
	until atomic.Uint64

	// prev is, of an update, the version before it or, once that was compacted
	// away, the latest one before it that a cursor still needs.
	prev atomic.Pointer[version[T]]

	// terms are the postings that hold this version.
	terms []*posting[T]
}

// Marks in version.until, greater than any revision.
const (
	current = math.MaxUint64 - iota // nothing took its place
	pending                         // the same, and its commit may not be published
)

func (v *version[T]) key() string { return v.entry.key }

// heldAt tells whether v is a value that its key held at revision rev. It is only
// to be asked of versions with v.rev <= rev.
func (v *version[T]) heldAt(rev uint64) bool {
	return !v.deleted && v.until.Load() > rev
}

const pageSize = 256

type page[T any] [pageSize]*version[T]

// block is a stretch of memory for a log: pages of versions in the order of
// their revisions. The writer fills it from the front and publishes what it
// added by one store to state; when it is full, or to leave out old versions,
// the writer makes another block. What was published of a block stays as it is,
// so that a reader may keep a block for as long as it likes.
type block[T any] struct {
	pages []*page[T] // the writer sets a page before state tells of it
	base  uint64     // the kind's revision when the block was made
	floor uint64     // the block holds every version after this revision
	state atomic.Uint64
}

// The two halves of block.state: how many versions are published, and how many
// keys the kind then has. Together in one word they are of one revision.
func packState(length, keys int) uint64 { return uint64(length)<<32 | uint64(keys) }

func unpackState(s uint64) (length, keys int) { return int(s >> 32), int(s & math.MaxUint32) }

// newBlock returns an empty block with room for at least n versions.
func newBlock[T any](n int, base, floor uint64) *block[T] {
	return &block[T]{pages: make([]*page[T], n/pageSize+1), base: base, floor: floor}
}

// put writes the version at position i, which must not be published.
func (b *block[T]) put(i int, v *version[T]) {
	p := &b.pages[i/pageSize]
	if *p == nil {
		*p = new(page[T])
	}
	(*p)[i%pageSize] = v
}

func (b *block[T]) room() int { return len(b.pages) * pageSize }

// view is the log as it was at one revision. It is immutable.
type view[T any] struct {
	block  *block[T]
	length int    // versions in the log
	keys   int    // keys of the kind
	rev    uint64 // the kind's revision
}

func (b *block[T]) view() view[T] {
	length, keys := unpackState(b.state.Load())
	w := view[T]{block: b, length: length, keys: keys, rev: b.base}
	if length > 0 {
		// The newest version may be one that compaction left out.
		w.rev = max(w.rev, w.at(length-1).rev)
	}
	return w
}

func (w view[T]) at(i int) *version[T] { return w.block.pages[i/pageSize][i%pageSize] }

// after returns the position of the first version after revision rev.
func (w view[T]) after(rev uint64) int {
	return sort.Search(w.length, func(i int) bool { return w.at(i).rev > rev })
}

// held yields the versions that make up the kind's content.
func (w view[T]) held() iter.Seq[*version[T]] {
	return func(yield func(*version[T]) bool) {
		for i := range w.length {
			if v := w.at(i); v.heldAt(w.rev) && !yield(v) {
				return
			}
		}
	}
}

// objects yields the kind's content.
func (w view[T]) objects() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for v := range w.held() {
			if !yield(v.key(), v.value) {
				return
			}
		}
	}
}
