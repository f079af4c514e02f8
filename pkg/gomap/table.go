package gomap

import (
	"fmt"
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
//     version before it behind it. It is put into the key map, and into the key's slot
//     or, for a new key or one that moves in an index, into a new slot that the content
//     and the postings then have. A record of it is put into the log.
//  3. One store to the state of the log's block (or, when the log moved to a new
//     block, to its head) publishes all of it.
//  4. The new versions cease to be pending; what is no longer needed may be cut off
//     the log; parts get what concerns them, cursors are woken.
//
// No function of the user's, nor a method of a value, is called after step 1, so that a
// panic leaves everything as it was.
//
// Step 3 is where the commit takes effect, for every kind of read. A read of many
// objects begins by loading the published revision, and of each slot takes the version
// of that revision. Get, which takes the latest, may come upon a pending version; it
// then compares its revision with the published one, and if need be takes the version
// before. That one is still there: it can only be unlinked in a later commit. Get pins
// nothing, and needs nothing pinned: what the key map has for a key is never retired,
// as slots are, and a version keeps its value for as long as somebody holds it.
type table[T any] struct {
	history[T]
	store   *engine[T]
	keys    keymap[version[T]] // the latest version of each key that is there
	content slots[T]
	indexes atomic.Pointer[[]*index[T]]
	parts   parts[T]
	order   order[T]
	digests digests[T]

	// account, if there is one, is told of every change that was published, and returns
	// by how many bytes the values have grown. It cannot fail.
	account func(c *change[T]) int64
	bytes   atomic.Int64
	// prepared, if there is one, is told of each value of many, when indexes have seen it.
	prepared func(T)
	// passed, if there is one, is told now and then of a revision that all cursors have reached.
	passed func(rev uint64)

	mu sync.Mutex // held by the writer, for itself and for what follows

	// dismissed is set for good when the store has forgotten the table, which is empty,
	// and for a moment to see whether it can.
	dismissed atomic.Bool

	count  int // of keys
	arena  arena[T]
	terms  []term[T]    // memory for what index functions say of a write
	single [1]change[T] // memory for a commit of one
}

func newTable[T any](s *engine[T], kind string) *table[T] {
	t := &table[T]{store: s}
	t.keys.init()
	t.kind, t.done, t.board, t.retire, t.weight.size = kind, s.kinds.done, &s.board, t.retireSlot, s.size
	t.log.init(0)
	t.content.init()
	t.indexes.Store(new([]*index[T]))
	return t
}

// change is a write that is to be committed.
type change[T any] struct {
	name    string
	value   T
	rev     uint64 // 0: the store's next
	deleted bool
	moved   bool        // the object comes under another value of an index
	old     *version[T] // what the key holds, or nil
	spot    spot[version[T]]
	terms   []term[T]
	hash    uint64      // of terms
	was     []term[T]   // the terms of old, if it moves or is deleted
	made    *version[T] // by the commit
}

// get returns the version of a key at the newest published revision, nil if there is none.
func (t *table[T]) get(key string) *version[T] {
	v := t.keys.get(key)
	if v != nil && v.is(pending|deleted) {
		v = t.published(v)
	}
	return v
}

// published returns what a key holds of which the map has v: v or, if that is not
// published, the version before; nil if there is none.
func (t *table[T]) published(v *version[T]) *version[T] {
	if v == nil {
		return nil
	}
	state := v.state.Load()
	// Load prev first: if v is then found to be unpublished, prev was in place.
	prev := v.prev.Load()
	switch {
	case state&pending != 0 && state>>flagBits > t.log.view().rev:
		return prev
	case state&deleted != 0:
		return nil
	}
	return v
}

// current yields the latest versions of the keys that are there. It is for the writer.
func (t *table[T]) current() iter.Seq[*version[T]] {
	return currentOf(t.content.view())
}

// objects yields the kind's content at the newest revision when the loop begins.
func (t *table[T]) objects() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		if t == nil {
			return
		}
		w, pin := t.pin()
		defer pin.release()
		objectsAt(t.content.view(), w.rev)(yield)
	}
}

