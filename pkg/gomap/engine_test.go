package gomap_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// Four keys are there all the time, and move in an index: no reader ever misses one.
func TestGetNeverMisses(t *testing.T) {
	s := gomap.NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	must(t, s.AddIndex("numbers", "parity", func(_ string, n int) ([]string, error) { return []string{fmt.Sprint(n % 2)}, nil }))
	keys := []string{"a", "b", "c", "d"}
	for i, key := range keys {
		_, err := s.Set("numbers", key, i)
		must(t, err)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if _, ok, err := s.Get("numbers", keys[i%4]); !ok || err != nil {
					t.Errorf("%s is not there: %v", keys[i%4], err)
					return
				}
			}
		})
	}
	for i := range 100_000 {
		_, err := s.Set("numbers", keys[i%4], i/4+i%2)
		must(t, err)
	}
	close(done)
	wg.Wait()
}

// badPacked is a packed value of which a method panics.
type badPacked struct{ jsonPacked }

func (badPacked) Size() int { panic("no size") }

// sound checks that the reads of a kind agree with each other.
func sound(t *testing.T, what string, s store.Store[*note], want ...string) {
	t.Helper()
	count, err := s.Count("notes")
	must(t, err)
	keys, err := s.Keys("notes")
	must(t, err)
	list, err := s.List("notes")
	must(t, err)
	if !slices.Equal(keys, want) || count != len(want) || len(list) != len(want) {
		t.Errorf("%s: %d keys are counted, %v found, %d listed; want %v", what, count, keys, len(list), want)
	}
	for _, key := range want {
		if _, ok, err := s.Get("notes", key); !ok || err != nil {
			t.Errorf("%s: %s is not there: %v", what, key, err)
		}
	}
}

// What fails in a write, by an error or a panic, whoever raises it, leaves nothing of the
// write, now and after the next one.
func TestFailedWritesLeaveNothing(t *testing.T) {
	panics := func(write func() error) func() error {
		return func() (err error) {
			defer func() {
				if recover() == nil {
					err = errors.New("no panic")
				}
			}()
			return write()
		}
	}
	fails := func(write func() error) func() error {
		return func() error {
			if write() == nil {
				return errors.New("no error")
			}
			return nil
		}
	}
	var compare, index func()
	s := newPacked(t, gomap.PackedOptions[*note]{StoreOptions: store.StoreOptions[*note]{CompareFn: func(a, b *note) bool {
		if compare != nil && b.N == -1 {
			compare()
		}
		return a.N == b.N
	}}})
	must(t, s.AddIndex("notes", "index", func(_ string, n *note) ([]string, error) {
		if index != nil && n.N == -1 {
			index()
		}
		return []string{n.Text}, nil
	}))
	for _, key := range []string{"a", "b", "c"} {
		_, err := s.Set("notes", key, &note{Text: key})
		must(t, err)
	}
	good, err := jsonCodec[*note]{}.Encode(&note{N: 7})
	must(t, err)
	compare = func() { panic("compare") }
	events, cancel, err := s.Watch("notes")
	must(t, err)
	defer cancel()
	for what, write := range map[string]func() error{
		"a nil Packed in ReplacePacked": fails(func() error {
			return s.ReplacePacked("notes", map[string]store.Packed{"a": good, "d": nil})
		}),
		"a nil pointer as Packed": fails(func() error {
			return s.ReplacePacked("notes", map[string]store.Packed{"a": good, "d": (*badPacked)(nil)})
		}),
		"a Packed whose Size panics": fails(func() error {
			return s.ReplacePacked("notes", map[string]store.Packed{"a": good, "d": badPacked{}})
		}),
		"a nil Packed in SetPacked":     fails(func() error { _, err := s.SetPacked("notes", "a", nil); return err }),
		"a panic of Size in SetPacked":  fails(func() error { _, err := s.SetPacked("notes", "a", badPacked{}); return err }),
		"a panic of Size in the delete": fails(func() error { _, err := s.DeletePacked("notes", "a", badPacked{}); return err }),
		"a panic of CompareFn in Set":   panics(func() error { _, err := s.Set("notes", "a", &note{N: -1}); return err }),
		"a panic of CompareFn in Replace": panics(func() error {
			return s.Replace("notes", map[string]*note{"0": {N: 1}, "b": {N: -1}})
		}),
		"a panic in SetFn": panics(func() error {
			_, err := s.SetFn("notes", "a", func(*note) (*note, error) { panic("SetFn") })
			return err
		}),
		"a panic in Compute": panics(func() error {
			_, _, err := s.Compute("notes", "d", func(*note, bool) (*note, store.Op, error) { panic("Compute") })
			return err
		}),
		"an operation that there is not": fails(func() error {
			_, _, err := s.Compute("notes", "d", func(*note, bool) (*note, store.Op, error) { return &note{}, 17, nil })
			return err
		}),
		"a panic in DeleteIf": panics(func() error {
			_, _, err := s.DeleteIf("notes", "a", func(*note) bool { panic("DeleteIf") })
			return err
		}),
	} {
		if err := write(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		sound(t, "after "+what, s, "a", "b", "c")
	}
	var encodeError *gomap.EncodeError
	if _, err := s.SetPacked("notes", "a", nil); !errors.Is(err, gomap.ErrNilPacked) || !errors.As(err, &encodeError) || encodeError.Name != "a" {
		t.Errorf("a nil Packed: %v", err)
	}
	index = func() { panic("index") }
	if _, err := s.Set("notes", "d", &note{N: -1}); !isIndexError(err) {
		t.Errorf("a panic of an index function: %v", err)
	}
	_, err = s.Set("notes", "d", &note{N: 1})
	must(t, err)
	sound(t, "after a good write", s, "a", "b", "c", "d")
	if e := <-events; e.Name != "d" || e.EventType != store.EventTypeCreate {
		t.Errorf("the first event after writes that failed is %+v", *e)
	}
}

// returns fails the test if a call does not return.
func returns(t *testing.T, what string, call func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not return", what)
	}
}

