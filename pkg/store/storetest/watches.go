package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

func testWatch(t *testing.T, open Open) {
	s := newStore(t, open)
	set(t, s, "before", 0)
	w := watch(t, s)
	set(t, s, "a", 1)
	set(t, s, "a", 2)
	_, err := s.SetFn(kind, "a", func(v Value) (Value, error) { v.N++; return v, nil })
	noError(t, err)
	_, _, err = s.Delete(kind, "a")
	noError(t, err)
	w.expect("create a", "update a", "update a")
	e := w.next()
	equal(t, "type", e.EventType, store.EventTypeDelete)
	equal(t, "object of a delete", e.Object, Value{N: 3})
	equal(t, "type as text", fmt.Sprint(store.EventTypeCreate, store.EventTypeUpdate, store.EventTypeDelete), fmt.Sprint("create", "update", "delete"))
}

func testWatchEventTypes(t *testing.T, open Open) {
	s := newStore(t, open)
	set(t, s, "a", 0)
	events, cancel, err := s.Watch(kind, store.WithEventTypes[Value](store.EventTypeUpdate), store.WithEventTypes[Value](store.EventTypeDelete),
		store.WithInitialReplay[Value](), store.WithSyncMarker[Value]())
	noError(t, err)
	defer cancel()
	set(t, s, "a", 1)
	set(t, s, "b", 1)
	_, _, err = s.Delete(kind, "a")
	noError(t, err)
	for _, want := range []store.EventType{store.EventTypeSync, store.EventTypeUpdate, store.EventTypeDelete} {
		equal(t, "event type", (<-events).EventType, want)
	}
}

func testWatchOptions(t *testing.T, open Open) {
	s := newStore(t, open)
	_, _, err := s.Watch(kind, store.WithBufferSize[Value](-1))
	isError(t, "negative buffer", err, store.ErrInvalidOption)
	_, _, err = s.Watch(kind, store.WithEventTypes[Value]("upsert"))
	isError(t, "unknown event type", err, store.ErrInvalidOption)
	_, _, err = s.Watch(kind, store.WithBacklog[Value](-1))
	isError(t, "negative backlog", err, store.ErrInvalidOption)
	_, _, err = s.Watch(kind, store.WithKey[Value]("a"), store.WithIndexValue[Value]("index", "a"))
	isError(t, "a key and an index value", err, store.ErrInvalidOption)
	_, _, err = s.Watch(kind, store.WithIndexValue[Value]("", "a"))
	isError(t, "no index", err, store.ErrInvalidOption)

	unbuffered := watch(t, s, nil, store.WithBufferSize[Value](0), store.WithSyncMarker[Value]())
	equal(t, "revision of an empty kind", unbuffered.untilSync(), 0)
	set(t, s, "a", 1)
	unbuffered.expect("create a")
}

func testWatchReplay(t *testing.T, open Open) {
	s := newStore(t, open)
	for i := range 10 {
		set(t, s, fmt.Sprint(i), i)
	}
	_, _, err := s.Delete(kind, "3")
	noError(t, err)
	set(t, s, "4", 40)

	// By default the stream holds no marker.
	plain := watch(t, s, store.WithInitialReplay[Value]())
	want := list(t, s)
	for range want {
		equal(t, "type in a replay", plain.next().EventType, store.EventTypeCreate)
	}
	plain.equals(want)
	set(t, s, "live", 1)
	plain.expect("create live")

	// The marker's revision is that of the snapshot: later changes are above it.
	marked := watch(t, s, store.WithInitialReplay[Value](), store.WithSyncMarker[Value]())
	set(t, s, "later", 1)
	revision := marked.untilSync()
	equal(t, "the marker's revision", revision, marked.revision)
	if e := marked.untilKey("later"); e.Revision <= revision {
		t.Fatalf("a change after the replay has revision %d, not above %d", e.Revision, revision)
	}
}

// A replay does not count against the buffer: nothing is coalesced or lost.
func testWatchReplayMany(t *testing.T, open Open) {
	s := newStore(t, open)
	const keys = 100_000
	values := make(map[string]Value, keys)
	for i := range keys {
		values[fmt.Sprint(i)] = Value{N: i}
	}
	noError(t, s.SetAll(kind, values))
	w := watch(t, s, store.WithInitialReplay[Value](), store.WithBufferSize[Value](1), store.WithSyncMarker[Value]())
	// No write waits for the replay that nobody reads.
	set(t, s, "0", -1)
	w.untilSync()
	equal(t, "events in the replay", w.seen, keys)
	equal(t, "coalesced events in the replay", w.coalesced, 0)
	w.equals(values)
	w.expect("update 0")
}

