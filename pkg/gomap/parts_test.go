package gomap_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"weak"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// task is a value that belongs to one or several parts of a kind.
type task struct {
	On     []string
	Serial int
}

func byPlace(_ string, v *task) ([]string, error) { return v.On, nil }

func newTasks(t *testing.T) *gomap.MemStore[*task] {
	t.Helper()
	s := gomap.NewMemStore(store.StoreOptions[*task]{CompareFn: func(prev, next *task) bool { return prev == next }})
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.AddIndex("tasks", "place", byPlace))
	return s
}

// replica is what a reader has made of the events that it got.
type replica map[string]*task

// apply checks an event against what the reader has, and adds it.
func (r replica) apply(e store.Event[*task]) error {
	had, known := r[e.Name]
	switch {
	case e.EventType == store.EventTypeSync:
		return nil
	case e.EventType == store.EventTypeError:
		return e.Err
	case known == (e.EventType == store.EventTypeCreate):
		return fmt.Errorf("%s of %s, known: %t", e.EventType, e.Name, known)
	case e.EventType == store.EventTypeCreate && e.Old != nil:
		return fmt.Errorf("create of %s with an old value", e.Name)
	case e.EventType == store.EventTypeUpdate && e.Old != had:
		return fmt.Errorf("update of %s: Old is %+v, the reader has %+v", e.Name, e.Old, had)
	case e.EventType == store.EventTypeDelete && (e.Old != e.Object || !e.Coalesced && e.Old != had):
		return fmt.Errorf("delete of %s: Old is %+v, Object %+v, the reader has %+v", e.Name, e.Old, e.Object, had)
	}
	if e.EventType == store.EventTypeDelete {
		delete(r, e.Name)
	} else {
		r[e.Name] = e.Object
	}
	return nil
}