// Inside the functions that run while a kind is locked, it can be read, watched and
// closed: what would wait for the writer would wait for ever.
func TestNothingWaitsForTheWriter(t *testing.T) {
	tasks := func(t *testing.T) (*gomap.MemStore[*task], []*gomap.Cursor[*task]) {
		s := newTasks(t)
		for i := range 10 {
			_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{"x"}, Serial: i})
			must(t, err)
		}
		var open []*gomap.Cursor[*task]
		for _, opts := range watches() {
			c, err := s.Cursor("tasks", opts...)
			must(t, err)
			open = append(open, c)
		}
		return s, open
	}
	inside := func(t *testing.T, s *gomap.MemStore[*task], open []*gomap.Cursor[*task]) {
		snap, err := s.Snapshot("tasks")
		must(t, err)
		defer snap.Close()
		for i, opts := range watches() {
			c, err := s.Cursor("tasks", opts...)
			must(t, err)
			n := 0
			for range c.Changes() {
				n++
			}
			if want := []int{10, 10, 1}[i]; n != want {
				t.Errorf("watch %d replays %d objects, want %d", i, n, want)
			}
			c.Close()
			open[i].Close()
			_, cancel, err := s.Watch("tasks", opts...)
			must(t, err)
			cancel()
		}
		c, err := snap.Cursor()
		must(t, err)
		c.Close()
	}
	t.Run("SetFn", func(t *testing.T) {
		s, open := tasks(t)
		returns(t, "a watch inside SetFn", func() {
			_, err := s.SetFn("tasks", "1", func(v *task) (*task, error) {
				inside(t, s, open)
				return &task{On: v.On, Serial: 100}, nil
			})
			must(t, err)
		})
	})
	t.Run("index function", func(t *testing.T) {
		s, open := tasks(t)
		once := sync.OnceFunc(func() { inside(t, s, open) })
		returns(t, "a watch inside an index function", func() {
			must(t, s.AddIndex("tasks", "watching", func(string, *task) ([]string, error) {
				once()
				return nil, nil
			}))
		})
	})
	t.Run("Close", func(t *testing.T) {
		s, open := tasks(t)
		returns(t, "Close inside SetFn", func() {
			_, err := s.SetFn("tasks", "1", func(v *task) (*task, error) {
				must(t, s.Close())
				return &task{On: v.On, Serial: 100}, nil
			})
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("SetFn of a store that its function closed: %v", err)
			}
		})
		for i, c := range open {
			for range c.Changes() {
			}
			if !errors.Is(c.Err(), store.ErrClosed) {
				t.Errorf("cursor %d: %v", i, c.Err())
			}
		}
	})
}