// unlock ends a write. A kind that is left empty is forgotten if nobody has to do with it.
func (t *table[T]) unlock() {
	t.dismiss()
	t.mu.Unlock()
}

// dismiss has the store forget the table if it is empty and nobody uses it. The caller
// holds mu.
func (t *table[T]) dismiss() {
	if t.used() || t.dismissed.Swap(true) {
		return
	}
	// Who begins to use the table does so first, and then looks whether it is dismissed.
	if t.used() {
		t.dismissed.Store(false)
		return
	}
	t.store.kinds.forget(t)
}

func (t *table[T]) used() bool {
	return t.count > 0 || len(*t.indexes.Load()) > 0 ||
		t.hub.count.Load() > 0 || t.parts.count.Load() > 0 || t.holds.count() > 0
}

// update writes what fn makes of the value of a key. It returns the value that the key
// has then, and whether it has one.
func (t *table[T]) update(key string, fn func(value T, exists bool) (T, store.Op, error)) (value T, exists, changed bool, err error) {
	old, _ := t.keys.locate(key)
	if exists = old != nil; exists {
		value = old.value
	}
	next, op, err := fn(value, exists)
	switch {
	case err != nil:
	case op == store.OpSet:
		if err = t.store.validate(t.kind, key, next); err != nil {
			break
		}
		if _, changed, err = t.set(key, next); changed {
			return next, true, true, nil
		}
	case op == store.OpDelete && exists:
		if err = t.ended(); err == nil {
			var none T
			t.delete(key, value)
			return none, false, true, nil
		}
	case op != store.OpKeep && op != store.OpDelete:
		err = fmt.Errorf("%w: %d for key %q of kind %q", store.ErrInvalidOp, op, key, t.kind)
	}
	return value, exists, false, err
}

// set writes a value, unless the key holds an equal one. created tells whether the key is
// new.
func (t *table[T]) set(key string, value T) (created, changed bool, err error) {
	c, changed, err := t.prepare(key, value)
	if changed && err == nil {
		// The store may have been closed by a function that ran so far.
		err = t.ended()
	}
	if !changed || err != nil {
		t.forgetTerms()
		return false, false, err
	}
	t.commitOne(c)
	return c.old == nil, true, nil
}

// setMany writes the values of keys, which are in order. With replace it also
// deletes the keys that are not among them.
func (t *table[T]) setMany(keys []string, values map[string]T, replace bool) error {
	changes := make([]change[T], 0, len(keys))
	for _, key := range keys {
		c, changed, err := t.prepare(key, values[key])
		if err != nil {
			t.forgetTerms()
			return err
		}
		if t.prepared != nil {
			t.prepared(values[key])
		}
		if changed {
			changes = append(changes, c)
		}
	}
	if replace {
		sets := len(changes)
		for v := range t.current() {
			if _, ok := values[v.name]; !ok {
				changes = append(changes, t.deletion(v, spot[version[T]]{}, v.value))
			}
		}
		if len(changes) > sets {
			slices.SortFunc(changes, func(a, b change[T]) int { return strings.Compare(a.name, b.name) })
		}
	}
	if err := t.ended(); err != nil {
		t.forgetTerms()
		return err
	}
	t.commit(changes)
	return nil
}

// delete removes a key that is there. final is the last state of the object.
func (t *table[T]) delete(key string, final T) {
	v, at := t.keys.locate(key)
	t.commitOne(t.deletion(v, at, final))
}

// prepare is step 1 for a value to be written. changed is false if the key holds
// an equal one.
func (t *table[T]) prepare(key string, value T) (c change[T], changed bool, err error) {
	c = change[T]{name: key, value: value}
	if c.old, c.spot = t.keys.locate(key); c.old != nil {
		c.name = c.old.name
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
		return c, false, err
	}
	t.terms, c.terms = terms, terms[first:]
	c.hash = hashTerms(c.terms)
	if c.moved = c.old != nil && c.old.slot.terms != c.hash; c.moved {
		c.was = t.termsOf(c.old, indexes)
	}
	return c, true, nil
}