// readAll has the replica follow a cursor to the end of what there is.
func (r replica) readAll(c *gomap.Cursor[*task]) (events []store.Event[*task], err error) {
	for e := range c.Changes() {
		if err := r.apply(e); err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// part returns the kind's present content that a part has.
func part(s *gomap.MemStore[*task], wanted store.Part) (replica, error) {
	if wanted.Index != "" {
		found, err := s.ByIndex("tasks", wanted.Index, wanted.Value)
		if err != nil {
			return nil, err
		}
		return maps.Collect(found), nil
	}
	v, ok, err := s.Get("tasks", wanted.Key)
	if !ok {
		return replica{}, err
	}
	return replica{wanted.Key: v}, err
}

func option(p store.Part) store.WatchOption[*task] {
	if p.Index == "" {
		return store.WithKey[*task](p.Key)
	}
	return store.WithIndexValue[*task](p.Index, p.Value)
}

// told is an event in short.
func told(events []store.Event[*task]) (short []string) {
	for _, e := range events {
		s := fmt.Sprint(e.EventType, " ", e.Name)
		if e.Object != nil {
			s += fmt.Sprint(" ", e.Object.Serial)
		}
		if e.EventType == store.EventTypeUpdate {
			s += fmt.Sprint(" was ", e.Old.Serial)
		}
		short = append(short, s)
	}
	return short
}

// What the watcher of a part is told, change by change: what comes to be in the part is
// created for it, and what leaves it deleted, with its last state there.
func TestPartEvents(t *testing.T) {
	s := newTasks(t)
	set := func(key string, serial int, on ...string) {
		t.Helper()
		_, err := s.Set("tasks", key, &task{On: on, Serial: serial})
		must(t, err)
	}
	set("a", 1, "x")
	set("b", 2, "y")
	open := func(opts ...store.WatchOption[*task]) *gomap.Cursor[*task] {
		t.Helper()
		c, err := s.Cursor("tasks", append(opts, store.WithInitialReplay[*task](), store.WithSyncMarker[*task]())...)
		must(t, err)
		t.Cleanup(c.Close)
		return c
	}
	inX, keyA := open(store.WithIndexValue[*task]("place", "x")), open(store.WithKey[*task]("a"))
	keyC := open(store.WithKey[*task]("b"), store.WithKey[*task]("c")) // the last counts
	x, a, c := replica{}, replica{}, replica{}
	step := func(what string, wantX, wantA, wantC []string) {
		t.Helper()
		for _, r := range []struct {
			replica
			cursor *gomap.Cursor[*task]
			want   []string
		}{{x, inX, wantX}, {a, keyA, wantA}, {c, keyC, wantC}} {
			got, err := r.readAll(r.cursor)
			must(t, err)
			wantKeys(t, what, told(got), r.want...)
		}
	}
	step("replay", []string{"create a 1", "sync "}, []string{"create a 1", "sync "}, []string{"sync "})
	set("b", 3, "y", "z")
	step("a change elsewhere", nil, nil, nil)
	set("a", 4, "x", "y")
	step("an update", []string{"update a 4 was 1"}, []string{"update a 4 was 1"}, nil)
	set("b", 5, "x")
	step("one enters", []string{"create b 5"}, nil, nil)
	set("a", 6, "y")
	step("one leaves", []string{"delete a 4"}, []string{"update a 6 was 4"}, nil)
	set("a", 7)
	step("no place", nil, []string{"update a 7 was 6"}, nil)
	set("a", 8, "x")
	step("it is back", []string{"create a 8"}, []string{"update a 8 was 7"}, nil)
	_, _, err := s.Delete("tasks", "a")
	must(t, err)
	step("deleted", []string{"delete a 8"}, []string{"delete a 8"}, nil)
	set("c", 9, "x")
	step("a key comes", []string{"create c 9"}, nil, []string{"create c 9"})
	_, _, err = s.DeleteWithFinalState("tasks", "c", &task{Serial: 10})
	must(t, err)
	final := []string{"delete c 10"}
	for _, r := range []struct {
		replica
		cursor *gomap.Cursor[*task]
	}{{x, inX}, {c, keyC}} { // the final state is one that the reader did not have
		var got []store.Event[*task]
		for e := range r.cursor.Changes() {
			got = append(got, e)
			delete(r.replica, e.Name)
		}
		wantKeys(t, "deleted with a final state", told(got), final...)
		if got[0].Old != got[0].Object {
			t.Fatalf("Old of a delete is %+v", got[0].Old)
		}
	}
	must(t, s.SetAll("tasks", map[string]*task{"a": {Serial: 11}, "c": {Serial: 12, On: []string{"x", "x"}}, "b": {Serial: 13}}))
	step("a batch", []string{"delete b 5", "create c 12"}, []string{"create a 11"}, []string{"create c 12"})
	must(t, s.Replace("tasks", nil))
	step("everything goes", []string{"delete c 12"}, []string{"delete a 11"}, []string{"delete c 12"})
}

// A watch of a part sees the changes of that part alone, in a channel too.
func TestPartWatch(t *testing.T) {
	s := newTasks(t)
	for i := range 10 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{fmt.Sprint(i % 2)}, Serial: i})
		must(t, err)
	}
	events, cancel, err := s.Watch("tasks", store.WithIndexValue[*task]("place", "1"), store.WithInitialReplay[*task](),
		store.WithSyncMarker[*task](), store.WithEventTypes[*task](store.EventTypeCreate, store.EventTypeDelete))
	must(t, err)
	defer cancel()
	for i := range 10 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{fmt.Sprint(i % 3)}, Serial: 10 + i})
		must(t, err)
	}
	var got []string
	for e := range events {
		got = append(got, told([]store.Event[*task]{*e})...)
		if e.Name == "9" && e.EventType == store.EventTypeDelete {
			break
		}
	}
	wantKeys(t, "events", got, "create 1 1", "create 3 3", "create 5 5", "create 7 7", "create 9 9", "sync ",
		"delete 3 3", "create 4 14", "delete 5 5", "delete 9 9")
	must(t, s.Close())
	for e := range events {
		t.Errorf("an event after the last: %+v", e)
	}
}

// An object leaves a part by whatever write takes it out, also one that leaves it without
// any value, from a part that is older than its index, or from and to several values.
func TestPartOfLateIndex(t *testing.T) {
	s := gomap.NewMemStore(store.StoreOptions[*task]{})
	defer s.Close()
	for i := range 10 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{"x"}, Serial: i})
		must(t, err)
	}
	if _, err := s.Cursor("tasks", store.WithIndexValue[*task]("place", "x")); !errors.Is(err, gomap.ErrIndexNotFound) {
		t.Fatalf("before there is an index: %v", err)
	}
	must(t, s.AddIndex("tasks", "place", byPlace))
	c, err := s.Cursor("tasks", store.WithIndexValue[*task]("place", "x"), store.WithInitialReplay[*task]())
	must(t, err)
	defer c.Close()
	r := replica{}
	got, err := r.readAll(c)
	must(t, err)
	if len(got) != 10 {
		t.Fatalf("replayed %d of 10", len(got))
	}
	for i := range 5 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{Serial: 10 + i})
		must(t, err)
	}
	_, err = r.readAll(c)
	must(t, err)
	wantKeys(t, "what is left of the part", slices.Sorted(maps.Keys(r)), "5", "6", "7", "8", "9")
}