// watches are those of everything, an index value and a key, with a replay.
func watches() [][]store.WatchOption[*task] {
	replay := store.WithInitialReplay[*task]()
	return [][]store.WatchOption[*task]{
		{replay}, {replay, store.WithIndexValue[*task]("place", "x")}, {replay, store.WithKey[*task]("1")},
	}
}

// A cursor that is closed in the middle of its replay says nothing more, least of all
// that the replay is complete.
func TestCloseDuringReplay(t *testing.T) {
	s := newTasks(t)
	for i := range 10 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{"x"}, Serial: i})
		must(t, err)
	}
	for i, opts := range watches() {
		c, err := s.Cursor("tasks", append(opts, store.WithSyncMarker[*task]())...)
		must(t, err)
		n := 0
		for e := range c.Changes() {
			if n++; n > 1 || e.EventType != store.EventTypeCreate {
				t.Errorf("watch %d: event %d is %+v, after Close", i, n, e)
			}
			c.Close()
			for j := range 1000 { // what the cursor pinned goes
				_, err := s.Set("tasks", fmt.Sprint(j%10), &task{On: []string{fmt.Sprint(j)}, Serial: j})
				must(t, err)
			}
			must(t, s.Replace("tasks", map[string]*task{"1": {On: []string{"x"}}}))
		}
		for e := range c.Changes() {
			t.Errorf("watch %d: %+v after Close", i, e)
		}
		for e := range c.All(t.Context()) {
			t.Errorf("watch %d: %+v after Close", i, e)
		}
		for j := range 10 {
			_, err := s.Set("tasks", fmt.Sprint(j), &task{On: []string{"x"}, Serial: 10_000*i + j})
			must(t, err)
		}
	}
}

// What an index function said of a value is undone although it does not say so again: it
// fails, or the value was changed in place.
func TestIndexFunctionForgets(t *testing.T) {
	for what, change := range map[string]func(*task){
		"fails":             func(v *task) { v.Serial = -1 },
		"panics":            func(v *task) { v.Serial = -2 },
		"says other things": func(v *task) { v.On = []string{"y", "z"} },
		"says nothing":      func(v *task) { v.On = nil },
	} {
		for how, write := range map[string]func(*gomap.MemStore[*task]) error{
			"update": func(s *gomap.MemStore[*task]) error {
				_, err := s.Set("tasks", "1", &task{On: []string{"v"}, Serial: 5})
				return err
			},
			"delete": func(s *gomap.MemStore[*task]) error { _, _, err := s.Delete("tasks", "1"); return err },
			"relist": func(s *gomap.MemStore[*task]) error {
				return s.Replace("tasks", map[string]*task{"2": {On: []string{"x"}, Serial: 2}})
			},
		} {
			t.Run(what+", "+how, func(t *testing.T) {
				s := gomap.NewMemStore(store.StoreOptions[*task]{CompareFn: func(a, b *task) bool { return a.Serial == b.Serial }})
				defer s.Close()
				must(t, s.AddIndex("tasks", "place", func(_ string, v *task) ([]string, error) {
					switch v.Serial {
					case -1:
						return nil, errors.New("no")
					case -2:
						panic("no")
					}
					return v.On, nil
				}))
				must(t, s.AddIndex("tasks", "other", func(string, *task) ([]string, error) { return []string{"all"}, nil }))
				first := &task{On: []string{"x", "w"}, Serial: 1}
				_, err := s.Set("tasks", "1", first)
				must(t, err)
				_, err = s.Set("tasks", "2", &task{On: []string{"x"}, Serial: 2})
				must(t, err)
				c, err := s.Cursor("tasks", store.WithIndexValue[*task]("place", "w"))
				must(t, err)
				defer c.Close()
				change(first)
				must(t, write(s))
				wantKeys(t, "under x", keysOf(s.ByIndex("tasks", "place", "x")), "2")
				wantKeys(t, "under w", keysOf(s.ByIndex("tasks", "place", "w")))
				values, err := s.IndexValues("tasks", "place")
				must(t, err)
				if slices.Contains(values, "w") {
					t.Errorf("the index has objects under %v", values)
				}
				var events []store.EventType
				for e := range c.Changes() {
					events = append(events, e.EventType)
				}
				if !slices.Equal(events, []store.EventType{store.EventTypeDelete}) {
					t.Errorf("the watcher of the value is told %v, want a delete", events)
				}
			})
		}
	}
}

