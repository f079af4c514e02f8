package gomap

import (
	"iter"
	"runtime"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// Cursor reads the changes of a kind in the order of their revisions, at its
// reader's pace. It keeps the contract of [store.Watcher], replay, coalescing and
// all, without a goroutine or a channel of its own:
//
//	for range cursor.Ready() {
//		for event := range cursor.Changes() {
//			...
//		}
//	}
//
// A cursor is for one goroutine at a time; only Ready and Close may be called
// from others. It must be closed.
type Cursor[T any] struct {
	table  *table[T]
	config store.WatchConfig
	ready  chan struct{}
	err    error

	pos    atomic.Uint64 // the revision that it has reached, which it pins; see compact.go
	closed atomic.Bool   // it pins nothing any more

	place  int         // in the hub's list, -1 when it has left
	asleep atomic.Bool // everything was read: to be woken by the next change

	replay *replay[T] // the content to be replayed, or nil
	synced bool       // the sync marker was delivered, or is not wanted
	batch  []step[T]
	taken  int    // how much of the batch was delivered
	done   uint64 // the revision up to which everything was delivered

	digest   atomic.Pointer[digest[T]] // that it reads, or nil
	digested int                       // how much of it was read
}

// step is one change for this cursor's reader.
type step[T any] struct {
	record[T]
	coalesced bool
}

// maxBatch bounds the steps that a cursor takes at a time, and with it the memory that
// the batch keeps alive. A cursor that has more to read lets others run in between:
// many that are behind would otherwise keep writers off the processors, for a goroutine
// and the one that it sends to can share a time slice for as long as both have work.
const maxBatch = 128

// Cursor returns a cursor over a kind's changes from now on, or with
// [store.WithInitialReplay] over its content and then its changes.
func (s *MemStore[T]) Cursor(kind string, opts ...store.WatchOption[T]) (*Cursor[T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	c, err := newCursor(opts)
	if err != nil {
		return nil, err
	}
	t, err := s.table(kind)
	if err != nil {
		return nil, err
	}
	if err := t.join(c); err != nil {
		return nil, err
	}
	return c, nil
}

func newCursor[T any](opts []store.WatchOption[T]) (*Cursor[T], error) {
	config, err := store.NewWatchConfig(opts...)
	return &Cursor[T]{config: config, ready: make(chan struct{}, 1), synced: !config.SyncMarker}, err
}

// join begins a cursor at the kind's present state, or at that of the part that
// it wants.
func (t *table[T]) join(c *Cursor[T]) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return store.ErrClosed
	}
	c.table = t
	if c.config.Part != nil {
		sel, err := t.selected(c.config.Part)
		if err != nil {
			return err
		}
		c.table = t.route(sel)
		c.table.mu.Lock()
		defer c.table.mu.Unlock()
	}
	c.begin(c.table.log.view().rev)
	return nil
}

// begin starts a cursor at a revision, with a replay of what there was, if it wants
// one. The caller holds the table's mu, so that nothing goes until the cursor's
// position is known; if the revision is not the newest it has to be pinned.
func (c *Cursor[T]) begin(rev uint64) {
	c.pos.Store(rev)
	if c.config.InitialReplay {
		c.replay = &replay[T]{rev: rev, slots: reader[*slot[T]]{span: c.table.content.view()}}
	} else {
		c.done = rev
	}
	c.table.hub.join(c)
	c.ready <- struct{}{}
}

// Ready returns a channel that receives when Changes may have something new: at
// the beginning, and once everything was read, after a change or when the store
// is closed.
func (c *Cursor[T]) Ready() <-chan struct{} { return c.ready }

// Revision returns the revision up to which Changes has led its reader.
func (c *Cursor[T]) Revision() uint64 { return c.done }

// Err returns why there will be no more changes: [store.ErrClosed] when the store
// was closed, [store.ErrWatchLagged] when a cursor with
// [store.WithoutCoalescing] fell behind. Nil as long as there may be more.
func (c *Cursor[T]) Err() error {
	if c.err == nil && c.table.closed.Load() && c.caughtUp() {
		c.err = store.ErrClosed
	}
	return c.err
}

