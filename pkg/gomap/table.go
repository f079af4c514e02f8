package gomap

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// table is one kind.
//
// # How a write becomes visible
//
// Writers hold mu. A commit of any number of changes goes through these steps:
//
//  1. Everything that can fail is done: compare, index functions.
//  2. For each change a version with the next revision is made, pending. The
//     version before it gets its until, the key's entry points to the new one,
//     and the new one is put behind the end of the log and of its postings.
//  3. One store to the block's state (or, when the log moved to a new block, to
//     table.log) publishes all of it.
//  4. The new versions are marked current instead of pending; old versions may be
//     compacted away; cursors are woken.
//
// Step 3 is where the commit takes effect, for every kind of read. A read of the
// log or of a posting begins by loading the published revision and passes over
// what is newer. Get, which goes through the entry, may come upon a pending
// version; it then compares its revision with the published one, and if need be
// takes the version before. That one is still there: it can only be compacted
// away in a later commit.
type table[T any] struct {
	kind    string
	store   *MemStore[T]
	keys    *keymap[version[T]]
	log     atomic.Pointer[block[T]]
	indexes atomic.Pointer[[]*index[T]]
	hub     hub[T]

	// compactions counts the beginnings and the ends of compactions.
	compactions atomic.Uint64

	mu        sync.Mutex  // held by the writer
	closed    atomic.Bool // set while holding mu, so that no write comes after it
	compactAt int         // the writer's: the length at which the log is worth a look
}

func newTable[T any](s *MemStore[T], kind string) *table[T] {
	t := &table[T]{kind: kind, store: s, keys: newKeymap[version[T]](), hub: newHub[T](), compactAt: minGarbage}
	t.log.Store(newBlock[T](0, 0, 0))
	t.indexes.Store(new([]*index[T]))
	return t
}

// change is a write that is to be committed.
type change[T any] struct {
	key     string
	value   T
	deleted bool
	entry   *entry[version[T]] // the key's, nil if it has none or an empty one
	prev    *version[T]        // the version that the key holds, or nil
	terms   []term[T]
	same    bool // the terms are those of prev
}

func (t *table[T]) view() view[T] { return t.log.Load().view() }

// get returns the value of a key at the newest published revision.
func (t *table[T]) get(key string) (value T, ok bool) {
	v := t.keys.get(key)
	if v == nil {
		return value, false
	}
	// Load prev first: if v is then found to be unpublished, prev was in place.
	prev := v.prev.Load()
	if v.until.Load() == pending && v.rev > t.view().rev {
		switch {
		case v.deleted:
			return v.value, true
		case prev == nil:
			return value, false
		}
		return prev.value, true
	}
	if v.deleted {
		return value, false
	}
	return v.value, true
}

// held returns the version that a key holds, for the writer, and the key's entry
// if there is one with a version, deleted or not.
func (t *table[T]) held(key string) (*entry[version[T]], *version[T]) {
	e := t.keys.find(key)
	if e == nil {
		return nil, nil
	}
	v := e.value.Load()
	switch {
	case v == nil:
		return nil, nil // the entry may go when the map is rebuilt
	case v.deleted:
		return e, nil
	}
	return e, v
}

func (t *table[T]) set(key string, value T) (created bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return false, store.ErrClosed
	}
	c, changed, err := t.prepare(key, value)
	if !changed || err != nil {
		return false, err
	}
	t.commit(c)
	return c.prev == nil, nil
}

func (t *table[T]) setFn(key string, fn func(T) (T, error)) (changed bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return false, store.ErrClosed
	}
	_, prev := t.held(key)
	if prev == nil {
		return false, store.ErrKeyNotFound
	}
	value, err := fn(prev.value)
	if err != nil {
		return false, err
	}
	if err := t.store.validate(t.kind, key, value); err != nil {
		return false, err
	}
	c, changed, err := t.prepare(key, value)
	if !changed || err != nil {
		return false, err
	}
	t.commit(c)
	return true, nil
}

