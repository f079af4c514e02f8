package gomap_test

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// taskKeys is how many keys the writers of these tests use.
const taskKeys = 150

// scribble writes at random.
func scribble(t *testing.T, s *gomap.MemStore[*task], r interface{ IntN(int) int }, writes int) {
	t.Helper()
	for range writes {
		key := fmt.Sprint(r.IntN(taskKeys))
		var err error
		switch r.IntN(6) {
		case 0, 1:
			_, _, err = s.Delete("tasks", key)
		case 2:
			err = s.SetAll("tasks", map[string]*task{key: {Serial: r.IntN(1e9)}, fmt.Sprint(r.IntN(taskKeys)): {Serial: r.IntN(1e9)}})
		default:
			_, err = s.Set("tasks", key, &task{Serial: r.IntN(1e9)})
		}
		must(t, err)
	}
}

// settled checks that a replica has become the store's content.
func settled(t *testing.T, what string, have replica, s *gomap.MemStore[*task]) {
	t.Helper()
	now, err := s.List("tasks")
	must(t, err)
	if !maps.Equal(have, now) {
		t.Fatalf("%s: the reader has %d objects, the store %d", what, len(have), len(now))
	}
}

// The content of a snapshot and what its cursor yields lead to the content of the store,
// however old the snapshot is; with a replay, the snapshot's content comes first.
func TestResumeModel(t *testing.T) {
	r := seeded(t)
	for round := range 60 {
		s := newTasks(t)
		scribble(t, s, r, r.IntN(400))
		snap, err := s.Snapshot("tasks")
		must(t, err)
		content := maps.Collect(snap.All())
		since := []int{0, 1, 20, 300, 3000}[round%5]
		scribble(t, s, r, since)
		opts := []store.WatchOption[*task]{store.WithBufferSize[*task](r.IntN(100)), store.WithSyncMarker[*task]()}
		have := replica(maps.Clone(content))
		replay := r.IntN(2) == 0
		if replay {
			opts, have = append(opts, store.WithInitialReplay[*task]()), replica{}
		}
		c, err := snap.Cursor(opts...)
		must(t, err)
		t.Cleanup(c.Close)
		<-c.Ready()
		last, synced := uint64(0), false
		for e := range c.Changes() {
			if e.EventType == store.EventTypeSync {
				if synced || e.Revision != snap.Revision() || !maps.Equal(have, content) {
					t.Fatalf("round %d: sync marker at %d with %d objects, the snapshot is at %d with %d",
						round, e.Revision, len(have), snap.Revision(), len(content))
				}
				synced = true
				continue
			}
			if e.Revision <= last || !synced != (e.Revision <= snap.Revision()) {
				t.Fatalf("round %d: %s of %s at revision %d after %d, the snapshot is at %d", round, e.EventType, e.Name, e.Revision, last, snap.Revision())
			}
			last = e.Revision
			must(t, have.apply(e))
		}
		if !synced {
			t.Fatalf("round %d: no sync marker", round)
		}
		settled(t, "what was written before", have, s)

		// From there on it is a cursor as any other, in step and far behind.
		for _, writes := range []int{1, 50, 2000} {
			scribble(t, s, r, writes)
			_, err := have.readAll(c)
			must(t, err)
			settled(t, fmt.Sprint("after ", writes, " more"), have, s)
		}
	}
}

// As long as the log has what was written since, the reader gets every change; after that
// it gets one for each key, marked, and each is right in itself.
func TestResumeTellsEverythingOrOnce(t *testing.T) {
	s := newTasks(t)
	set := func(key string, serial int) {
		t.Helper()
		_, err := s.Set("tasks", key, &task{Serial: serial})
		must(t, err)
	}
	remove := func(key string) {
		t.Helper()
		_, _, err := s.Delete("tasks", key)
		must(t, err)
	}
	for i, key := range []string{"same", "updated", "deleted", "again"} {
		set(key, i)
	}
	snap, err := s.Snapshot("tasks")
	must(t, err)
	read := func() (events []store.Event[*task]) {
		t.Helper()
		c, err := snap.Cursor()
		must(t, err)
		defer c.Close()
		have := replica(maps.Collect(snap.All()))
		events, err = have.readAll(c)
		must(t, err)
		settled(t, "the events", have, s)
		return events
	}
	set("updated", 10)
	set("updated", 11)
	remove("deleted")
	remove("again")
	set("again", 12)
	set("again", 13)
	set("new", 14)
	set("passing", 15)
	remove("passing")
	events := read()
	wantKeys(t, "all in the log", told(events), "update updated 10 was 1", "update updated 11 was 10", "delete deleted 2", "delete again 3",
		"create again 12", "update again 13 was 12", "create new 14", "create passing 15", "delete passing 15")
	for _, e := range events {
		if e.Coalesced {
			t.Errorf("%+v is marked", e)
		}
	}

	c, err := snap.Cursor(store.WithoutCoalescing[*task]())
	must(t, err)
	c.Close()

	for i := range 5000 { // until nothing of it is left in the log
		set("noise", i)
	}
	remove("noise")
	set("last", 16)
	wantKeys(t, "after the log has moved on", told(read()), "update updated 11 was 1", "delete deleted 2", "delete again 3",
		"create again 13", "create new 14", "create last 16")
	for _, e := range read() {
		several := e.Name == "updated" || e.Name == "again" && e.EventType == store.EventTypeCreate
		if e.Coalesced != several {
			t.Errorf("%s of %s is marked: %t, stands for several changes: %t", e.EventType, e.Name, e.Coalesced, several)
		}
	}

	// Who does not want anything skipped is told so.
	if _, err := snap.Cursor(store.WithoutCoalescing[*task]()); !errors.Is(err, store.ErrWatchLagged) {
		t.Errorf("Cursor without coalescing: %v", err)
	}
	if _, _, err := snap.Watch(store.WithoutCoalescing[*task]()); !errors.Is(err, store.ErrWatchLagged) {
		t.Errorf("Watch without coalescing: %v", err)
	}
}

