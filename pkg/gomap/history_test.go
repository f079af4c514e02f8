package gomap

import (
	"fmt"
	"maps"
	"runtime"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

// at has fn run once, the first time that somebody comes to a place, by the goroutine
// that does.
func at(t *testing.T, place hookPoint, fn func()) {
	t.Helper()
	done := false
	testHook.Store(new(func(p hookPoint) {
		if p == place && !done {
			done = true
			fn()
		}
	}))
	t.Cleanup(func() {
		if testHook.Store(nil); !done {
			t.Errorf("nobody came to place %d", place)
		}
	})
}

// told is what a reader of events knows. It fails where an event does not follow from that.
type told[T comparable] struct {
	t    *testing.T
	has  map[string]T
	gaps int
}

func newTold[T comparable](t *testing.T) *told[T] { return &told[T]{t: t, has: map[string]T{}} }

func (r *told[T]) read(c *Cursor[T]) (events int) {
	for e := range c.Changes() {
		r.take(e)
		events++
	}
	return events
}

func (r *told[T]) take(e store.Event[T]) {
	had, known := r.has[e.Name]
	switch e.EventType {
	case store.EventTypeCreate, store.EventTypeUpdate:
		if known != (e.EventType == store.EventTypeUpdate) || known && e.Old != had {
			r.t.Errorf("%+v: the reader has %v (%t)", e, had, known)
		}
		r.has[e.Name] = e.Object
	case store.EventTypeDelete:
		if !known {
			r.t.Errorf("%+v: the reader does not know the key", e)
		}
		delete(r.has, e.Name)
	case store.EventTypeGap:
		r.gaps++
	default:
	}
}

// wantStore compares what the reader knows with the store.
func (r *told[T]) wantStore(s *MemStore[T], kind string) {
	r.t.Helper()
	want, err := s.List(kind)
	if err != nil {
		r.t.Fatal(err)
	}
	if !maps.Equal(r.has, want) {
		r.t.Errorf("the reader has %v, the store %v", r.has, want)
	}
}

// A reader that has taken a revision but not pinned it yet reads another one if what it
// needs was let go meanwhile.
func TestReaderBehindTheFloor(t *testing.T) {
	s := newCounters(t)
	defer s.Close()
	at(t, hookViewed, func() { s.write(5 * digestKeys) })
	all, err := s.All("counters")
	if err != nil {
		t.Fatal(err)
	}
	got := maps.Collect(all)
	if len(got) != digestKeys {
		t.Errorf("read %d of %d keys", len(got), digestKeys)
	}
	for key, n := range got {
		if n != 6 {
			t.Errorf("%s is %d, at the newest revision all are 6", key, n)
		}
	}
}

// A cursor that has read a part of the log, but has not said so yet, is told of each key
// from what it knows if what it would stand on was let go meanwhile.
func TestCursorBehindTheFloor(t *testing.T) {
	s := newCounters(t)
	defer s.Close()
	c := s.cursor()
	c.read(2 * digestKeys)
	s.write(digestKeys / 10)
	at(t, hookRead, func() { s.write(5 * digestKeys) })
	c.read(2 * digestKeys)
	c.wantStore(s)
}

// A cursor that moves keeps where it goes, from before it looks at the floor until it is
// there.
func TestCursorKeepsWhereItGoes(t *testing.T) {
	s := newCounters(t)
	defer s.Close()
	c := s.cursor()
	c.read(2 * digestKeys)
	s.write(digestKeys / 10)
	at(t, hookAllowed, func() { s.write(5 * digestKeys) })
	c.read(10) // it is at what was the newest revision
	c.read(2 * digestKeys)
	c.wantStore(s)
}

// turning is a store of a few numbers that are written in turn, each time anew.
type turning struct {
	*MemStore[int]
	t      *testing.T
	writes int
}

const turningKeys = 50

func newTurning(t *testing.T) *turning {
	s := &turning{MemStore: NewMemStore(store.StoreOptions[int]{}), t: t}
	s.write(turningKeys)
	return s
}

func (s *turning) write(n int) {
	for range n {
		s.writes++
		setNumber(s.t, s.MemStore, fmt.Sprint(s.writes%turningKeys), s.writes)
	}
}

// meet has two goroutines meet in the middle of what they do. The first stops at a place.
// The other one writes, until the log is about to be cut off beyond a revision for the first
// time, and the pins are being read. Then the first goes on and comes to its end.
func (s *turning) meet(place hookPoint, beyond uint64, first func()) {
	table := s.kinds.lookup("numbers")
	stopped, goOn, through := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var stop, meet sync.Once
	testHook.Store(new(func(p hookPoint) {
		switch {
		case p == place:
			stop.Do(func() {
				close(stopped)
				<-goOn
			})
		case p == hookPinsRead && table.log.view().block.low+1<<logShift > beyond:
			meet.Do(func() {
				close(goOn)
				<-through
			})
		}
	}))
	defer testHook.Store(nil)
	go func() {
		defer close(through)
		first()
	}()
	<-stopped
	s.write(20 * turningKeys)
	<-through
}

// A cursor that goes from a short pin to its new position while the writer looks for pins
// is seen.
func TestCursorMovesWhileThePinsAreRead(t *testing.T) {
	s := newTurning(t)
	defer s.Close()
	c := openCursor(t, s.MemStore, store.WithBufferSize[int](0), store.WithInitialReplay[int]())
	r := newTold[int](t)
	r.read(c)
	s.write(turningKeys)
	s.meet(hookAllowed, uint64(s.writes), func() {
		for e := range c.Changes() {
			r.take(e)
			break // it is at what was the newest revision
		}
	})
	r.read(c)
	r.wantStore(s.MemStore, "numbers")
}

// A reader that pins while the writer looks for pins is seen, or sees that the floor was
// raised.
func TestReaderPinsWhileThePinsAreRead(t *testing.T) {
	s := newTurning(t)
	defer s.Close()
	table := s.kinds.lookup("numbers")
	var w view[int]
	var p pin
	s.meet(hookViewed, uint64(s.writes), func() { w, p = table.pin() })
	defer p.release()
	n := 0
	for range versionsAt(table.content.view(), w.rev) {
		n++
	}
	if n != turningKeys {
		t.Errorf("a reader that has pinned revision %d finds %d of %d keys", w.rev, n, turningKeys)
	}
}

// What came between two versions is known although a version is unlinked while a reader
// looks.
func TestBeforeIsExact(t *testing.T) {
	old, middle, last := newVersion("key", 1, 1, 0), newVersion("key", 2, 2, 0), newVersion("key", 3, 3, 0)
	middle.prev.Store(old)
	last.prev.Store(middle)
	h := history[int]{next: map[*version[int]]*version[int]{old: middle}}
	at(t, hookBefore, func() { h.unlink(middle, last) })
	if p, direct := last.before(1); p != old || direct {
		t.Errorf("before 3 at 1 is %v (directly: %t), with a version between", p, direct)
	}
	if p, direct := last.before(1); p != old || direct {
		t.Errorf("before 3 at 1 is %v (directly: %t), with a version that was unlinked between", p, direct)
	}
}

// A slot is retired while Get has what it found in the map: it is there all the time.
func TestGetDoesNotMissAKeyThatMoves(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	if err := s.AddIndex("numbers", "parity", func(_ string, n int) ([]string, error) {
		return []string{fmt.Sprint(n % 2)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	set := func(n int) {
		if _, err := s.Set("numbers", "key", n); err != nil {
			t.Fatal(err)
		}
	}
	set(0)
	table := s.kinds.lookup("numbers")
	found := table.keys.get("key")
	slot := found.slot
	for n := range 1000 {
		set(n + 1)
	}
	if !slot.cur.Load().is(retired) {
		t.Fatal("the first slot is still there: the test is for one that is not")
	}
	if v := table.published(found); v == nil {
		t.Error("the key is not found, though it was there all the time")
	}
	if v := table.published(table.keys.get("key")); v == nil || v.value != 1000 {
		t.Errorf("found %v, want 1000", v)
	}
}

// What nobody needs any more is let go with the next writes, however it was kept, and
// what is needed stays.
func TestKeepsakes(t *testing.T) {
	s := newCounters(t)
	defer s.Close()
	table := s.kinds.lookup("counters")
	kept := func() (n int) {
		for _, list := range table.kept {
			for c := list.first; c != nil; c = c.next {
				n += len(c.items)
			}
		}
		return n
	}
	var snaps []*Snapshot[int]
	for range 5 {
		snap, err := s.Snapshot("counters")
		if err != nil {
			t.Fatal(err)
		}
		snaps = append(snaps, snap)
		s.write(3 * digestKeys)
	}
	if n := kept(); n != 5*digestKeys {
		t.Errorf("%d versions are kept for 5 snapshots of %d keys", n, digestKeys)
	}
	for i, close := range []int{1, 3, 4, 0, 2} {
		snaps[close].Close()
		for _, j := range []int{1, 3, 4, 0, 2}[i+1:] {
			n := 0
			for _, value := range snaps[j].All() {
				n++
				if value != 3*j+1 {
					t.Fatalf("snapshot %d has %d, want %d", j, value, 3*j+1)
				}
			}
			if n != digestKeys {
				t.Errorf("snapshot %d has %d keys", j, n)
			}
		}
		s.write(3 * digestKeys)
		if n, want := kept(), (4-i)*digestKeys; n != want {
			t.Errorf("%d versions are kept for %d snapshots, want %d", n, 4-i, want)
		}
	}
	if !table.loose.empty() || len(table.kept) > 0 || len(table.next) > 0 {
		t.Errorf("%d lists and %d versions are left", len(table.kept), len(table.next))
	}
	low := table.log.view().block.low
	for v := range table.current() {
		behind := 0 // what the first record of the key in the log has replaced
		for p := v; p != nil; p = p.prev.Load() {
			if p.rev() <= low {
				behind++
			}
		}
		if behind > 1 {
			t.Fatalf("%s has %d versions from before revision %d behind it", v.name, behind, low)
		}
	}
}

// A deletion is told to whoever saw the key, also in an earlier slot than its last.
func TestDeletionAfterMoves(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	if err := s.AddIndex("numbers", "value", func(_ string, n int) ([]string, error) {
		return []string{fmt.Sprint(n)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Cursor("numbers", store.WithBufferSize[int](0))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := newTold[int](t)
	for round := range 3 {
		if _, err := s.Set("numbers", "key", -1-round); err != nil {
			t.Fatal(err)
		}
		r.read(c)
		for i := range 500 {
			if _, err := s.Set("numbers", "key", 1000*round+i); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := s.Delete("numbers", "key"); err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			if _, err := s.Set("numbers", "other", 1000*round+i); err != nil {
				t.Fatal(err)
			}
		}
		r.read(c)
		r.wantStore(s, "numbers")
	}
}

// A reader that finds all short places taken is pinned all the same, and released.
func TestBoard(t *testing.T) {
	b := new(board)
	var taken []pin
	for i := range 3 * boardPlaces {
		taken = append(taken, b.take(uint64(i)))
	}
	const low = 2*boardPlaces + 1
	if n := len(b.below(low)); n != low {
		t.Errorf("%d of %d pins are seen", n, low)
	}
	for _, p := range taken {
		p.release()
	}
	if ps := b.below(1 << 62); len(ps) != 0 {
		t.Errorf("pins are left: %v", ps)
	}
}

func TestPins(t *testing.T) {
	ps := pins{3, 5, 9}
	for _, c := range []struct {
		from, until, want uint64
		ok                bool
	}{
		{0, 3, 0, false}, {0, 4, 3, true}, {3, 4, 3, true}, {4, 5, 0, false}, {4, 9, 5, true}, {0, 100, 9, true}, {10, 100, 0, false},
	} {
		if p, ok := ps.between(c.from, c.until); p != c.want || ok != c.ok {
			t.Errorf("between %d and %d: %d, %t, want %d, %t", c.from, c.until, p, ok, c.want, c.ok)
		}
	}
}

// Get takes what is published: not what a commit has made but not published, and not
// what one has deleted and published.
func TestGetSeesWhatIsPublished(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	for _, key := range []string{"a", "b"} {
		setNumber(t, s, key, 1)
	}
	get := func(key string) (int, bool) {
		n, ok, err := s.Get("numbers", key)
		if err != nil {
			t.Error(err)
		}
		return n, ok
	}
	want := func(key string, n int, ok bool) {
		t.Helper()
		if got, found := get(key); got != n || found != ok {
			t.Errorf("%s is %d (%t), want %d (%t)", key, got, found, n, ok)
		}
	}
	at(t, hookApplied, func() {
		want("a", 1, true)
		want("b", 1, true)
		want("c", 0, false)
	})
	if err := s.Replace("numbers", map[string]int{"a": 2, "c": 2}); err != nil {
		t.Fatal(err)
	}
	setNumber(t, s, "b", 1)
	at(t, hookCommitted, func() {
		want("a", 3, true)
		want("b", 0, false)
		want("c", 0, false)
		want("d", 3, true)
	})
	if err := s.Replace("numbers", map[string]int{"a": 3, "d": 3}); err != nil {
		t.Fatal(err)
	}
}

// A snapshot that is closed while the collector finds that nobody has it any more is let
// go once.
func TestSnapshotIsLetGoOnce(t *testing.T) {
	s := newTurning(t)
	defer s.Close()
	other, err := s.Snapshot("numbers")
	if err != nil {
		t.Fatal(err)
	}
	stop, collected := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(collected)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3000 {
				snap, err := s.Snapshot("numbers")
				if err != nil {
					t.Error(err)
					return
				}
				snap.Close()
			}
		})
	}
	wg.Wait()
	close(stop)
	<-collected
	if n := s.kinds.lookup("numbers").holds.count(); n != 1 {
		t.Errorf("%d revisions are held, want that of one snapshot", n)
	}
	other.Close()
}