// A replay of an index value is in the order of revisions, whatever the order in which
// the objects came under it.
func TestReplayOfAPartIsInOrder(t *testing.T) {
	s := newTasks(t)
	for i := range 6 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{"x"}, Serial: i})
		must(t, err)
	}
	for _, i := range []int{0, 3} {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{"x"}, Serial: 100 + i})
		must(t, err)
	}
	c, err := s.Cursor("tasks", store.WithInitialReplay[*task](), store.WithIndexValue[*task]("place", "x"))
	must(t, err)
	defer c.Close()
	var revisions []uint64
	for e := range c.Changes() {
		revisions = append(revisions, e.Revision)
	}
	if !slices.IsSorted(revisions) || len(revisions) != 6 {
		t.Errorf("the replay has revisions %v", revisions)
	}
}

// Cursors of all kinds in one step: All waits, ends with its context, and goes on where it
// was left.
func TestAll(t *testing.T) {
	s := gomap.NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	c, err := s.Cursor("numbers", store.WithInitialReplay[int](), store.WithSyncMarker[int]())
	must(t, err)
	defer c.Close()
	for i := range 10 {
		_, err := s.Set("numbers", fmt.Sprint(i), i)
		must(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := map[string]int{}
	for e := range c.All(ctx) {
		if e.EventType == store.EventTypeCreate {
			seen[e.Name] = e.Object
		}
		if len(seen) == 5 {
			break
		}
	}
	go func() {
		_, err := s.Set("numbers", "last", 11)
		if err != nil {
			t.Error(err)
		}
	}()
	for e := range c.All(ctx) {
		if seen[e.Name] = e.Object; e.Name == "last" {
			cancel()
		}
	}
	if len(seen) != 11 || c.Err() != nil {
		t.Errorf("seen %v, %v", slices.Sorted(maps.Keys(seen)), c.Err())
	}
	for e := range c.All(ctx) {
		t.Errorf("%+v after the context ended", e)
	}
	go s.Close()
	for e := range c.All(context.Background()) {
		t.Errorf("%+v from a store that is closed", e)
	}
	if !errors.Is(c.Err(), store.ErrClosed) {
		t.Errorf("the cursor of a closed store ends with %v", c.Err())
	}
}

// Watches of the values of an index that is dropped end with an error that says so;
// others, and the objects, are as before.
func TestDropIndex(t *testing.T) {
	s := newTasks(t)
	must(t, s.AddIndex("tasks", "second", byPlace))
	for i := range 100 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{fmt.Sprint("x", i%3)}, Serial: i})
		must(t, err)
	}
	of := func(index string) *gomap.Cursor[*task] {
		c, err := s.Cursor("tasks", store.WithIndexValue[*task](index, "x1"))
		must(t, err)
		t.Cleanup(c.Close)
		return c
	}
	dropped, other := of("place"), of("second")
	must(t, s.DropIndex("tasks", "place"))
	if err := s.DropIndex("tasks", "place"); !errors.Is(err, gomap.ErrIndexNotFound) {
		t.Errorf("dropping it again: %v", err)
	}
	if err := s.DropIndex("none", "place"); !errors.Is(err, gomap.ErrIndexNotFound) {
		t.Errorf("dropping an index of no kind: %v", err)
	}
	if _, err := s.ByIndex("tasks", "place", "x1"); !errors.Is(err, gomap.ErrIndexNotFound) {
		t.Errorf("reading it: %v", err)
	}
	if _, err := s.Cursor("tasks", store.WithIndexValue[*task]("place", "x1")); !errors.Is(err, gomap.ErrIndexNotFound) {
		t.Errorf("watching it: %v", err)
	}
	for range dropped.Changes() {
	}
	if !errors.Is(dropped.Err(), gomap.ErrIndexNotFound) || other.Err() != nil {
		t.Errorf("cursors end with %v and %v", dropped.Err(), other.Err())
	}
	for i := range 100 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{fmt.Sprint("x", i%2)}, Serial: 100 + i})
		must(t, err)
	}
	if n := len(keysOf(s.ByIndex("tasks", "second", "x1"))); n != 50 {
		t.Errorf("the other index has %d objects under a value, want 50", n)
	}
	must(t, s.AddIndex("tasks", "place", byPlace))
	if n := len(keysOf(s.ByIndex("tasks", "place", "x1"))); n != 50 {
		t.Errorf("the new index has %d objects under a value, want 50", n)
	}
}

