package gomap_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

func TestCursor(t *testing.T) {
	s := gomap.NewMemStore[int](store.StoreOptions[int]{})
	defer s.Close()
	for i := range 10 {
		_, err := s.Set("numbers", fmt.Sprint(i), i)
		must(t, err)
	}
	c, err := s.Cursor("numbers", store.WithInitialReplay[int](), store.WithSyncMarker[int]())
	must(t, err)
	defer c.Close()
	<-c.Ready()

	// A reader that breaks off goes on with the next event, in the replay and later.
	read := func(n int) (names []string) {
		if n == 0 {
			return nil
		}
		for e := range c.Changes() {
			names = append(names, string(e.EventType)+" "+e.Name)
			if len(names) == n {
				break
			}
		}
		return names
	}
	wantKeys(t, "beginning of the replay", read(2), "create 0", "create 1")
	snap, err := s.Snapshot("numbers")
	must(t, err)
	if c.Revision() >= snap.Revision() {
		t.Fatalf("revision %d before the replay was read", c.Revision())
	}
	if got := read(100); len(got) != 9 || got[8] != "sync " {
		t.Fatalf("rest of the replay: %v", got)
	}
	if c.Revision() != snap.Revision() {
		t.Fatalf("revision %d after the replay, want %d", c.Revision(), snap.Revision())
	}
	if got := read(1); got != nil {
		t.Fatalf("changes without a write: %v", got)
	}
	for i := range 3 {
		_, err := s.Set("numbers", "new", i)
		must(t, err)
	}
	<-c.Ready()
	wantKeys(t, "one change", read(1), "create new")
	wantKeys(t, "the others", read(5), "update new", "update new")

	// After Close of the store comes what was written before, then the error.
	_, err = s.Set("numbers", "last", 1)
	must(t, err)
	must(t, s.Close())
	<-c.Ready()
	if c.Err() != nil {
		t.Fatalf("error %v before the last change was read", c.Err())
	}
	wantKeys(t, "last change", read(5), "create last")
	if !errors.Is(c.Err(), store.ErrClosed) {
		t.Fatalf("error %v, want ErrClosed", c.Err())
	}
	if _, err := s.Cursor("numbers"); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("Cursor of a closed store: %v", err)
	}
}