// termsOf returns the terms that a version was written with.
func (t *table[T]) termsOf(v *version[T], indexes []*index[T]) []term[T] {
	first := len(t.terms)
	terms, err := compute(t.terms, t.kind, v.name, v.value, indexes)
	if err == nil && hashTerms(terms[first:]) == v.slot.terms {
		t.terms = terms
		return terms[first:]
	}
	// A function does not say again what it said, or the value was changed in place. What
	// it said is found where the slot is.
	for _, ix := range indexes {
		t.terms = ix.appendFound(t.terms, v.slot)
	}
	return t.terms[first:]
}

// forgetTerms gives up the terms of what was prepared.
func (t *table[T]) forgetTerms() {
	clear(t.terms)
	if t.terms = t.terms[:0]; cap(t.terms) > 1<<slotShift {
		t.terms = nil
	}
}

func (t *table[T]) deletion(v *version[T], at spot[version[T]], final T) change[T] {
	c := change[T]{name: v.name, value: final, deleted: true, old: v, spot: at}
	if indexes := *t.indexes.Load(); len(indexes) > 0 {
		c.was = t.termsOf(v, indexes)
	}
	return c
}

// close makes all later writes fail, and ends the cursors. It does not wait for a writer.
func (t *table[T]) close() {
	t.finish(store.ErrClosed)
	t.parts.end(nil, store.ErrClosed)
}

// commitOne commits a change. It allocates nothing for it.
func (t *table[T]) commitOne(c change[T]) {
	t.single[0] = c
	t.commit(t.single[:])
	t.single[0] = change[T]{}
}

// commit is steps 2 to 4.
func (t *table[T]) commit(changes []change[T]) {
	if len(changes) == 0 {
		return
	}
	for i := range changes {
		c := &changes[i]
		t.apply(c)
		switch {
		case c.deleted:
			t.count--
		case c.old == nil:
			t.count++
		}
	}

	hook(hookApplied)
	t.log.publish(t.count)
	hook(hookCommitted)

	for i := range changes {
		t.settle(&changes[i])
	}
	if t.cut(len(changes)) && t.passed != nil {
		t.passed(t.hub.earliest(t.log.view().rev))
	}
	t.handOver(changes)
	t.forgetTerms()
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
	v := newVersion(c.name, c.value, c.rev, flags)
	v.prev.Store(c.old)
	c.made = v
	switch {
	case c.old == nil:
		t.begin(v, c)
	case c.moved:
		t.begin(v, c)
		var none T
		end := newVersion(c.name, none, c.rev, pending|moved)
		end.prev.Store(c.old)
		c.old.slot.cur.Store(end)
	default:
		v.slot = c.old.slot
		v.slot.cur.Store(v)
	}
	t.keys.putAt(c.spot, v)
	t.log.put(record[T]{version: v, old: c.old})
}

// begin makes a slot for a version, and puts it wherever it can be found.
func (t *table[T]) begin(v *version[T], c *change[T]) {
	v.slot = t.arena.make(v, c.hash)
	t.content.add(v.slot)
	for _, term := range c.terms {
		term.index.add(term.value, v.slot)
	}
}

// settle is what of step 4 belongs to one change.
func (t *table[T]) settle(c *change[T]) {
	c.made.unmark(pending)
	if t.account != nil {
		t.bytes.Add(t.account(c))
	}
	if !c.deleted && !c.moved {
		return
	}
	e := ending[T]{slot: c.old.slot, last: c.old.slot.cur.Load()}
	e.last.unmark(pending)
	if c.deleted {
		t.keys.remove(c.made)
	}
	for _, term := range c.was {
		if p := term.index.postings.get(term.value); p != nil {
			e.postings = append(e.postings, p)
		}
	}
	t.endings.push(e)
}

// retireSlot gives up a slot that nobody needs.
func (t *table[T]) retireSlot(e ending[T]) {
	e.slot.cur.Store(&t.store.nothing)
	t.content.leave()
	for _, p := range e.postings {
		p.leave()
	}
}
