package gomap

import (
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// IndexFunc returns the values under which an index finds an object; none is
// fine, repeated ones count once. It must depend on its arguments alone, and not
// change them. An error or a panic rejects the write with a [store.IndexError].
type IndexFunc[T any] func(key string, value T) ([]string, error)

// SingleValueFunc returns the one value under which an index finds an object. What holds
// for an [IndexFunc] holds for it.
type SingleValueFunc[T any] func(key string, value T) string

var (
	// ErrIndexNotFound is returned for an index that the kind does not have.
	ErrIndexNotFound = errors.New("index not found: add it with AddIndex first")
	// ErrIndexExists is returned when an index is added under a name that is taken.
	ErrIndexExists = errors.New("index exists: choose another name")
	// ErrIndexNameRequired is returned when an index is added without a name.
	ErrIndexNameRequired = errors.New("index name required")
)

// index finds slots by the values of a function.
type index[T any] struct {
	name     string
	fn       IndexFunc[T]
	single   SingleValueFunc[T] // instead of fn
	postings *keymap[posting[T]]
	since    uint64 // the kind's revision when the index was made: it knows none before
	seed     maphash.Seed
}

// SingleValueFunc
// term is one value of one index.
type term[T any] struct {
	index *index[T]
	value string
}

// posting is the slots under one value of an index. Many an index has one object under
// each value, so that the first slot needs no more than a pointer.
type posting[T any] struct {
	value string
	index *index[T]
	one   atomic.Pointer[slot[T]]
	many  atomic.Pointer[slots[T]] // once there was a second one: all
}

// view returns the slots as they are now.
func (p *posting[T]) view() span[*slot[T]] {
	if many := p.many.Load(); many != nil {
		return many.view()
	}
	return spanOf(slotShift, p.one.Load())
}

// compute appends the terms of a value, index by index.
func compute[T any](terms []term[T], kind, key string, value T, indexes []*index[T]) ([]term[T], error) {
	for _, ix := range indexes {
		added, err := ix.appendTerms(terms, key, value)
		if err != nil {
			return nil, &store.IndexError{Kind: kind, Name: key, Index: ix.name, Err: err}
		}
		terms = added
	}
	return terms, nil
}

// appendTerms runs the index function and turns a panic into an error.
func (ix *index[T]) appendTerms(terms []term[T], key string, value T) (added []term[T], err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("index function panicked: %v", r)
		}
	}()
	if ix.single != nil {
		return append(terms, term[T]{ix, ix.single(key, value)}), nil
	}
	values, err := ix.fn(key, value)
	if err != nil {
		return nil, err
	}
	first := len(terms)
	for _, s := range values {
		t := term[T]{ix, s}
		if !slices.Contains(terms[first:], t) {
			terms = append(terms, t)
		}
	}
	return terms, nil
}

// hash is the same for the same index and value only, but for one chance in 2^64.
func (t term[T]) hash() uint64 { return maphash.String(t.index.seed, t.value) }

// hashTerms returns a hash of terms in any order.
func hashTerms[T any](terms []term[T]) (sum uint64) {
	for _, t := range terms {
		sum += t.hash()
	}
	return sum
}

// add puts a slot under a value.
func (ix *index[T]) add(value string, s *slot[T]) {
	p := ix.postings.get(value)
	if p == nil {
		p = &posting[T]{index: ix, value: value}
		p.one.Store(s)
		ix.postings.put(p)
		return
	}
	many := p.many.Load()
	if many == nil {
		many = new(slots[T])
		many.init()
		many.add(p.one.Load())
		defer p.many.Store(many)
	}
	many.add(s)
}

// leave is called when one of the slots was retired.
func (p *posting[T]) leave() {
	many := p.many.Load()
	if many != nil {
		many.leave()
	}
	if many == nil || many.total == 0 {
		p.index.postings.remove(p)
	}
}

// appendFound appends the terms of an index under which a slot is. It looks at all values.
func (ix *index[T]) appendFound(terms []term[T], s *slot[T]) []term[T] {
	for p := range ix.postings.all() {
		r := reader[*slot[T]]{span: p.view()}
		if found, ok := r.seek(s.since); ok && found == s {
			terms = append(terms, term[T]{ix, p.value})
		}
	}
	return terms
}

// find returns the slots under a value, as they are or soon will be.
func (ix *index[T]) find(value string) (found span[*slot[T]], ok bool) {
	p := ix.postings.get(value)
	if p == nil {
		return found, false
	}
	return p.view(), true
}

// byIndex yields the objects under a value.
func (t *table[T]) byIndex(name, value string) (iter.Seq2[string, T], error) {
	ix, err := t.index(name)
	if err != nil {
		return nil, err
	}
	return func(yield func(string, T) bool) {
		w, pin := t.pin()
		defer pin.release()
		if found, ok := ix.find(value); ok {
			objectsAt(found, w.rev)(yield)
		}
	}, nil
}

// indexValues returns the values that have objects, sorted.
func (t *table[T]) indexValues(name string) ([]string, error) {
	ix, err := t.index(name)
	if err != nil {
		return nil, err
	}
	w, pin := t.pin()
	defer pin.release()
	var values []string
	for p := range ix.postings.all() {
		for range objectsAt(p.view(), w.rev) {
			values = append(values, p.value)
			break
		}
	}
	slices.Sort(values)
	return slices.Compact(values), nil
}

func (t *table[T]) index(name string) (*index[T], error) {
	for _, ix := range *t.indexes.Load() {
		if ix.name == name {
			return ix, nil
		}
	}
	return nil, fmt.Errorf("%w: %q of kind %q", ErrIndexNotFound, name, t.kind)
}

// addIndex fills an index with the kind's content and keeps it from then on.
func (t *table[T]) addIndex(ix *index[T]) error {
	old := *t.indexes.Load()
	if _, err := t.index(ix.name); err == nil {
		return fmt.Errorf("%w: %q of kind %q", ErrIndexExists, ix.name, t.kind)
	}
	ix.since = t.log.view().rev
	ix.postings = newKeymap[posting[T]]()
	ix.seed = maphash.MakeSeed()
	var terms []term[T]
	var hashes []uint64
	for v := range t.current() {
		var err error
		if terms, err = compute(terms[:0], t.kind, v.name, v.value, []*index[T]{ix}); err != nil {
			return err
		}
		for _, term := range terms {
			ix.add(term.value, v.slot)
		}
		hashes = append(hashes, hashTerms(terms))
	}
	if err := t.ended(); err != nil {
		return err
	}
	for v := range t.current() {
		v.slot.terms += hashes[0]
		hashes = hashes[1:]
	}
	indexes := append(slices.Clip(old), ix)
	t.indexes.Store(&indexes)
	return nil
}

// dropIndex takes an index away. Readers that have it go on with what it knew.
func (t *table[T]) dropIndex(name string) error {
	ix, err := t.index(name)
	if err != nil {
		return err
	}
	indexes := slices.DeleteFunc(slices.Clone(*t.indexes.Load()), func(other *index[T]) bool { return other == ix })
	t.indexes.Store(&indexes)
	for p := range ix.postings.all() {
		for v := range currentOf(p.view()) {
			v.slot.terms -= term[T]{ix, p.value}.hash()
		}
	}
	t.parts.end(ix, fmt.Errorf("%w: %q of kind %q was dropped", ErrIndexNotFound, name, t.kind))
	return nil
}