// All moves between sets of values are seen, however the sets resemble each other: those
// that the polynomial hash of a version's postings cannot tell apart are among them.
func TestPartMoves(t *testing.T) {
	const values = 80
	s := newTasks(t)
	readers := make([]*gomap.Cursor[*task], values)
	replicas := make([]replica, values)
	for i := range values {
		c, err := s.Cursor("tasks", store.WithIndexValue[*task]("place", fmt.Sprint(i)))
		must(t, err)
		t.Cleanup(c.Close)
		readers[i], replicas[i] = c, replica{}
	}
	serial := 0
	move := func(on ...string) {
		serial++
		_, err := s.Set("tasks", "t", &task{On: on, Serial: serial})
		must(t, err)
		for i, r := range replicas {
			_, err := r.readAll(readers[i])
			must(t, err)
			if got, want := r["t"] != nil, slices.Contains(on, fmt.Sprint(i)); got != want {
				t.Fatalf("on %v: %d has it: %t", on, i, got)
			}
		}
	}
	all := make([]string, values) // some object is always there, so that postings stay
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	_, err := s.Set("tasks", "anchor", &task{On: all})
	must(t, err)
	for i := range values {
		for _, j := range []int{i, (i + 31) % values, (i + 32) % values} {
			move(fmt.Sprint(i), fmt.Sprint(j))
			move(fmt.Sprint((i+1)%values), fmt.Sprint((j+values-31)%values))
		}
	}
	move()
}

