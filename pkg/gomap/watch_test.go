package gomap_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"testing"
	"testing/synctest"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// What is written after cancel has returned is not delivered, though the channel has room.
func TestCancelIsPrompt(t *testing.T) {
	packed := newPacked(t, gomap.PackedOptions[*note]{})
	plain := gomap.NewMemStore(store.StoreOptions[*note]{})
	defer plain.Close()
	for name, s := range map[string]store.Store[*note]{"plain": plain, "packed": packed} {
		for _, how := range []string{"cancel", "context"} {
			t.Run(name+" "+how, func(t *testing.T) {
				for i := range 200 {
					ctx, cancel := context.WithCancel(t.Context())
					events, err := s.WatchContext(ctx, "notes")
					must(t, err)
					if how == "cancel" {
						cancel()
						events, cancel, err = s.Watch("notes")
						must(t, err)
					}
					cancel()
					for n := range 50 {
						_, err := s.Set("notes", fmt.Sprint(n), &note{N: i*50 + n + 1})
						must(t, err)
					}
					for e := range events {
						t.Fatalf("round %d: %+v was delivered", i, *e)
					}
				}
			})
		}
	}
}

// WatchContext ends with its context, and does not begin after it.
func TestWatchContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gomap.NewMemStore(store.StoreOptions[int]{})
		defer s.Close()
		ctx, cancel := context.WithCancel(context.Background())
		events, err := s.WatchContext(ctx, "numbers")
		must(t, err)
		_, err = s.Set("numbers", "a", 1)
		must(t, err)
		if e := <-events; e.Name != "a" {
			t.Errorf("got %+v", *e)
		}
		cancel()
		synctest.Wait()
		if e, ok := <-events; ok {
			t.Errorf("got %+v after the end", *e)
		}
		if _, err := s.WatchContext(ctx, "numbers"); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}

// A buffer of any size is a promise to miss nothing, and takes no more memory than what
// waits in it.
func TestHugeBuffer(t *testing.T) {
	s := gomap.NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	events, cancel, err := s.Watch("numbers", store.WithBufferSize[int](math.MaxInt))
	must(t, err)
	defer cancel()
	const writes = 100_000
	for i := range writes {
		_, err := s.Set("numbers", "a", i)
		must(t, err)
	}
	for i := range writes {
		if e := <-events; e.Object != i || e.Coalesced {
			t.Fatalf("event %d is %+v", i, *e)
		}
	}
}

// A reader that is exactly as far behind as its buffer is told of every change, though the
// log is cut off just then.
func TestBufferIsExact(t *testing.T) {
	for size := 600; size < 700; size++ {
		s := gomap.NewMemStore(store.StoreOptions[int]{})
		c, err := s.Cursor("numbers", store.WithBufferSize[int](size))
		must(t, err)
		for i := range size {
			_, err := s.Set("numbers", "a", i)
			must(t, err)
		}
		n := 0
		for e := range c.Changes() {
			if e.Coalesced || e.Object != n {
				t.Fatalf("buffer %d: event %d is %+v", size, n, e)
			}
			n++
		}
		c.Close()
		must(t, s.Close())
	}
}

// gapReader reads a cursor and counts its gaps; it knows what it was told.
type gapReader struct {
	has          map[string]int
	gaps, events int
}

func (r *gapReader) read(t *testing.T, c *gomap.Cursor[int]) {
	t.Helper()
	for e := range c.Changes() {
		switch e.EventType {
		case store.EventTypeGap:
			r.gaps++
			continue
		case store.EventTypeDelete:
			delete(r.has, e.Name)
		default:
			if e.Old != r.has[e.Name] {
				t.Errorf("%+v: the reader has %d", e, r.has[e.Name])
			}
			r.has[e.Name] = e.Object
		}
		r.events++
	}
}

// Within its backlog a reader is told of everything, of what came and went, too. Beyond
// it, there is a gap, of which it is told before it is told how things are.
func TestBacklog(t *testing.T) {
	for name, part := range map[string]store.WatchOption[int]{
		"everything": nil, "index value": store.WithIndexValue[int]("all", "x"), "key": store.WithKey[int]("short-lived"),
	} {
		for what, test := range map[string]struct {
			options []store.WatchOption[int]
			gaps    int
			all     bool // is told
		}{
			"large backlog":     {[]store.WatchOption[int]{store.WithBacklog[int](1 << 20), store.WithGapMarker[int]()}, 0, true},
			"small backlog":     {[]store.WatchOption[int]{store.WithBacklog[int](2 << 10), store.WithGapMarker[int]()}, 1, false},
			"no backlog":        {[]store.WatchOption[int]{store.WithGapMarker[int]()}, 1, false},
			"no marker":         {nil, 0, false},
			"large, not marked": {[]store.WatchOption[int]{store.WithBacklog[int](1 << 20)}, 0, true},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				s := gomap.NewMemStore(store.StoreOptions[int]{})
				defer s.Close()
				must(t, s.AddIndex("numbers", "all", func(string, int) ([]string, error) { return []string{"x"}, nil }))
				c, err := s.Cursor("numbers", append(test.options, part, store.WithBufferSize[int](0))...)
				must(t, err)
				defer c.Close()
				r := &gapReader{has: map[string]int{}}
				_, err = s.Set("numbers", "short-lived", 1)
				must(t, err)
				_, _, err = s.Delete("numbers", "short-lived")
				must(t, err)
				key := "long-lived"
				if name == "key" {
					key = "short-lived"
				}
				for i := range 2000 {
					_, err := s.Set("numbers", key, i+1)
					must(t, err)
				}
				r.read(t, c)
				want, err := s.List("numbers")
				must(t, err)
				if !maps.Equal(r.has, want) || r.gaps != test.gaps {
					t.Errorf("told of %v and %d gaps, want %v and %d", r.has, r.gaps, want, test.gaps)
				}
				if all := r.events == 2002; all != test.all {
					t.Errorf("told of %d changes of 2002", r.events)
				}
			})
		}
	}
}

// A gap after which nothing is left to be told is told all the same.
func TestGapWithoutChanges(t *testing.T) {
	s := gomap.NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	c, err := s.Cursor("numbers", store.WithBufferSize[int](0), store.WithGapMarker[int]())
	must(t, err)
	defer c.Close()
	for i := range 1000 {
		_, err := s.Set("numbers", "a", i)
		must(t, err)
		_, _, err = s.Delete("numbers", "a")
		must(t, err)
	}
	var types []store.EventType
	for e := range c.Changes() {
		types = append(types, e.EventType)
	}
	if len(types) != 1 || types[0] != store.EventTypeGap {
		t.Errorf("told %v, want a gap", types)
	}
}