// Close releases what the store keeps for the cursor. Calling it again does nothing.
func (c *Cursor[T]) Close() {
	c.closed.Store(true)
	c.leaveDigest()
	if t := c.table; t.hub.leave(c) && t.whole != nil {
		t.whole.retire(t)
	}
}

// Changes yields what there is to be read: the rest of the replay, then change
// after change until there is none. It does not block. A reader that breaks off
// goes on with the next event at the next call.
func (c *Cursor[T]) Changes() iter.Seq[store.Event[T]] {
	return func(yield func(store.Event[T]) bool) {
		if !c.replayTo(yield) {
			return
		}
		if !c.synced {
			c.synced = true
			if !yield(store.Event[T]{Kind: c.table.kind, EventType: store.EventTypeSync, Revision: c.done}) {
				return
			}
		}
		for c.taken < len(c.batch) || c.fill() {
			s := c.batch[c.taken]
			c.batch[c.taken] = step[T]{}
			c.taken++
			if c.taken == len(c.batch) {
				c.done = c.pos.Load()
			}
			if e := c.event(s); c.config.Wants(e.EventType) && !yield(e) {
				return
			}
		}
		c.sleep()
	}
}

// replay is the content of a kind at a revision, which is pinned, in the order of
// the revisions of its versions.
type replay[T any] struct {
	rev     uint64
	slots   reader[*slot[T]]
	begun   bool
	updated []changed[T] // what is not the first of its slot
}

// begin looks at all slots. It is for the reader, so that no writer waits for it.
func (r *replay[T]) begin() {
	r.begun = true
	for s := range r.slots.span.all() {
		if v := s.at(r.rev); v != nil && v.rev() != s.since {
			r.updated = append(r.updated, changed[T]{s, v.rev()})
		}
	}
	sortByRevision(r.updated)
}

// next returns the next object, false if there is none.
func (r *replay[T]) next() (s step[T], ok bool) {
	for {
		var next changed[T]
		first, ok := r.slots.peek()
		switch {
		case len(r.updated) > 0 && (!ok || r.updated[0].rev < first.since):
			next, r.updated = r.updated[0], r.updated[1:]
		case ok:
			next = changed[T]{first, first.since}
			r.slots.skip()
		default:
			return s, false
		}
		if v := next.slot.at(r.rev); v != nil && v.rev() == next.rev {
			return step[T]{record: record[T]{slot: next.slot, version: v, rev: next.rev}}, true
		}
	}
}

// replayTo yields the rest of the replay, and tells whether that is all of it.
func (c *Cursor[T]) replayTo(yield func(store.Event[T]) bool) bool {
	if c.replay == nil {
		return true
	}
	wanted := c.config.Wants(store.EventTypeCreate)
	if wanted && !c.replay.begun {
		c.replay.begin()
	}
	for n := 1; wanted; n++ {
		s, ok := c.replay.next()
		if !ok {
			break
		}
		if n%maxBatch == 0 {
			runtime.Gosched()
		}
		if !yield(c.event(s)) {
			return false
		}
	}
	c.done, c.replay = c.replay.rev, nil
	return true
}

func (c *Cursor[T]) event(s step[T]) store.Event[T] {
	e := store.Event[T]{
		Kind:      c.table.kind,
		Name:      s.slot.name,
		EventType: store.EventTypeCreate,
		Object:    s.version.value,
		Revision:  s.rev,
		Coalesced: s.coalesced,
	}
	switch {
	case s.version.is(deleted):
		e.EventType, e.Old = store.EventTypeDelete, e.Object
	case s.old != nil:
		e.EventType, e.Old = store.EventTypeUpdate, s.old.value
	}
	return e
}

// caughtUp tells whether everything published was delivered.
func (c *Cursor[T]) caughtUp() bool {
	return c.synced && c.replay == nil && c.taken == len(c.batch) && c.table.log.view().rev == c.pos.Load()
}

// fill takes the next batch. It returns false if there is none.
func (c *Cursor[T]) fill() bool {
	for c.err == nil && c.next() {
		if c.closed.Load() {
			c.batch = nil // what it pinned may have gone meanwhile
			return false
		}
		if len(c.batch) > 0 {
			return true
		}
		c.done = c.pos.Load()
	}
	return false
}

