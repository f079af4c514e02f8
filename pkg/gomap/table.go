package gomap

import (
	"iter"
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
//  2. For each change a version with the next revision is made, pending, with the
//     version before it behind it. It is put into the key's slot or, for a new key
//     or one that moves in an index, into a new slot that the key map, the content
//     and the postings then have. A record of it is put into the log.
//  3. One store to the state of the log's block (or, when the log moved to a new
//     block, to its head) publishes all of it.
//  4. The new versions cease to be pending; what is no longer needed may be cut off
//     the log; routes get their part, cursors are woken.
//
// Step 3 is where the commit takes effect, for every kind of read. A read of many
// objects begins by loading the published revision, and of each slot takes the version
// of that revision. Get, which takes the latest, may come upon a pending version; it
// then compares its revision with the published one, and if need be takes the version
// before. That one is still there: it can only be taken out of the chain in a later
// commit.
type table[T any] struct {
	kind    string
	store   *MemStore[T]
	keys    *keymap[slot[T], *slot[T]] // those that are current
	indexes atomic.Pointer[[]*index[T]]
	order   order[T]
	whole   *table[T]    // of a route: the table that it belongs to
	part    selection[T] // of a route: which part of it
	closed  atomic.Bool  // set while holding mu, so that no write comes after it

	_       apart
	log     log[T]
	content slots[T]
	bytes   atomic.Int64 // by the store's ledger
	hub     hub[T]

	_       apart
	digests digests[T]
	board   board
	floor   atomic.Uint64 // versions that were replaced up to it may be gone

	mu sync.Mutex // held by the writer, for itself and for what follows

	nothing  version[T] // a deletion that readers of any revision see
	routes   routes[T]
	written  int          // versions since the last compaction
	terms    []term[T]    // memory for what index functions say of a write
	endings  []remnant[T] // slots whose last records are in the log
	remnants remnants[T]
}

func newTable[T any](s *MemStore[T], kind string, rev uint64) *table[T] {
	t := &table[T]{kind: kind, store: s, keys: newKeymap[slot[T]]()}
	t.log.init(rev)
	t.content.init()
	t.floor.Store(rev)
	t.nothing.mark(deleted)
	t.indexes.Store(new([]*index[T]))
	return t
}

// change is a write that is to be committed.
type change[T any] struct {
	key     string
	value   T
	deleted bool
	moved   bool        // the object comes under another value of an index
	rev     uint64      // 0: the store's next
	slot    *slot[T]    // the key's, or nil
	old     *version[T] // what the key holds, or nil
	spot    spot[slot[T]]
	terms   []term[T]
	hash    uint64      // of terms
	was     []term[T]   // the terms of old, if they are others or it is deleted
	made    *version[T] // by the commit
}

// get returns the value of a key at the newest published revision.
func (t *table[T]) get(key string) (value T, ok bool) {
	for {
		s := t.keys.get(key)
		if s == nil {
			return value, false
		}
		v := s.cur.Load()
		state := v.state.Load()
		if state&(pending|ended) == 0 {
			return v.value, true
		}
		// Load prev first: if v is then found to be unpublished, prev was in place.
		prev := v.prev.Load()
		switch {
		case state&pending != 0 && state>>flagBits > t.log.view().rev:
			if prev == nil {
				return value, false
			}
			return prev.value, true
		case state&deleted != 0:
			return value, false
		case state&moved == 0:
			return v.value, true
		}
		// The key has another slot, which is in the map already.
	}
}

// current yields the slots of the keys that are there. It is for the writer.
func (t *table[T]) current() iter.Seq[*slot[T]] {
	return currentOf(t.content.view())
}

// objects yields the kind's content at the newest revision when the loop begins.
func (t *table[T]) objects() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		if t == nil {
			return
		}
		w, pin := t.pin()
		defer t.board.give(pin)
		objectsAt(t.content.view(), w.rev)(yield)
	}
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
	created = c.old == nil
	t.commit(c)
	return created, nil
}

func (t *table[T]) setFn(key string, fn func(T) (T, error)) (changed bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return false, store.ErrClosed
	}
	slot := t.keys.get(key)
	if slot == nil {
		return false, store.ErrKeyNotFound
	}
	value, err := fn(slot.cur.Load().value)
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
	changes := make([]change[T], 0, len(keys))
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
		for s := range t.current() {
			if _, ok := values[s.name]; !ok {
				changes = append(changes, t.deletion(s, s.cur.Load().value))
			}
		}
		if len(changes) > sets {
			slices.SortFunc(changes, func(a, b change[T]) int { return strings.Compare(a.key, b.key) })
		}
	}
	t.commit(changes...)
	return nil
}

