package gomap

import (
	"fmt"
	"maps"
	"math"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

const digestKeys = 1000

// counters is a store of numbers, which are how often each was written.
type counters struct {
	*MemStore[int]
	t      *testing.T
	writes int
}

func newCounters(t *testing.T) *counters {
	s := &counters{MemStore: NewMemStore(store.StoreOptions[int]{}), t: t}
	s.write(digestKeys)
	return s
}

// write writes so many times, to one key after another.
func (s *counters) write(n int) {
	for range n {
		if _, err := s.Set("counters", fmt.Sprint(s.writes%digestKeys), s.writes/digestKeys+1); err != nil {
			s.t.Fatal(err)
		}
		s.writes++
	}
}

func (s *counters) cursor() *counted {
	c, err := s.Cursor("counters", store.WithInitialReplay[int]())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return &counted{Cursor: c, t: s.t, seen: map[string]int{}}
}

// wantNoDigest checks that nothing is kept for cursors that have read all or were closed.
func (s *counters) wantNoDigest() {
	s.t.Helper()
	table := s.kinds.lookup("counters")
	for _, d := range table.digests.open {
		s.t.Errorf("a digest is left, with %d readers", d.readers)
	}
	if ps := table.holds.below(math.MaxUint64, table.board.below(math.MaxUint64)); len(ps) > 0 {
		s.t.Errorf("pins are left: %v", ps)
	}
}

// counted is a cursor whose reader knows what it was told.
type counted struct {
	*Cursor[int]
	t    *testing.T
	seen map[string]int
	rev  uint64
}

// read reads so many events, or all there are, and checks each against those before.
func (c *counted) read(most int) (events, coalesced int) {
	for e := range c.Changes() {
		old, known := c.seen[e.Name]
		switch {
		case e.Revision <= c.rev:
			c.t.Errorf("%s: revision %d after %d", e.Name, e.Revision, c.rev)
		case known != (e.EventType == store.EventTypeUpdate) || e.Old != old:
			c.t.Errorf("%s: %s from %d to %d, the reader knows %d (%t)", e.Name, e.EventType, e.Old, e.Object, old, known)
		case e.Coalesced != (known && e.Object > old+1):
			c.t.Errorf("%s: from %d to %d, coalesced: %t", e.Name, old, e.Object, e.Coalesced)
		}
		c.seen[e.Name], c.rev = e.Object, e.Revision
		if e.Coalesced {
			coalesced++
		}
		if events++; events == most {
			break
		}
	}
	return events, coalesced
}

// wantStore compares what the reader was told with the store.
func (c *counted) wantStore(s *counters) {
	c.t.Helper()
	for key, value := range c.seen {
		if got, _, err := s.Get("counters", key); err != nil || got != value {
			c.t.Errorf("%s is %d (%v), a reader was told %d", key, got, err, value)
		}
	}
}

// Cursors that have fallen behind read one digest, from wherever each of them was.
func TestDigestIsShared(t *testing.T) {
	s := newCounters(t)
	defer s.Close()
	var cursors []*counted
	for range 10 {
		c := s.cursor()
		c.read(math.MaxInt)
		cursors = append(cursors, c)
		s.write(10)
	}
	s.write(5 * digestKeys)
	for i, c := range cursors {
		before := c.Revision()
		if n, coalesced := c.read(1); n != 1 || coalesced != 1 {
			t.Errorf("cursor %d: %d events, %d coalesced", i, n, coalesced)
		}
		if c.Revision() != before {
			t.Errorf("cursor %d: at revision %d while much is left of what leads on from %d", i, c.Revision(), before)
		}
		if open := s.kinds.lookup("counters").digests.open; len(open) != 1 || open[0].readers != i+1 || len(open[0].changed) != digestKeys {
			t.Fatalf("%d cursors read, the digests are %+v", i+1, open)
		}
	}

	// What is written meanwhile comes after the digest, which stays as it is.
	s.write(5 * digestKeys)
	for i, c := range cursors {
		if n, _ := c.read(math.MaxInt); n != 2*digestKeys-1 {
			t.Errorf("cursor %d: %d events after the first", i, n)
		}
		if w := s.kinds.lookup("counters").log.view(); c.Revision() != w.rev {
			t.Errorf("cursor %d: ends at revision %d of %d", i, c.Revision(), w.rev)
		}
	}
	s.wantNoDigest()
}

// A cursor that is further behind than those who share a digest cannot use it.
func TestDigestOfOneFurtherBehind(t *testing.T) {
	s := newCounters(t)
	defer s.Close()
	snap, err := s.Snapshot("counters")
	if err != nil {
		t.Fatal(err)
	}
	s.write(digestKeys / 2)
	late := s.cursor()
	late.read(math.MaxInt)
	s.write(5 * digestKeys)
	late.read(1)

	c, err := snap.Cursor()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	early := &counted{Cursor: c, t: t, seen: maps.Collect(snap.All())}
	snap.Close()
	for _, c := range []*counted{early, late} {
		c.read(math.MaxInt)
		c.wantStore(s)
	}
	s.wantNoDigest()
}

// A cursor that is closed gives its digest up, wherever its reader is.
func TestDigestOfClosedCursor(t *testing.T) {
	s := newCounters(t)
	defer s.Close()
	for range 20 {
		var cursors []*counted
		for range 4 {
			c := s.cursor()
			c.read(math.MaxInt)
			cursors = append(cursors, c)
		}
		s.write(3 * digestKeys)
		cursors[0].read(1)
		cursors[0].Close()
		var wg sync.WaitGroup
		for _, c := range cursors {
			wg.Go(func() { c.read(math.MaxInt) })
			wg.Go(c.Close)
		}
		wg.Go(func() { s.write(digestKeys) })
		wg.Wait()
		s.wantNoDigest()
	}
}

// A cursor that was left long ago does not make the digests of others longer.
func TestDigestOfTheSlowest(t *testing.T) {
	const keys = 300
	s := newCounters(t)
	defer s.Close()
	abandoned := s.cursor()
	abandoned.read(math.MaxInt)
	s.write(20 * digestKeys)
	set := func(key, value int) {
		if _, err := s.Set("counters", fmt.Sprint(key), -value); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 * digestKeys {
		set(0, i+1)
	}
	c := s.cursor()
	c.read(math.MaxInt)
	for i := range 4 * keys {
		set(i%keys, 10*digestKeys+i)
	}
	abandoned.read(1)
	for range c.Changes() {
		if n := len(c.digest.Load().changed); n != keys {
			t.Errorf("the digest of a cursor that missed changes of %d keys has %d", keys, n)
		}
		break
	}
}