// Observers of parts, quick and slow, that come and go while several writers move objects
// around, all have the content of their part in the end, having been told the exact value
// they knew with each change.
func TestPartsConverge(t *testing.T) {
	const writers, places, keys, writes, observers = 3, 6, 120, 4000, 12
	r := seeded(t)
	s := newTasks(t)
	for i := range keys / 2 {
		_, err := s.Set("tasks", fmt.Sprint(i), &task{On: []string{fmt.Sprint(i % places)}})
		must(t, err)
	}
	random := func() *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), 0)) }
	wanted := func(r *rand.Rand) store.Part {
		if r.IntN(3) == 0 {
			return store.Part{Key: fmt.Sprint(r.IntN(keys))}
		}
		return store.Part{Index: "place", Value: fmt.Sprint(r.IntN(places))}
	}
	// An observer that reads nothing until the end.
	slow := store.Part{Index: "place", Value: "0"}
	c, err := s.Cursor("tasks", option(slow), store.WithInitialReplay[*task](), store.WithBufferSize[*task](1))
	must(t, err)
	defer c.Close()
	have := replica{}
	_, err = have.readAll(c)
	must(t, err)
	var writing, watching sync.WaitGroup
	done := make(chan struct{})
	for range writers {
		r := random()
		writing.Go(func() {
			on := func() *task {
				v := &task{Serial: r.Int()}
				for range r.IntN(3) {
					v.On = append(v.On, fmt.Sprint(r.IntN(places)))
				}
				return v
			}
			for range writes {
				var err error
				key := fmt.Sprint(r.IntN(keys))
				switch r.IntN(8) {
				case 0:
					_, _, err = s.Delete("tasks", key)
				case 1:
					err = s.SetAll("tasks", map[string]*task{key: on(), fmt.Sprint(r.IntN(keys)): on(), fmt.Sprint(r.IntN(keys)): on()})
				default:
					_, err = s.Set("tasks", key, on())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	// follow reads a part until the writers are done, or for a while.
	follow := func(r *rand.Rand, rounds int) error {
		p := wanted(r)
		c, err := s.Cursor("tasks", option(p), store.WithInitialReplay[*task](), store.WithBufferSize[*task](r.IntN(3)*r.IntN(50)))
		if err != nil {
			return err
		}
		defer c.Close()
		have := replica{}
		for n := 0; n != rounds; n++ {
			select {
			case <-done:
				if _, err := have.readAll(c); err != nil {
					return err
				}
				want, err := part(s, p)
				if err == nil && !maps.Equal(have, want) {
					err = fmt.Errorf("of %+v the observer has %d objects, the store %d", p, len(have), len(want))
				}
				return err
			case <-c.Ready():
			}
			for e := range c.Changes() {
				if err := have.apply(e); err != nil {
					return fmt.Errorf("%+v: %w", p, err)
				}
				if r.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
		}
		return nil
	}
	for i := range observers {
		r := random()
		watching.Go(func() {
			for left := false; !left; {
				rounds := -1
				if i%2 == 0 { // comes and goes
					rounds = r.IntN(8)
				}
				if err := follow(r, rounds); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					left = true
				default:
				}
			}
		})
	}
	writing.Wait()
	close(done)
	watching.Wait()
	events, err := have.readAll(c)
	must(t, err)
	want, err := part(s, slow)
	must(t, err)
	if !maps.Equal(have, want) {
		t.Errorf("the slow observer has %d objects, the store %d", len(have), len(want))
	}
	coalesced := slices.ContainsFunc(events, func(e store.Event[*task]) bool { return e.Coalesced })
	if !coalesced || len(events) > 2*keys {
		t.Errorf("the slow observer got %d events, coalesced: %t", len(events), coalesced)
	}
}

func TestPartMisuse(t *testing.T) {
	s := newTasks(t)
	for what, c := range map[string]struct {
		kind   string
		option store.WatchOption[*task]
		want   error
	}{
		"empty key":       {"tasks", store.WithKey[*task](""), store.ErrInvalidOption},
		"empty index":     {"tasks", store.WithIndexValue[*task]("", ""), store.ErrInvalidOption},
		"unknown index":   {"tasks", store.WithIndexValue[*task]("unknown", "x"), gomap.ErrIndexNotFound},
		"index of a kind": {"other", store.WithIndexValue[*task]("place", "x"), gomap.ErrIndexNotFound},
		"no kind":         {"", store.WithKey[*task]("a"), store.ErrKindRequired},
	} {
		if _, err := s.Cursor(c.kind, c.option); !errors.Is(err, c.want) {
			t.Errorf("Cursor, %s: error %v, want %v", what, err, c.want)
		}
		if _, _, err := s.Watch(c.kind, c.option); !errors.Is(err, c.want) {
			t.Errorf("Watch, %s: error %v, want %v", what, err, c.want)
		}
	}
}

// Close ends the watches of parts, after what was written before, and refuses new ones.
func TestPartsEndWithStore(t *testing.T) {
	s := newTasks(t)
	parts := []store.Part{{Key: "a"}, {Index: "place", Value: "x"}, {Index: "place", Value: "empty"}}
	var cursors []*gomap.Cursor[*task]
	var watches []<-chan *store.Event[*task]
	for _, p := range parts {
		c, err := s.Cursor("tasks", option(p))
		must(t, err)
		t.Cleanup(c.Close)
		events, cancel, err := s.Watch("tasks", option(p))
		must(t, err)
		t.Cleanup(cancel)
		cursors, watches = append(cursors, c), append(watches, events)
	}
	_, err := s.Set("tasks", "a", &task{On: []string{"x"}, Serial: 1})
	must(t, err)
	must(t, s.Close())
	for i, p := range parts {
		<-cursors[i].Ready()
		n := 0
		for range cursors[i].Changes() {
			n++
		}
		if want := map[bool]int{true: 0, false: 1}[p.Value == "empty"]; n != want {
			t.Errorf("%+v: %d events, want %d", p, n, want)
		}
		if err := cursors[i].Err(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%+v: ended with %v", p, err)
		}
		for range watches[i] { // ends
		}
		if _, err := s.Cursor("tasks", option(p)); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%+v after Close: %v", p, err)
		}
	}
}

// When the last watcher of a part has left, nothing is kept for that part any more: an
// object that was in it and is deleted can be collected.
func TestPartsAreLetGo(t *testing.T) {
	const watched, rounds = 50, 3
	s := newTasks(t)
	var gone []weak.Pointer[task]
	for range rounds {
		var cursors []*gomap.Cursor[*task]
		var watches []<-chan *store.Event[*task]
		var cancels []func()
		for i := range watched {
			key := fmt.Sprint("watched-", i)
			v := &task{On: []string{key}}
			gone = append(gone, weak.Make(v))
			_, err := s.Set("tasks", key, v)
			must(t, err)
			for _, p := range []store.Part{{Key: key}, {Index: "place", Value: key}} {
				for range 2 {
					c, err := s.Cursor("tasks", option(p), store.WithInitialReplay[*task]())
					must(t, err)
					cursors = append(cursors, c)
				}
				events, cancel, err := s.Watch("tasks", option(p), store.WithInitialReplay[*task]())
				must(t, err)
				if e := <-events; e.Object != v {
					t.Fatalf("replayed %+v", e)
				}
				watches, cancels = append(watches, events), append(cancels, cancel)
			}
		}
		for _, c := range cursors {
			c.Close()
			c.Close() // again does nothing
		}
		for i, events := range watches {
			cancels[i]()
			for range events {
			}
		}
	}
	for i := range watched {
		_, _, err := s.Delete("tasks", fmt.Sprint("watched-", i))
		must(t, err)
	}
	for i := range 5000 { // for the log to be swept
		_, err := s.Set("tasks", fmt.Sprint(i%10), &task{Serial: i})
		must(t, err)
	}
	runtime.GC()
	kept := 0
	for _, p := range gone {
		if p.Value() != nil {
			kept++
		}
	}
	if kept > 0 {
		t.Errorf("%d of %d deleted objects are still held", kept, len(gone))
	}
	runtime.KeepAlive(s)
}