// A snapshot of a kind that did not exist is one of an empty kind.
func TestResumeFromNothing(t *testing.T) {
	for _, writes := range []int{0, 10, 5000} {
		s := gomap.NewMemStore(store.StoreOptions[*task]{})
		t.Cleanup(func() { _ = s.Close() })
		snap, err := s.Snapshot("tasks")
		must(t, err)
		scribble(t, s, seeded(t), writes)
		c, err := snap.Cursor(store.WithInitialReplay[*task](), store.WithSyncMarker[*task]())
		must(t, err)
		t.Cleanup(c.Close)
		have := replica{}
		events, err := have.readAll(c)
		must(t, err)
		if events[0].EventType != store.EventTypeSync || events[0].Revision != 0 {
			t.Errorf("the first event is %+v", events[0])
		}
		settled(t, "the events", have, s)
	}
}

// Many snapshots are taken and followed beside writers; each reader ends up with the
// content of the store, and was told the exact value that it had with every change.
func TestResumeBesideWriters(t *testing.T) {
	const writers, readers, writes = 3, 4, 3000
	r := seeded(t)
	s := newTasks(t)
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for range writers {
		seed := r.Uint64()
		writing.Go(func() {
			for n := range writes {
				key := fmt.Sprint((seed + uint64(n)*7) % taskKeys)
				var err error
				if n%5 == 0 {
					_, _, err = s.Delete("tasks", key)
				} else {
					_, err = s.Set("tasks", key, &task{Serial: n})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	// follow reads from a snapshot that is some changes old until the writers are done.
	follow := func(age uint64) error {
		snap, err := s.Snapshot("tasks")
		if err != nil {
			return err
		}
		defer snap.Close()
		for now := snap; now.Revision() < snap.Revision()+age; {
			select {
			case <-done:
				age = 0
			default:
			}
			if now, err = s.Snapshot("tasks"); err != nil {
				return err
			}
			now.Close() // its revision is all that is wanted
		}
		c, err := snap.Cursor(store.WithBufferSize[*task](10))
		if err != nil {
			return err
		}
		defer c.Close()
		have := replica(maps.Collect(snap.All()))
		for range 10 {
			select {
			case <-c.Ready():
				if _, err := have.readAll(c); err != nil {
					return err
				}
				continue
			case <-done:
			}
			if _, err := have.readAll(c); err != nil {
				return err
			}
			now, err := s.List("tasks")
			if err == nil && !maps.Equal(have, now) {
				err = fmt.Errorf("the reader has %d objects, the store %d", len(have), len(now))
			}
			return err
		}
		return nil
	}
	for i := range readers {
		reading.Go(func() {
			for left := false; !left; {
				select {
				case <-done:
					left = true // after once more
				default:
				}
				if err := follow([]uint64{0, 10, 200, 2000}[i]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
}

// A watch from a snapshot is one over a channel, and ends with the store.
func TestResumeWatch(t *testing.T) {
	r := seeded(t)
	for _, writes := range []int{20, 5000} {
		s := newTasks(t)
		scribble(t, s, r, 100)
		snap, err := s.Snapshot("tasks")
		must(t, err)
		scribble(t, s, r, writes)
		events, cancel, err := snap.Watch(store.WithInitialReplay[*task]())
		must(t, err)
		t.Cleanup(cancel)
		last := &task{}
		_, err = s.Set("tasks", "last", last)
		must(t, err)
		have := replica{}
		for e := range events {
			must(t, have.apply(*e))
			if e.Object == last {
				break
			}
		}
		settled(t, "the events", have, s)
		must(t, s.Close())
		for e := range events {
			t.Errorf("an event after the last: %+v", e)
		}
		if _, _, err := snap.Watch(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("Watch of a closed store: %v", err)
		}
		if _, err := snap.Cursor(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("Cursor of a closed store: %v", err)
		}
	}
}

func TestResumeMisuse(t *testing.T) {
	s := newTasks(t)
	snap, err := s.Snapshot("tasks")
	must(t, err)
	for what, option := range map[string]store.WatchOption[*task]{
		"key":             store.WithKey[*task]("a"),
		"index value":     store.WithIndexValue[*task]("place", "x"),
		"negative buffer": store.WithBufferSize[*task](-1),
	} {
		if _, err := snap.Cursor(option); !errors.Is(err, store.ErrInvalidOption) {
			t.Errorf("Cursor, %s: %v", what, err)
		}
		if _, _, err := snap.Watch(option); !errors.Is(err, store.ErrInvalidOption) {
			t.Errorf("Watch, %s: %v", what, err)
		}
	}
	c, err := snap.Cursor(nil)
	must(t, err)
	c.Close()
}
