package gomap

import (
	"iter"
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

	// Where the cursor is, for compaction; see compact.go.
	pos, next atomic.Uint64

	replay view[T] // the content to be replayed, and
	played int     // how much of it was
	synced bool    // the sync marker was delivered, or is not wanted
	batch  []step[T]
	taken  int    // how much of the batch was delivered
	done   uint64 // the revision up to which everything was delivered
}

// step is one change for this cursor's reader.
type step[T any] struct {
	version, old *version[T] // old only for an update
	eventType    store.EventType
	coalesced    bool
}

// maxBatch bounds the steps that a cursor takes from the log at a time, where
// it may stop at any version. It limits the memory that the batch keeps alive.
const maxBatch = 512

// Cursor returns a cursor over a kind's changes from now on, or with
// [store.WithInitialReplay] over its content and then its changes.
func (s *MemStore[T]) Cursor(kind string, opts ...store.WatchOption[T]) (*Cursor[T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	config, err := store.NewWatchConfig(opts...)
	if err != nil {
		return nil, err
	}
	t, err := s.table(kind)
	if err != nil {
		return nil, err
	}
	c := &Cursor[T]{table: t, config: config, ready: make(chan struct{}, 1), synced: !config.SyncMarker}
	if err := t.join(c); err != nil {
		return nil, err
	}
	return c, nil
}

// join begins a cursor at the kind's present state. It holds up the writer so
// that no compaction runs until the cursor's position is known.
func (t *table[T]) join(c *Cursor[T]) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return store.ErrClosed
	}
	w := t.view()
	c.pos.Store(w.rev)
	c.next.Store(w.rev)
	if c.config.InitialReplay {
		c.replay = w
	} else {
		c.done = w.rev
	}
	t.hub.join(c)
	c.wake()
	return nil
}

// Ready returns a channel that receives when Changes may have something new: at
// the beginning, after a change, and when the store is closed.
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
func (c *Cursor[T]) Close() { c.table.hub.leave(c) }

// Changes yields what there is to be read: the rest of the replay, then change
// after change until there is none. It does not block. A reader that breaks off
// goes on with the next event at the next call.
func (c *Cursor[T]) Changes() iter.Seq[store.Event[T]] {
	return func(yield func(store.Event[T]) bool) {
		for c.played < c.replay.length {
			v := c.replay.at(c.played)
			c.played++
			if v.heldAt(c.replay.rev) && c.config.Wants(store.EventTypeCreate) && !yield(c.event(step[T]{version: v, eventType: store.EventTypeCreate})) {
				return
			}
		}
		if c.config.InitialReplay && c.replay.block != nil {
			c.done = c.replay.rev
			c.replay, c.played = view[T]{}, 0
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
			if c.config.Wants(s.eventType) && !yield(c.event(s)) {
				return
			}
		}
	}
}

func (c *Cursor[T]) event(s step[T]) store.Event[T] {
	e := store.Event[T]{
		Kind:      c.table.kind,
		Name:      s.version.key(),
		EventType: s.eventType,
		Object:    s.version.value,
		Revision:  s.version.rev,
		Coalesced: s.coalesced,
	}
	switch {
	case s.eventType == store.EventTypeDelete:
		e.Old = e.Object
	case s.old != nil:
		e.Old = s.old.value
	}
	return e
}

// caughtUp tells whether everything published was delivered.
func (c *Cursor[T]) caughtUp() bool {
	return c.synced && c.replay.block == nil && c.taken == len(c.batch) && c.table.view().rev == c.pos.Load()
}

// fill takes the next batch from the log, by the protocol in compact.go. It
// returns false if there is none.
func (c *Cursor[T]) fill() bool {
	if c.err != nil {
		return false
	}
	t := c.table
	for {
		compactions := t.compactions.Load()
		if compactions%2 == 1 {
			t.mu.Lock()   // until the compaction is over
			t.mu.Unlock() //nolint:staticcheck // nothing is to be done while holding it
			continue
		}
		w := t.view()
		pos := c.pos.Load()
		if w.rev == pos {
			return false
		}
		lagged := pos < w.block.floor
		next := w.rev
		if lagged {
			c.coalesce(w, pos)
		} else {
			next = c.follow(w, pos)
		}
		c.next.Store(next)
		if t.compactions.Load() != compactions {
			continue
		}
		if lagged && c.config.EndOnLag {
			c.err = store.ErrWatchLagged
			return false
		}
		c.pos.Store(next)
		c.taken = 0
		if len(c.batch) > 0 {
			return true
		}
		c.done = next
	}
}

// follow sets the batch to the next versions after pos, one by one, and returns
// the revision up to which they lead.
func (c *Cursor[T]) follow(w view[T], pos uint64) (next uint64) {
	c.batch = c.batch[:0]
	for i := w.after(pos); i < w.length; i++ {
		v := w.at(i)
		s := step[T]{version: v, eventType: store.EventTypeUpdate}
		switch {
		case v.deleted:
			s.eventType = store.EventTypeDelete
		case v.born == v.rev:
			s.eventType = store.EventTypeCreate
		default:
			s.old = v.prev.Load()
		}
		c.batch = append(c.batch, s)
		if len(c.batch) == maxBatch {
			return v.rev
		}
	}
	return w.rev
}

// coalesce sets the batch to what leads from the state at pos to the state of w.
func (c *Cursor[T]) coalesce(w view[T], pos uint64) {
	c.batch = c.batch[:0]
	for i := w.after(pos); i < w.length; i++ {
		v := w.at(i)
		s := step[T]{version: v, coalesced: v.before > pos}
		known := v.born <= pos
		switch {
		case v.deleted && known:
			s.eventType = store.EventTypeDelete
		case v.deleted || !v.heldAt(w.rev):
			continue
		case known:
			s.eventType = store.EventTypeUpdate
			for s.old = v.prev.Load(); s.old != nil && s.old.rev > pos; {
				s.old = s.old.prev.Load()
			}
		default:
			s.eventType = store.EventTypeCreate
		}
		c.batch = append(c.batch, s)
	}
}

// wake makes Ready receive.
func (c *Cursor[T]) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