// setMany writes the values of keys, which are in order. With replace it also
// deletes the keys that are not among them.
func (t *table[T]) setMany(keys []string, values map[string]T, replace bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return store.ErrClosed
	}
	var changes []change[T]
	for _, key := range keys {
		c, changed, err := t.prepare(key, values[key])
		if err != nil {
			return err
		}
		if changed {
			changes = append(changes, c)
		}
	}
	if replace {
		sets := len(changes)
		for v := range t.view().held() {
			if _, ok := values[v.key()]; !ok {
				changes = append(changes, deletion(v))
			}
		}
		if len(changes) > sets {
			slices.SortFunc(changes, func(a, b change[T]) int { return strings.Compare(a.key, b.key) })
		}
	}
	t.commit(changes...)
	return nil
}

func (t *table[T]) delete(key string) (existed bool, prev T, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return false, prev, store.ErrClosed
	}
	_, v := t.held(key)
	if v == nil {
		return false, prev, nil
	}
	t.commit(deletion(v))
	return true, v.value, nil
}

// prepare is step 1 for a value to be written. changed is false if the key holds
// an equal one.
func (t *table[T]) prepare(key string, value T) (c change[T], changed bool, err error) {
	e, prev := t.held(key)
	if prev != nil && t.store.equal(prev.value, value) {
		return c, false, nil
	}
	terms, err := compute(t.kind, key, value, *t.indexes.Load())
	if err != nil {
		return c, false, err
	}
	same := prev != nil && slices.EqualFunc(terms, prev.terms, func(a term[T], p *posting[T]) bool { return a == p.term })
	return change[T]{key: key, value: value, entry: e, prev: prev, terms: terms, same: same}, true, nil
}

func deletion[T any](v *version[T]) change[T] {
	return change[T]{key: v.key(), value: v.value, deleted: true, entry: v.entry, prev: v}
}

// close makes all later writes fail, and ends the cursors.
func (t *table[T]) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed.Store(true)
	t.hub.close()
}

// commit is steps 2 to 4.
func (t *table[T]) commit(changes ...change[T]) {
	if len(changes) == 0 {
		return
	}
	b := t.log.Load()
	length, keys := unpackState(b.state.Load())
	first, rev := length, b.view().rev
	if need := length + len(changes); need > b.room() {
		b = b.grow(need)
	}
	for i := range changes {
		c := &changes[i]
		v := t.apply(c, rev)
		b.put(length, v)
		length++
		switch {
		case c.deleted:
			keys--
		case c.prev == nil:
			keys++
		}
	}

	b.state.Store(packState(length, keys))
	if b != t.log.Load() {
		t.log.Store(b)
	}

	w := b.view()
	for i := first; i < length; i++ {
		w.at(i).until.Store(current)
	}
	for i := range changes {
		if prev := changes[i].prev; prev != nil {
			for _, p := range prev.terms {
				p.settle(w.rev)
			}
			prev.terms = nil
		}
	}
	if length >= t.compactAt {
		t.compact()
	}
	t.hub.notify()
}

// apply is step 2 for one change. published is the kind's published revision.
func (t *table[T]) apply(c *change[T], published uint64) *version[T] {
	rev := t.store.revision.Add(1)
	v := &version[T]{value: c.value, rev: rev, born: rev, deleted: c.deleted}
	v.until.Store(pending)
	if c.prev != nil {
		v.born = c.prev.born
		if !c.deleted {
			v.prev.Store(c.prev)
		}
		c.prev.until.Store(rev)
		for _, p := range c.prev.terms {
			p.keys--
		}
	}
	switch {
	case c.same:
		v.terms = c.prev.terms
	case len(c.terms) > 0:
		v.terms = make([]*posting[T], len(c.terms))
		for i, term := range c.terms {
			v.terms[i] = term.index.posting(term.value, published)
		}
	}
	for _, p := range v.terms {
		p.add(v, published)
	}
	if c.entry == nil {
		v.entry = t.keys.set(c.key, v)
		return v
	}
	v.entry, v.before = c.entry, c.entry.value.Load().rev
	v.entry.value.Store(v)
	return v
}

// grow returns an unpublished block with the same versions and room for at least need.
func (b *block[T]) grow(need int) *block[T] {
	grown := newBlock[T](need+need/2, b.base, b.floor)
	copy(grown.pages, b.pages)
	return grown
}
