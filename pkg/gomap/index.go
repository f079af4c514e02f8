package gomap

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// IndexFunc returns the values under which an index finds an object; none is
// fine, repeated ones count once. It must depend on its arguments alone, and not
// change them. An error or a panic rejects the write with a [store.IndexError].
type IndexFunc[T any] func(key string, value T) ([]string, error)

var (
	// ErrIndexNotFound is returned for an index that the kind does not have.
	ErrIndexNotFound = errors.New("index not found: add it with AddIndex first")
	// ErrIndexExists is returned when an index is added under a name that is taken.
	ErrIndexExists = errors.New("index exists: choose another name")
	// ErrIndexNameRequired is returned when an index is added without a name.
	ErrIndexNameRequired = errors.New("index name required")
)

// index finds versions by the values of a function.
type index[T any] struct {
	name     string
	fn       IndexFunc[T]
	postings *keymap[posting[T]]
	// floor is the kind's revision when a posting was last removed, or the index
	// made: a reader at an older revision cannot rely on a posting's absence.
	floor atomic.Uint64
}

// term is one value of one index.
type term[T any] struct {
	index *index[T]
	value string
}

// posting holds the versions under one value of an index, in the order of their
// revisions, among them some that are no longer held by their keys.
type posting[T any] struct {
	term[T]
	entry *entry[posting[T]]
	run   atomic.Pointer[run[T]]
	keys  int // versions in it that are current; the writer's
}

// run is memory for a posting. It grows in place up to its capacity, published by
// length; to grow further or to shrink, the writer makes another.
type run[T any] struct {
	versions []*version[T]
	length   atomic.Int64
	floor    uint64 // holds every version that was current at or after this revision
}

// compute returns the terms of a value, index by index.
func compute[T any](kind, key string, value T, indexes []*index[T]) ([]term[T], error) {
	var terms []term[T]
	for _, ix := range indexes {
		values, err := ix.call(key, value)
		if err != nil {
			return nil, &store.IndexError{Kind: kind, Name: key, Index: ix.name, Err: err}
		}
		first := len(terms)
		for _, s := range values {
			t := term[T]{ix, s}
			if !slices.Contains(terms[first:], t) {
				terms = append(terms, t)
			}
		}
	}
	return terms, nil
}

// call runs the index function and turns a panic into an error.
func (ix *index[T]) call(key string, value T) (values []string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("index function panicked: %v", r)
		}
	}()
	return ix.fn(key, value)
}

// posting returns the posting of a value, and makes one if there is none.
func (ix *index[T]) posting(value string, rev uint64) *posting[T] {
	if p := ix.postings.get(value); p != nil {
		return p
	}
	p := &posting[T]{term: term[T]{ix, value}}
	p.run.Store(&run[T]{floor: rev})
	p.entry = ix.postings.set(value, p)
	return p
}

// add appends a version. rev is the kind's published revision.
func (p *posting[T]) add(v *version[T], rev uint64) {
	r := p.run.Load()
	n := int(r.length.Load())
	if n == len(r.versions) {
		r = p.rebuild(rev)
		n = int(r.length.Load())
	}
	r.versions[n] = v
	r.length.Store(int64(n + 1))
	p.keys++
}

// settle gives memory back after versions of the posting were superseded. rev is
// the kind's published revision.
func (p *posting[T]) settle(rev uint64) {
	switch {
	case p.keys == 0:
		if p.entry.value.Load() == p {
			p.index.floor.Store(rev)
			p.index.postings.remove(p.entry)
			p.index.postings.trim()
		}
	case int(p.run.Load().length.Load()) > 2*p.keys+2*minRun:
		p.rebuild(rev)
	}
}

const minRun = 4

// rebuild makes a run without the versions that no reader at revision rev or
// later can see, with room for about half as many again.
func (p *posting[T]) rebuild(rev uint64) *run[T] {
	old := p.run.Load()
	kept := make([]*version[T], 0, p.keys+p.keys/2+minRun)
	for _, v := range old.versions[:old.length.Load()] {
		if v.until.Load() > rev {
			kept = append(kept, v)
		}
	}
	n := len(kept)
	kept = slices.Grow(kept, minRun)
	r := &run[T]{versions: kept[:cap(kept)], floor: rev}
	r.length.Store(int64(n))
	p.run.Store(r)
	return r
}

// find returns the versions under a value that the index has for a reader at
// revision rev: a superset of those held at rev. ok is false if the index no
// longer knows that revision.
func (ix *index[T]) find(value string, rev uint64) (versions []*version[T], ok bool) {
	p := ix.postings.get(value)
	if p == nil {
		return nil, ix.floor.Load() <= rev
	}
	r := p.run.Load()
	return r.versions[:r.length.Load()], r.floor <= rev
}

// byIndex returns the objects under a value, at the newest revision that the
// index knows.
func (t *table[T]) byIndex(name, value string) (iter.Seq2[string, T], error) {
	ix, err := t.index(name)
	if err != nil {
		return nil, err
	}
	for {
		rev := t.view().rev
		// Not ok means that a commit came between the two loads: look again.
		if versions, ok := ix.find(value, rev); ok {
			return objectsAt(versions, rev), nil
		}
	}
}

// objectsAt yields those of the versions that their keys held at revision rev.
func objectsAt[T any](versions []*version[T], rev uint64) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, v := range versions {
			if v.rev <= rev && v.heldAt(rev) && !yield(v.key(), v.value) {
				return
			}
		}
	}
}

// indexValues returns the values that have objects, sorted.
func (t *table[T]) indexValues(name string) ([]string, error) {
	ix, err := t.index(name)
	if err != nil {
		return nil, err
	}
	rev := t.view().rev
	var values []string
	for value := range ix.postings.keys() {
		versions, _ := ix.find(value, rev)
		for range objectsAt(versions, rev) {
			values = append(values, value)
			break
		}
	}
	slices.Sort(values)
	return values, nil
}

func (t *table[T]) index(name string) (*index[T], error) {
	for _, ix := range *t.indexes.Load() {
		if ix.name == name {
			return ix, nil
		}
	}
	return nil, fmt.Errorf("%w: %q of kind %q", ErrIndexNotFound, name, t.kind)
}

// addIndex makes an index over the kind's content and keeps it from then on.
func (t *table[T]) addIndex(name string, fn IndexFunc[T]) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return store.ErrClosed
	}
	old := *t.indexes.Load()
	if _, err := t.index(name); err == nil {
		return fmt.Errorf("%w: %q of kind %q", ErrIndexExists, name, t.kind)
	}
	w := t.view()
	ix := &index[T]{name: name, fn: fn, postings: newKeymap[posting[T]]()}
	ix.floor.Store(w.rev)

	// First compute everything: an error has to leave no trace.
	added := make(map[*version[T]][]term[T], w.keys)
	for v := range w.held() {
		terms, err := compute(t.kind, v.key(), v.value, []*index[T]{ix})
		if err != nil {
			return err
		}
		added[v] = terms
	}
	for v := range w.held() {
		// Versions share terms, so theirs are not to be appended to in place.
		v.terms = slices.Clip(v.terms)
		for _, term := range added[v] {
			p := ix.posting(term.value, w.rev)
			p.add(v, w.rev)
			v.terms = append(v.terms, p)
		}
	}
	indexes := append(slices.Clip(old), ix)
	t.indexes.Store(&indexes)
	return nil
}