// Compute creates, updates, keeps and deletes, and tells what the key has then; with
// many at work no count is lost.
func TestCompute(t *testing.T) {
	plain := gomap.NewMemStore(store.StoreOptions[*note]{})
	defer plain.Close()
	for name, s := range map[string]store.Store[*note]{"plain": plain, "packed": newPacked(t, gomap.PackedOptions[*note]{})} {
		t.Run(name, func(t *testing.T) {
			count := func(n *note, exists bool) (*note, store.Op, error) {
				if !exists {
					return &note{N: 1}, store.OpSet, nil
				}
				return &note{N: n.N + 1}, store.OpSet, nil
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 100 {
						if _, exists, err := s.Compute("notes", "count", count); !exists || err != nil {
							t.Errorf("Compute: %t, %v", exists, err)
						}
					}
				})
			}
			wg.Wait()
			if n, ok, err := s.Get("notes", "count"); !ok || err != nil || n.N != 400 {
				t.Fatalf("the count is %+v (%t, %v), want 400", n, ok, err)
			}
			did := func(op store.Op) (*note, bool) {
				n, exists, err := s.Compute("notes", "count", func(n *note, exists bool) (*note, store.Op, error) {
					return &note{N: 1}, op, nil
				})
				must(t, err)
				return n, exists
			}
			if n, exists := did(store.OpKeep); !exists || n.N != 400 {
				t.Errorf("after OpKeep: %+v, %t", n, exists)
			}
			if n, exists := did(store.OpDelete); exists || n != nil {
				t.Errorf("after OpDelete: %+v, %t", n, exists)
			}
			if n, exists := did(store.OpDelete); exists || n != nil {
				t.Errorf("after another OpDelete: %+v, %t", n, exists)
			}
			if n, exists := did(store.OpSet); !exists || n.N != 1 {
				t.Errorf("after OpSet: %+v, %t", n, exists)
			}
			errStop := errors.New("stop")
			if _, _, err := s.Compute("notes", "count", func(*note, bool) (*note, store.Op, error) { return nil, store.OpDelete, errStop }); !errors.Is(err, errStop) {
				t.Errorf("an error of the function comes back as %v", err)
			}
			sound(t, "after an error", s, "count")

			if deleted, n, err := s.DeleteIf("notes", "count", func(n *note) bool { return n.N != 1 }); deleted || n != nil || err != nil {
				t.Errorf("DeleteIf of what is not: %t, %+v, %v", deleted, n, err)
			}
			if deleted, n, err := s.DeleteIf("notes", "count", func(n *note) bool { return n.N == 1 }); !deleted || n.N != 1 || err != nil {
				t.Errorf("DeleteIf: %t, %+v, %v", deleted, n, err)
			}
			if deleted, _, err := s.DeleteIf("notes", "count", func(*note) bool { return true }); deleted || err != nil {
				t.Errorf("DeleteIf of nothing: %t, %v", deleted, err)
			}
		})
	}
}