// delete removes a key. final returns the last state of the object, given the
// one that is in the store.
func (t *table[T]) delete(key string, final func(T) T) (existed bool, prev T, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return false, prev, store.ErrClosed
	}
	slot := t.keys.get(key)
	if slot == nil {
		return false, prev, nil
	}
	prev = slot.cur.Load().value
	t.commit(t.deletion(slot, final(prev)))
	return true, prev, nil
}

// prepare is step 1 for a value to be written. changed is false if the key holds
// an equal one.
func (t *table[T]) prepare(key string, value T) (c change[T], changed bool, err error) {
	c = change[T]{key: key, value: value}
	if c.slot, c.spot = t.keys.locate(key); c.slot != nil {
		c.old = c.slot.cur.Load()
		if t.store.equal(c.old.value, value) {
			return c, false, nil
		}
	}
	indexes := *t.indexes.Load()
	if len(indexes) == 0 {
		return c, true, nil
	}
	first := len(t.terms)
	terms, err := compute(t.terms, t.kind, key, value, indexes)
	if err != nil {
		t.forget()
		return c, false, err
	}
	t.terms, c.terms = terms, terms[first:]
	c.hash = hashTerms(c.terms)
	if c.moved = c.slot != nil && c.slot.terms != c.hash; c.moved {
		c.was = t.termsOf(c.slot.name, c.old.value, indexes)
	}
	return c, true, nil
}

// termsOf returns the terms of a value that was written with them: no function fails.
func (t *table[T]) termsOf(name string, value T, indexes []*index[T]) []term[T] {
	first := len(t.terms)
	terms, err := compute(t.terms, t.kind, name, value, indexes)
	if err != nil {
		return nil
	}
	t.terms = terms
	return terms[first:]
}

// forget gives up the terms of what was prepared.
func (t *table[T]) forget() {
	clear(t.terms)
	if t.terms = t.terms[:0]; cap(t.terms) > 1<<slotShift {
		t.terms = nil
	}
}

func (t *table[T]) deletion(s *slot[T], final T) change[T] {
	c := change[T]{key: s.name, value: final, deleted: true, slot: s, old: s.cur.Load()}
	if indexes := *t.indexes.Load(); len(indexes) > 0 {
		c.was = t.termsOf(s.name, c.old.value, indexes)
	}
	return c
}

// close makes all later writes fail, and ends the cursors.
func (t *table[T]) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed.Store(true)
	t.hub.wakeAll()
	t.routes.close()
}

// commit is steps 2 to 4.
func (t *table[T]) commit(changes ...change[T]) {
	if len(changes) == 0 {
		return
	}
	keys := t.log.view().keys
	for i := range changes {
		c := &changes[i]
		t.apply(c)
		switch {
		case c.deleted:
			keys--
		case c.old == nil:
			keys++
		}
	}

	t.log.publish(keys)

	for i := range changes {
		t.settle(&changes[i])
	}
	t.written += len(changes)
	t.compact()
	t.routes.forward(changes)
	t.forget()
	t.hub.notify()
}

// apply is step 2 for one change.
func (t *table[T]) apply(c *change[T]) {
	if c.rev == 0 {
		c.rev = t.store.revision.Add(1)
	}
	flags := pending
	if c.deleted {
		flags |= deleted
	}
	v := newVersion(c.value, c.rev, flags)
	v.prev.Store(c.old)
	c.made = v
	if t.store.ledger != nil && t.whole == nil {
		t.bytes.Add(t.store.ledger(c.old, v))
	}
	s := c.slot
	switch {
	case s == nil:
		s = t.begin(c.key, c)
	case c.moved:
		s = t.begin(s.name, c)
		var none T
		end := newVersion(none, c.rev, pending|moved)
		end.prev.Store(c.old)
		c.slot.cur.Store(end)
	default:
		s.cur.Store(v)
	}
	t.log.put(record[T]{slot: s, version: v, old: c.old, rev: c.rev})
}

// begin makes a slot for a change, and puts it wherever it can be found.
func (t *table[T]) begin(name string, c *change[T]) *slot[T] {
	s := t.content.make(name, c.rev, c.made)
	s.terms = c.hash
	t.content.add(s)
	for _, term := range c.terms {
		term.index.posting(term.value).add(s)
	}
	t.keys.putAt(c.spot, s)
	return s
}

// settle is what of step 4 belongs to one change.
func (t *table[T]) settle(c *change[T]) {
	c.made.unmark(pending)
	if !c.deleted && !c.moved {
		return
	}
	end := c.slot.cur.Load()
	end.unmark(pending)
	if c.deleted {
		t.keys.remove(c.slot)
	}
	e := remnant[T]{version: end, ended: c.slot}
	for _, term := range c.was {
		if p := term.index.postings.get(term.value); p != nil {
			e.postings = append(e.postings, p)
		}
	}
	t.endings = append(t.endings, e)
}