// A consumer that is no more than its buffer behind misses nothing.
func testWatchExact(t *testing.T, open Open) {
	s := newStore(t, open)
	const buffer = 100
	w := watch(t, s, store.WithBufferSize[Value](buffer))
	other := watch(t, s, store.WithBufferSize[Value](0)) // further behind than its own
	n := 0
	for range 50 {
		for range buffer {
			n++
			set(t, s, "a", n)
		}
		for range buffer {
			w.next()
		}
	}
	equal(t, "events", w.seen, n)
	equal(t, "coalesced events", w.coalesced, 0)
	w.equals(list(t, s))
	set(t, s, "end", 0)
	other.untilKey("end")
	other.equals(list(t, s))
}

// A consumer that stalls converges, and what it is not told of is bounded: it
// gets each key once or so, not once for every write.
func testWatchStalls(t *testing.T, open Open) {
	s := newStore(t, open)
	const keys, writes = 100, 100_000
	for i := range keys {
		set(t, s, fmt.Sprint(i), 0)
	}
	w := watch(t, s, store.WithInitialReplay[Value](), store.WithBufferSize[Value](10))
	w.next()
	for i := range writes {
		key := fmt.Sprint(i % keys)
		if i%7 == 3 {
			_, _, err := s.Delete(kind, key)
			noError(t, err)
		} else {
			set(t, s, key, i+1)
		}
		// Keys that come and go while nobody looks.
		if i%5 == 0 {
			passing := fmt.Sprintf("passing-%d", i)
			set(t, s, passing, i)
			_, _, err := s.Delete(kind, passing)
			noError(t, err)
		}
	}
	set(t, s, "end", 0)
	w.untilKey("end")
	w.equals(list(t, s))
	if w.coalesced == 0 || w.seen > writes/4 {
		t.Fatalf("%d events, %d coalesced, for %d writes to %d keys", w.seen, w.coalesced, writes, keys)
	}
}

// The deletion of a key that the watcher knew is never suppressed, also when the
// key is there again.
func testWatchRebirth(t *testing.T, open Open) {
	s := newStore(t, open)
	set(t, s, "a", 1)
	set(t, s, "b", 1)
	w := watch(t, s, store.WithInitialReplay[Value](), store.WithBufferSize[Value](1), store.WithSyncMarker[Value]())
	w.untilSync()
	// Fill the channel and what is on the way to it.
	for i := range 10_000 {
		set(t, s, "noise", i+1)
	}
	for i := range 1000 {
		_, _, err := s.Delete(kind, "a")
		noError(t, err)
		set(t, s, "a", i+2)
	}
	_, _, err := s.Delete(kind, "b")
	noError(t, err)
	for i := range 10_000 {
		set(t, s, "noise", -i-1)
	}
	set(t, s, "end", 0)
	var deletedA, deletedB bool
	for {
		e := w.next()
		deletedA = deletedA || e.Name == "a" && e.EventType == store.EventTypeDelete
		deletedB = deletedB || e.Name == "b" && e.EventType == store.EventTypeDelete
		if e.Name == "end" {
			break
		}
	}
	equal(t, "deletion of a key that is there again was reported", deletedA, true)
	equal(t, "deletion of a key that is gone was reported", deletedB, true)
	w.equals(list(t, s))
}

func testWatchWithoutCoalescing(t *testing.T, open Open) {
	s := newStore(t, open)
	w := watch(t, s, store.WithoutCoalescing[Value](), store.WithBufferSize[Value](10), store.WithEventTypes[Value](store.EventTypeUpdate))
	for i := range 100_000 {
		set(t, s, "a", i+1)
	}
	last := 1 // the create, which it did not ask for
	for e := range w.events {
		if e.EventType == store.EventTypeError {
			isError(t, "the last event", e.Err, store.ErrWatchLagged)
			if _, open := <-w.events; open {
				t.Fatal("an event after the terminal error")
			}
			if last == 100_000 {
				t.Fatal("the watch ended though it missed nothing")
			}
			return
		}
		last++
		equal(t, "value", e.Object.N, last)
	}
	t.Fatal("the channel was closed without an error event")
}

