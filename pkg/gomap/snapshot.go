package gomap

import (
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/larder-dev/larder/pkg/store"
)

// Snapshot is a kind as it was at one revision. It stays so for as long as it is
// kept, whatever is written, and keeps the values that it holds in memory. After Close
// they go with the next writes; without Close, some time after the snapshot was dropped.
// That is good enough for a snapshot now and then, but not for many a second.
//
// All methods are safe for concurrent use.
type Snapshot[T any] struct {
	store *engine[T]
	table *table[T] // nil if the kind did not exist
	kind  string
	rev   uint64 // pinned
	keys  int
	close func()
}

// Snapshot returns a kind as it is now, in O(1) time. It does not wait for writers.
func (s *engine[T]) Snapshot(kind string) (*Snapshot[T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	t := s.kinds.lookup(kind)
	snap := &Snapshot[T]{store: s, kind: kind, table: t, close: func() {}}
	if t == nil {
		return snap, nil
	}
	w, hold := t.hold()
	snap.rev, snap.keys = w.rev, w.keys
	// A cleanup that is about to run cannot be stopped any more: then both let go.
	letGo := sync.OnceFunc(func() { t.letGo(hold) })
	dropped := runtime.AddCleanup(snap, func(letGo func()) { letGo() }, letGo)
	snap.close = func() {
		dropped.Stop()
		letGo()
	}
	return snap, nil
}

// Close releases what the snapshot keeps. After it no other method may be called; loops
// over what they returned must have ended. Calling it again does nothing.
func (s *Snapshot[T]) Close() { s.close() }

// letGo releases the hold of a snapshot, and lets go some of what it alone has kept. The
// rest is for the next writes; all is, if there is a writer already, or there are so
// many snapshots that to look at them for each would take long.
func (t *table[T]) letGo(hold pin) {
	hold.release()
	if t.holds.count() > manySnapshots || !t.mu.TryLock() {
		return
	}
	defer t.unlock()
	t.look(keepsakesAtOnce)
}

const (
	manySnapshots   = 64
	keepsakesAtOnce = 2048 // so that no writer waits for long
)

// Revision returns the revision of the kind's newest change in the snapshot, 0
// if there was none. It is one that a [Cursor] at the same state has.
func (s *Snapshot[T]) Revision() uint64 { return s.rev }

// Len returns the number of keys.
func (s *Snapshot[T]) Len() int { return s.keys }

// All yields the keys and values in no particular order.
func (s *Snapshot[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		defer runtime.KeepAlive(s)
		if s.table != nil {
			objectsAt(s.table.content.view(), s.rev)(yield)
		}
	}
}

// ByIndex yields the keys and values that an index has under a value, in no
// particular order. If the index was added after the snapshot was taken, its function
// runs on every object. An unknown index is [ErrIndexNotFound].
func (s *Snapshot[T]) ByIndex(name, value string) (iter.Seq2[string, T], error) {
	return s.Select(Is(name, value))
}

// Cursor returns a cursor that begins exactly at the snapshot: it yields what was
// written since, however long ago the snapshot was taken. With
// [store.WithInitialReplay] it yields the snapshot's content first. What the log no
// longer holds is coalesced, at the cost of a look at every key. A part of a kind
// cannot be asked for.
func (s *Snapshot[T]) Cursor(opts ...store.WatchOption[T]) (*Cursor[T], error) {
	defer runtime.KeepAlive(s)
	return s.store.begin(s.kind, opts, func(t *table[T], c *Cursor[T]) error {
		if c.config.Part != nil {
			return fmt.Errorf("%w: a cursor from a snapshot is of the whole kind", store.ErrInvalidOption)
		}
		// The snapshot holds the revision, unless the kind was empty then and forgotten
		// since: then nothing of that time is left to be kept.
		if err := t.join(c, s.rev); err != nil {
			return err
		}
		if c.config.EndOnLag && s.rev < t.log.view().block.low {
			c.leave()
			return store.ErrWatchLagged
		}
		return nil
	})
}

// Watch is [MemStore.Watch] from the snapshot on, as [Snapshot.Cursor] is.
func (s *Snapshot[T]) Watch(opts ...store.WatchOption[T]) (<-chan *store.Event[T], func(), error) {
	return watch(func() (*Cursor[T], error) { return s.Cursor(opts...) }, boxed[T])
}
