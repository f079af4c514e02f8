package gomap

import (
	"fmt"
	"maps"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

// newParity returns a store of numbers with an index on whether they are odd.
func newParity(t *testing.T) *MemStore[int] {
	t.Helper()
	s := NewMemStore(store.StoreOptions[int]{})
	t.Cleanup(func() { s.Close() })
	if err := s.AddIndex("numbers", "parity", func(_ string, n int) ([]string, error) {
		return []string{fmt.Sprint(n % 2)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		setNumber(t, s, fmt.Sprint(i), i)
	}
	return s
}

// partsOf are the options for a part of the numbers, and what belongs to it.
var partsOf = map[string]struct {
	option store.WatchOption[int]
	has    func(key string, n int) bool
}{
	"key":         {store.WithKey[int]("1"), func(key string, _ int) bool { return key == "1" }},
	"index value": {store.WithIndexValue[int]("parity", "1"), func(_ string, n int) bool { return n%2 == 1 }},
}

// scribble makes changes of all kinds to a few keys, many of them.
func scribble(t *testing.T, s *MemStore[int], first int) {
	t.Helper()
	for i := range 300 {
		n := first + i
		key := fmt.Sprint(n * n % 7)
		if n%5 == 0 {
			if _, _, err := s.Delete("numbers", key); err != nil {
				t.Error(err)
			}
			continue
		}
		setNumber(t, s, key, n)
	}
}

func (r *told[T]) wantPart(s *MemStore[T], has func(string, T) bool) {
	r.t.Helper()
	want, err := s.List("numbers", has)
	if err != nil {
		r.t.Fatal(err)
	}
	if !maps.Equal(r.has, want) {
		r.t.Errorf("the reader has %v, the store %v", r.has, want)
	}
}

// Changes that are made while a cursor of a part joins, when the part is known to the writer
// but not yet filled, are told once.
func TestChangesWhileAPartIsFilled(t *testing.T) {
	for name, test := range map[string]struct {
		part  string
		place hookPoint
	}{
		"key": {"key", hookRegistered}, "index value": {"index value", hookRegistered}, "filled": {"index value", hookFilled},
	} {
		t.Run(name, func(t *testing.T) {
			s, part := newParity(t), partsOf[test.part]
			at(t, test.place, func() { scribble(t, s, 0) })
			c := openCursor(t, s, part.option, store.WithInitialReplay[int](), store.WithSyncMarker[int]())
			r := newTold[int](t)
			r.read(c)
			r.wantPart(s, part.has)
			scribble(t, s, 1000)
			r.read(c)
			r.wantPart(s, part.has)
		})
	}
}

// A cursor of a part that joins after a commit was published, and before the commit is
// handed to the parts, is not told of it again.
func TestPartJoinsDuringACommit(t *testing.T) {
	for name, part := range partsOf {
		for _, replay := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", replay ", replay), func(t *testing.T) {
				s := newParity(t)
				r := newTold[int](t)
				var opts []store.WatchOption[int]
				if replay {
					opts = append(opts, store.WithInitialReplay[int]())
				}
				var c *Cursor[int]
				at(t, hookCommitted, func() {
					c = openCursor(t, s, append(opts, part.option)...)
					if !replay {
						r.has, _ = s.List("numbers", part.has)
					}
				})
				setNumber(t, s, "1", 11)
				n := r.read(c)
				r.wantPart(s, part.has)
				if want := map[bool]int{true: len(r.has), false: 0}[replay]; n != want {
					t.Errorf("told of %d changes, want %d", n, want)
				}
				scribble(t, s, 1000)
				r.read(c)
				r.wantPart(s, part.has)
			})
		}
	}
}

// Two cursors of an index value join at once: the second waits until the first has filled
// the part, and both are told everything.
func TestTwoJoinAPart(t *testing.T) {
	s := newParity(t)
	part := partsOf["index value"]
	joined := make(chan *Cursor[int])
	at(t, hookRegistered, func() {
		testHook.Store(nil)
		go func() { joined <- openCursor(t, s, part.option, store.WithInitialReplay[int]()) }()
		ps := &s.kinds.lookup("numbers").parts
		for waiting := 0; waiting < 2; { // until it is there too
			ps.mu.Lock()
			for _, values := range ps.byValue {
				waiting = values["1"].joining
			}
			ps.mu.Unlock()
		}
		scribble(t, s, 0)
	})
	first := openCursor(t, s, part.option, store.WithInitialReplay[int]())
	for _, c := range []*Cursor[int]{first, <-joined} {
		r := newTold[int](t)
		r.read(c)
		r.wantPart(s, part.has)
	}
}

// What nobody watches any more is forgotten, also when the last to leave had just joined.
func TestPartsAreForgotten(t *testing.T) {
	s := newParity(t)
	for range 3 {
		for _, part := range partsOf {
			a, b := openCursor(t, s, part.option), openCursor(t, s, part.option)
			a.Close()
			scribble(t, s, 0)
			drain(b)
			b.Close()
			b.Close()
		}
	}
	ps := &s.kinds.lookup("numbers").parts
	if n := ps.count.Load(); n != 0 || len(ps.byKey) != 0 || len(ps.byValue) != 0 {
		t.Errorf("%d parts are counted, %d keys and %d indexes are left", n, len(ps.byKey), len(ps.byValue))
	}
}

// A cursor of a key that fell behind is told of a deletion that it did not see, and then
// of what the key is now; a life that it did not see is not told.
func TestKeyCatchesUp(t *testing.T) {
	s := newParity(t)
	c := openCursor(t, s, store.WithKey[int]("1"), store.WithBufferSize[int](0), store.WithInitialReplay[int]())
	r := newTold[int](t)
	r.read(c)
	del := func() {
		t.Helper()
		if _, _, err := s.Delete("numbers", "1"); err != nil {
			t.Fatal(err)
		}
	}
	many := func(first int) {
		for i := range 500 {
			setNumber(t, s, "1", first+i)
		}
	}
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"many updates", func() { many(1000) }, []string{"update 1499 coalesced"}},
		{"another life", func() { del(); many(2000) }, []string{"delete 1499 coalesced", "create 2499 coalesced"}},
		{"the end", func() { many(3000); del() }, []string{"delete 3499 coalesced"}},
		{"lives unseen", func() { many(4000); del(); many(5000); del() }, nil},
		{"a new life", func() { many(6000); del(); setNumber(t, s, "1", 1) }, []string{"create 1"}},
		{"one change", func() { setNumber(t, s, "1", 2) }, []string{"update 2"}},
	} {
		step.do()
		var got []string
		for e := range c.Changes() {
			r.take(e)
			text := fmt.Sprint(e.EventType, " ", e.Object)
			if e.Coalesced {
				text += " coalesced"
			}
			got = append(got, text)
		}
		if fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("%s: told %q, want %q", step.what, got, step.want)
		}
	}
}