func testWatchMany(t *testing.T, open Open) {
	s := newStore(t, open)
	const watchers, writes = 1000, 50
	observers := make([]*observer, watchers)
	for i := range observers {
		observers[i] = watch(t, s, store.WithInitialReplay[Value](), store.WithBufferSize[Value](4))
	}
	for i := range writes {
		set(t, s, fmt.Sprint(i%7), i)
	}
	set(t, s, "end", 0)
	want := list(t, s)
	for _, o := range observers {
		o.untilKey("end")
		o.equals(want)
	}
}

func testWatchConcurrentWriters(t *testing.T, open Open) {
	s := newStore(t, open)
	const writers, writes = 8, 2000
	w := watch(t, s, store.WithBufferSize[Value](writers*writes+1))
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range writes {
				if _, err := s.Set(kind, fmt.Sprint(i), Value{N: n}); err != nil {
					t.Errorf("Set: %v", err)
				}
			}
		})
	}
	wg.Wait()
	// Within the buffer: every write is there, each writer's in its order (which
	// the observer checks by the old values).
	for range writers * writes {
		w.next()
	}
	equal(t, "coalesced", w.coalesced, 0)
	w.equals(list(t, s))
}

func testWatchCancel(t *testing.T, open Open) {
	s := newStore(t, open)
	for i := range 100 {
		set(t, s, fmt.Sprint(i), i)
	}
	// In the middle of a replay, with a full channel, and idle.
	for _, opts := range [][]store.WatchOption[Value]{
		{store.WithInitialReplay[Value](), store.WithBufferSize[Value](1)},
		{store.WithInitialReplay[Value](), store.WithBufferSize[Value](0)},
		{},
	} {
		w := watch(t, s, opts...)
		w.cancel()
		w.cancel()
		for range w.events {
		}
	}
	// From several goroutines at once, and from the consumer itself.
	w := watch(t, s, store.WithInitialReplay[Value]())
	w.next()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(w.cancel)
	}
	w.cancel()
	wg.Wait()
	for range w.events {
	}
	// A cancelled watch leaves the others alone.
	other := watch(t, s)
	set(t, s, "a", 1)
	other.expect("create a")
}

func testWatchClose(t *testing.T, open Open) {
	s := open(store.StoreOptions[Value]{})
	idle := watch(t, s)
	stalled := watch(t, s, store.WithBufferSize[Value](0))
	reading := watch(t, s, store.WithBufferSize[Value](100))
	for i := range 100 {
		set(t, s, fmt.Sprint(i), i)
	}
	// What is in a channel when the store is closed is still there to be read.
	for range 100 {
		reading.next()
	}
	noError(t, s.Close())
	for range idle.events {
	}
	for range stalled.events {
	}
	if e := reading.next(); e != nil {
		t.Fatalf("an event after Close: %+v", *e)
	}
	idle.cancel()
	idle.cancel()
}

// A consumer may call any method of the store for every event.
func testWatchCallsBack(t *testing.T, open Open) {
	s := newStore(t, open)
	w := watch(t, s, store.WithBufferSize[Value](0))
	const keys = 100
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range keys {
			e := w.untilKeyPrefix("in-")
			if _, err := s.Set(kind, "out-"+e.Name, e.Object); err != nil {
				t.Errorf("Set: %v", err)
			}
			if _, err := s.List(kind); err != nil {
				t.Errorf("List: %v", err)
			}
			inner, cancel, err := s.Watch(kind, store.WithInitialReplay[Value]())
			if err != nil {
				t.Errorf("Watch: %v", err)
				return
			}
			<-inner
			cancel()
		}
	}()
	for i := range keys {
		set(t, s, fmt.Sprintf("in-%d", i), i)
	}
	<-done
	n, err := s.Count(kind)
	noError(t, err)
	equal(t, "keys", n, 2*keys)
}

// untilKeyPrefix reads up to an event of a key with a prefix.
func (o *observer) untilKeyPrefix(prefix string) *store.Event[Value] {
	for {
		e := o.next()
		if e == nil || strings.HasPrefix(e.Name, prefix) {
			return e
		}
	}
}
