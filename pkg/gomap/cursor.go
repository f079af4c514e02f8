package gomap

import (
	"context"
	"iter"
	"runtime"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// Cursor reads the changes of a kind in the order of their revisions, at its
// reader's pace. It keeps the contract of [store.Watcher], replay, coalescing and
// all, without a goroutine or a channel of its own:
//
//	for event := range cursor.All(ctx) {
//		...
//	}
//	return cursor.Err()
//
// Who waits for other things as well uses [Cursor.Ready] and [Cursor.Changes].
//
// A cursor is for one goroutine at a time; only Ready and Close may be called
// from others. It must be closed.
type Cursor[T any] struct {
	stream *stream[T]
	table  *table[T]   // of which it is, or
	keyed  *keyPart[T] // the key
	config store.WatchConfig
	ready  chan struct{}
	err    error

	pos    atomic.Uint64 // the revision that it has reached, which it pins; see history.go
	closed atomic.Bool   // it pins nothing any more

	seat   *atomic.Pointer[Cursor[T]] // in the hub, nil when it has left
	asleep atomic.Bool                // everything was read: to be woken by the next change

	replay *replay[T]  // the content to be replayed, or nil
	known  *version[T] // of the key, at the cursor's position; nil if there is none
	synced bool        // the sync marker was delivered, or is not wanted
	gap    bool        // there was a gap, which is to be told
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
// [store.WithInitialReplay] over its content and then its changes. It does not wait for
// writers.
func (s *engine[T]) Cursor(kind string, opts ...store.WatchOption[T]) (*Cursor[T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	return s.begin(kind, opts, func(t *table[T], c *Cursor[T]) error {
		if part := c.config.Part; part != nil {
			return t.joinPart(c, *part)
		}
		w, pin := t.pin()
		defer pin.release()
		return t.join(c, w.rev)
	})
}

// begin returns a cursor that has joined the table of a kind.
func (s *engine[T]) begin(kind string, opts []store.WatchOption[T], join func(*table[T], *Cursor[T]) error) (*Cursor[T], error) {
	config, err := store.NewWatchConfig(opts...)
	if err != nil {
		return nil, err
	}
	for {
		t, err := s.table(kind)
		if err != nil {
			return nil, err
		}
		c := &Cursor[T]{config: config, ready: make(chan struct{}, 1), synced: !config.SyncMarker}
		if err := join(t, c); err != nil {
			return nil, err
		}
		if !t.dismissed.Load() {
			return c, nil
		}
		c.leave() // the kind is about to have another table
		runtime.Gosched()
	}
}

// join begins a cursor at a revision, which the caller has pinned, with a replay of what
// there was if it wants one.
func (t *table[T]) join(c *Cursor[T], rev uint64) error {
	c.table = t
	if c.config.InitialReplay {
		c.replay = newReplay(t.content.view(), rev)
	}
	c.enter(&t.stream, rev)
	if err := t.ended(); err != nil {
		c.leave()
		return err
	}
	return nil
}

// enter puts the cursor where the stream's writer sees it.
func (c *Cursor[T]) enter(s *stream[T], rev uint64) {
	c.stream = s
	c.pos.Store(rev)
	if c.replay == nil {
		c.done = rev
	}
	s.hub.join(c)
	c.ready <- struct{}{}
}

// Ready returns a channel that receives when Changes may have something new: at
// the beginning, and once everything was read, after a change or when the cursor or the
// store is closed.
func (c *Cursor[T]) Ready() <-chan struct{} { return c.ready }

// Revision returns the revision up to which Changes has led its reader.
func (c *Cursor[T]) Revision() uint64 { return c.done }

// Kind returns the kind whose changes the cursor reads.
func (c *Cursor[T]) Kind() string { return c.stream.kind }

// Done returns a channel that is closed when the store is. What was written before may
// still be read.
func (c *Cursor[T]) Done() <-chan struct{} { return c.stream.done }

// Err returns why there will be no more changes: [store.ErrClosed] when the store
// was closed, [store.ErrWatchLagged] when a cursor with
// [store.WithoutCoalescing] fell behind, [ErrIndexNotFound] when the index was dropped
// of which the cursor has a value. Nil as long as there may be more, and after Close.
func (c *Cursor[T]) Err() error {
	if c.err == nil && c.stream.ended() != nil && c.caughtUp() {
		c.err = c.stream.ended()
	}
	return c.err
}

// Close releases what the store keeps for the cursor, and ends its loops: Changes and
// All yield nothing any more, not even the sync marker of a replay that is not complete.
// It does not wait for writers. Calling it again does nothing.
func (c *Cursor[T]) Close() {
	c.closed.Store(true)
	c.leave()
	c.signal()
}

// leave gives up what the store has of the cursor.
func (c *Cursor[T]) leave() {
	if d := c.digest.Swap(nil); d != nil {
		c.table.closeDigest(d)
	}
	if c.stream.hub.leave(c) {
		c.stream.deserted()
	}
}

// All yields events, and waits for more when there are none, until ctx ends, the cursor
// is closed, or there will be no more: [Cursor.Err] then says why. Who breaks off goes
// on with the next event at the next call of All or Changes.
func (c *Cursor[T]) All(ctx context.Context) iter.Seq[store.Event[T]] {
	return func(yield func(store.Event[T]) bool) {
		for {
			for event := range c.Changes() {
				if !yield(event) {
					return
				}
				if ctx.Err() != nil {
					return
				}
			}
			if c.closed.Load() || c.Err() != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-c.ready:
			}
		}
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
		for !c.closed.Load() && (c.gap || c.taken < len(c.batch) || c.fill()) {
			if c.gap {
				if c.gap = false; !yield(c.mark(store.EventTypeGap)) {
					return
				}
				continue
			}
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

// replayTo yields the rest of the replay and the marker behind it, and tells whether
// that is all of it.
func (c *Cursor[T]) replayTo(yield func(store.Event[T]) bool) bool {
	for n := 1; c.replay != nil; n++ {
		var v *version[T]
		if c.config.Wants(store.EventTypeCreate) {
			v = c.replay.next()
		}
		if c.closed.Load() {
			return false // it pins nothing any more: there may have been others
		}
		if v == nil {
			c.done, c.replay = c.replay.rev, nil
			break
		}
		if n%maxBatch == 0 {
			runtime.Gosched()
		}
		if !yield(c.event(step[T]{record: record[T]{version: v}})) {
			return false
		}
	}
	if c.synced {
		return true
	}
	c.synced = true
	return yield(c.mark(store.EventTypeSync))
}

// mark returns an event that is no change.
func (c *Cursor[T]) mark(t store.EventType) store.Event[T] {
	return store.Event[T]{Kind: c.stream.kind, EventType: t, Revision: c.done}
}

func (c *Cursor[T]) event(s step[T]) store.Event[T] {
	state := s.version.state.Load()
	e := store.Event[T]{
		Kind:      c.stream.kind,
		Name:      s.version.name,
		EventType: store.EventTypeCreate,
		Object:    s.version.value,
		Revision:  state >> flagBits,
		Coalesced: s.coalesced,
	}
	switch {
	case state&deleted != 0:
		e.EventType, e.Old = store.EventTypeDelete, e.Object
	case s.old != nil:
		e.EventType, e.Old = store.EventTypeUpdate, s.old.value
	}
	return e
}

// caughtUp tells whether everything published was delivered.
func (c *Cursor[T]) caughtUp() bool {
	return c.synced && c.replay == nil && c.taken == len(c.batch) && !c.behind()
}

// behind tells whether there is something after the cursor's position.
func (c *Cursor[T]) behind() bool {
	return c.digest.Load() != nil || c.stream.log.view().rev > c.pos.Load()
}

// fill takes the next batch. It returns false if there is none.
func (c *Cursor[T]) fill() bool {
	for c.err == nil && c.next() {
		if c.closed.Load() {
			c.batch = nil // what it pinned may have gone meanwhile
			return false
		}
		if len(c.batch) == 0 {
			c.done = c.pos.Load()
		}
		if c.gap || len(c.batch) > 0 {
			return true
		}
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
	w := c.stream.log.view()
	pos := c.pos.Load()
	switch {
	case w.rev <= pos:
		return false
	case pos >= w.block.low && c.move(c.follow(w, pos)):
		return true
	case c.config.EndOnLag:
		c.err = store.ErrWatchLagged
		c.batch = c.batch[:0]
		return false
	}
	c.gap = c.config.GapMarker
	c.batch = c.batch[:0]
	if c.table == nil {
		c.catchUp()
	} else {
		c.coalesce(pos)
	}
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
			return change.version.rev()
		}
	}
}

// move sets the cursor's position. It returns false if what it would pin there may have
// gone while it read.
func (c *Cursor[T]) move(rev uint64) bool {
	if c.table != nil {
		return c.table.move(c, rev)
	}
	c.pos.Store(rev)
	if n := len(c.batch); n > 0 {
		if c.known = c.batch[n-1].version; c.known.is(deleted) {
			c.known = nil
		}
	}
	return true
}

// coalesce begins to read a digest, instead of the log.
func (c *Cursor[T]) coalesce(pos uint64) {
	d := c.table.openDigest(pos)
	c.digested = d.after(pos)
	c.digest.Store(d)
	if c.closed.Load() {
		if c.digest.CompareAndSwap(d, nil) {
			c.table.closeDigest(d)
		}
		return
	}
	c.read(d)
}

// read sets the batch to the next changes of the digest. When there are none left the
// cursor has reached the digest's revision; until then it stays where it was, with that
// revision held by the digest.
func (c *Cursor[T]) read(d *digest[T]) {
	for pos := c.pos.Load(); c.digested < len(d.changed); c.digested++ {
		if len(c.batch) == maxBatch {
			return
		}
		if s, ok := d.changed[c.digested].slot.between(pos, d.pin.rev); ok {
			c.batch = append(c.batch, s)
		}
	}
	c.pos.Store(d.pin.rev)
	if c.digest.CompareAndSwap(d, nil) {
		c.table.closeDigest(d)
	}
}

// sleep has the cursor woken by the next change.
func (c *Cursor[T]) sleep() {
	if c.closed.Load() {
		return // Close has made Ready receive
	}
	if !c.asleep.Load() {
		// It is counted before it says so, and says so before it stops counting: so the
		// count is never too low, and a writer that finds it to be 0 wakes everybody.
		c.stream.hub.asleep.Add(1)
		hook(hookSleep)
		c.asleep.Store(true)
	}
	// A writer that did not see the cursor asleep has published its change before.
	if c.stream.ended() != nil || c.behind() {
		c.wake()
	}
}

// wake makes Ready receive, if the cursor sleeps.
func (c *Cursor[T]) wake() {
	if c.rouse() {
		c.signal()
	}
}

// rouse ends the cursor's sleep, and tells whether it slept.
func (c *Cursor[T]) rouse() bool {
	if !c.asleep.CompareAndSwap(true, false) {
		return false
	}
	c.stream.hub.asleep.Add(-1)
	return true
}

func (c *Cursor[T]) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