// next sets the batch to what comes next, be it nothing, and moves the cursor on. It
// returns false if the cursor has reached the newest revision, or has failed.
func (c *Cursor[T]) next() bool {
	if len(c.batch) == maxBatch {
		runtime.Gosched()
	}
	c.taken, c.batch = 0, c.batch[:0]
	if d := c.digest.Load(); d != nil {
		c.read(d)
		return true
	}
	w := c.table.log.view()
	pos := c.pos.Load()
	if w.rev == pos {
		return false
	}
	lagged := pos < w.block.low
	if lagged && c.config.EndOnLag {
		c.err = store.ErrWatchLagged
		return false
	}
	if lagged || !c.reach(c.follow(w, pos)) {
		c.coalesce(pos)
	}
	return true
}

// reach moves the cursor to a revision, unless what it would pin there may have gone
// while it read. One that never coalesces needs nothing there.
func (c *Cursor[T]) reach(rev uint64) bool {
	t := c.table
	pin := t.board.take(rev)
	defer t.board.give(pin)
	if t.floor.Load() > rev && !c.config.EndOnLag {
		return false
	}
	c.pos.Store(rev)
	return true
}

// follow sets the batch to the next changes after pos, one by one, and returns the
// revision up to which they lead.
func (c *Cursor[T]) follow(w view[T], pos uint64) (next uint64) {
	for r := w.after(pos); ; {
		change, ok := r.next()
		if !ok {
			return w.rev
		}
		c.batch = append(c.batch, step[T]{record: change})
		if len(c.batch) == maxBatch {
			return change.rev
		}
	}
}

// coalesce begins to read a digest, instead of the log.
func (c *Cursor[T]) coalesce(pos uint64) {
	d := c.table.openDigest(pos)
	c.digested = d.after(pos)
	c.batch = c.batch[:0]
	if c.digest.Store(d); c.closed.Load() {
		c.leaveDigest()
		return
	}
	c.read(d)
}

// read sets the batch to the next changes of the digest. When there are none left the
// cursor has reached the digest's revision; until then it stays where it was, with that
// revision pinned by the digest.
func (c *Cursor[T]) read(d *digest[T]) {
	for pos := c.pos.Load(); c.digested < len(d.changed); c.digested++ {
		if len(c.batch) == maxBatch {
			return
		}
		if s, ok := d.changed[c.digested].slot.between(pos, d.rev); ok {
			c.batch = append(c.batch, s)
		}
	}
	c.pos.Store(d.rev)
	c.leaveDigest()
}

// leaveDigest gives up the digest, if there is one.
func (c *Cursor[T]) leaveDigest() {
	if d := c.digest.Swap(nil); d != nil {
		c.table.closeDigest(d)
	}
}

// between returns what became of a slot's key between two revisions, which are
// pinned. ok is false if there is nothing to tell, or it is told of another slot.
func (s *slot[T]) between(pos, rev uint64) (change step[T], ok bool) {
	v := s.latest(rev)
	if v == nil || v.rev() <= pos || v.is(moved) {
		return change, false
	}
	old, direct := v.before(pos)
	if v.is(deleted) && old == nil {
		return change, false // it came and went unseen
	}
	return step[T]{record: record[T]{slot: s, version: v, old: old, rev: v.rev()}, coalesced: !direct}, true
}

// sleep has the cursor woken by the next change.
func (c *Cursor[T]) sleep() {
	if c.asleep.CompareAndSwap(false, true) {
		c.table.hub.asleep.Add(1)
	}
	// A writer that did not see the cursor asleep has published its change before.
	if c.table.closed.Load() || c.table.log.view().rev != c.pos.Load() {
		c.wake()
	}
}

// wake makes Ready receive, if the cursor sleeps.
func (c *Cursor[T]) wake() {
	if c.rouse() {
		select {
		case c.ready <- struct{}{}:
		default:
		}
	}
}

// rouse ends the cursor's sleep, and tells whether it slept.
func (c *Cursor[T]) rouse() bool {
	if !c.asleep.CompareAndSwap(true, false) {
		return false
	}
	c.table.hub.asleep.Add(-1)
	return true
}
