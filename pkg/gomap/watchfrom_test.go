package gomap_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// lines is a reader that shows the changes of a cursor as lines.
type lines struct {
	*gomap.Cursor[*gomap.Parcel[*note]]
	closed chan struct{}
}

func newLines(t *testing.T, s *gomap.PackedStore[*note], opts ...store.WatchOption[*note]) lines {
	t.Helper()
	c, err := s.Cursor("notes", opts...)
	noError(t, err)
	return lines{c, make(chan struct{})}
}

func (l lines) Changes() iter.Seq[string] {
	return func(yield func(string) bool) {
		for e := range l.Cursor.Changes() {
			if !yield(fmt.Sprintf("%s %s %d", e.EventType, e.Name, e.Revision)) {
				return
			}
		}
	}
}

func (l lines) Close() {
	l.Cursor.Close()
	close(l.closed)
}

// asEvent makes an event of a line.
func asEvent(line string) *store.Event[string] {
	return &store.Event[string]{EventType: store.EventTypeUpdate, Object: line}
}

// A watch of a reader delivers what the reader shows, as it was converted, in order, and closes the reader when it is
// cancelled.
func TestWatchFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPacked(t, gomap.PackedOptions[*note]{})
		_, err := s.Set("notes", "a", &note{})
		noError(t, err)
		r := newLines(t, s, store.WithInitialReplay[*note](), store.WithSyncMarker[*note]())
		events, cancel := gomap.WatchFrom(r, 3, asEvent)
		if cap(events) != 3 {
			t.Errorf("the channel has room for %d", cap(events))
		}
		_, err = s.Set("notes", "b", &note{})
		noError(t, err)
		_, _, err = s.Delete("notes", "a")
		noError(t, err)
		want := []string{"create a 1", "sync  1", "create b 2", "delete a 3"}
		var got []string
		for range want {
			got = append(got, (<-events).Object)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		cancel()
		cancel()
		<-r.closed
		_, err = s.Set("notes", "c", &note{})
		noError(t, err)
		if e, ok := <-events; ok {
			t.Errorf("after the end came %v", e)
		}
	})
}

// What is converted to an error is the last event, and then the reader is closed.
func TestWatchFromError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPacked(t, gomap.PackedOptions[*note]{})
		r := newLines(t, s)
		cause := errors.New("not this one")
		events, cancel := gomap.WatchFrom(r, 10, func(line string) *store.Event[string] {
			if line == "create b 2" {
				return &store.Event[string]{EventType: store.EventTypeError, Err: cause}
			}
			return asEvent(line)
		})
		defer cancel()
		for _, key := range []string{"a", "b", "c"} {
			_, err := s.Set("notes", key, &note{})
			noError(t, err)
		}
		<-r.closed
		var got []string
		for e := range events {
			got = append(got, fmt.Sprint(e.EventType, " ", e.Object, e.Err))
		}
		if want := []string{"update create a 1<nil>", "error not this one"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A watch ends with its store: what there is room for is delivered, and no error.
func TestWatchFromEndsWithStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPacked(t, gomap.PackedOptions[*note]{})
		r := newLines(t, s)
		events, cancel := gomap.WatchFrom(r, 1, asEvent)
		defer cancel()
		for _, key := range []string{"a", "b", "c"} {
			_, err := s.Set("notes", key, &note{})
			noError(t, err)
		}
		synctest.Wait() // it waits to send the second
		noError(t, s.Close())
		<-r.closed
		var got []string
		for e := range events {
			got = append(got, e.Object)
		}
		if !slices.Equal(got, []string{"create a 1"}) {
			t.Errorf("got %q", got)
		}
	})
}

// brokenReader is a reader that has failed.
type brokenReader struct {
	lines
	err error
}

func (f brokenReader) Changes() iter.Seq[string] { return func(func(string) bool) {} }
func (f brokenReader) Err() error                { return f.err }

// A reader that fails ends the watch with its error, and one whose store was closed without any.
func TestWatchFromFailingReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPacked(t, gomap.PackedOptions[*note]{})
		for cause, want := range map[error]int{errors.New("it broke"): 1, fmt.Errorf("it: %w", store.ErrClosed): 0} {
			r := brokenReader{newLines(t, s), cause}
			events, cancel := gomap.WatchFrom(r, 10, asEvent)
			<-r.closed
			n := 0
			for e := range events {
				if n++; e.EventType != store.EventTypeError || e.Kind != "notes" || !errors.Is(e.Err, cause) {
					t.Errorf("%v: got %+v", cause, e)
				}
			}
			cancel()
			if n != want {
				t.Errorf("%v: %d events, want %d", cause, n, want)
			}
		}
	})
}

// The channel of a watch takes no more memory than it has to, however great the buffer.
func TestWatchFromHugeBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPacked(t, gomap.PackedOptions[*note]{})
		events, cancel := gomap.WatchFrom(newLines(t, s), math.MaxInt, asEvent)
		cancel()
		if n := cap(events); n == 0 || n > 1<<20 {
			t.Errorf("the channel has room for %d", n)
		}
		for range events {
		}
	})
}
