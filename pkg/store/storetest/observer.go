package storetest

import (
	"fmt"
	"maps"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

// observer consumes one watch and rebuilds the kind's content from its events,
// beginning with nothing: without a replay it is to watch keys that are new.
// Each event is checked against what the observer has: the invariants of the
// Watch contract hold at every step, not only in the end.
type observer struct {
	t      testing.TB
	events <-chan *store.Event[Value]
	cancel func()

	state     map[string]Value
	revision  uint64
	seen      int // creates, updates and deletes
	coalesced int
}

// watch begins a watch that is cancelled when the test is over.
func watch(t testing.TB, s store.Store[Value], opts ...store.WatchOption[Value]) *observer {
	t.Helper()
	events, cancel, err := s.Watch(kind, opts...)
	noError(t, err)
	t.Cleanup(cancel)
	return &observer{t: t, events: events, cancel: cancel, state: make(map[string]Value)}
}

// next takes one event; nil when the channel is closed.
func (o *observer) next() *store.Event[Value] {
	e, ok := <-o.events
	if !ok {
		return nil
	}
	if e == nil {
		o.t.Fatal("a nil event")
	}
	if err := o.apply(e); err != nil {
		o.t.Fatalf("event %+v: %v", *e, err)
	}
	return e
}

// apply updates the state. It returns an error for an event that can't follow
// from the state.
func (o *observer) apply(e *store.Event[Value]) error {
	if e.Kind != kind {
		return fmt.Errorf("of kind %q", e.Kind)
	}
	if e.EventType == store.EventTypeSync || e.EventType == store.EventTypeError {
		return nil
	}
	if e.Revision <= o.revision {
		return fmt.Errorf("out of order, after revision %d", o.revision)
	}
	o.revision = e.Revision
	o.seen++
	if e.Coalesced {
		o.coalesced++
	}
	had, known := o.state[e.Name]
	switch e.EventType {
	case store.EventTypeCreate:
		if known {
			return fmt.Errorf("creates a key that exists")
		}
		if e.Old != (Value{}) {
			return fmt.Errorf("create with an old value")
		}
		o.state[e.Name] = e.Object
	case store.EventTypeUpdate:
		if !known {
			return fmt.Errorf("updates a key that does not exist")
		}
		if e.Old != had {
			return fmt.Errorf("old value is not %+v, which this watcher saw last", had)
		}
		o.state[e.Name] = e.Object
	case store.EventTypeDelete:
		if !known {
			return fmt.Errorf("deletes a key that does not exist")
		}
		if e.Old != e.Object {
			return fmt.Errorf("object and old value of a delete differ")
		}
		if !e.Coalesced && e.Old != had {
			return fmt.Errorf("old value is not %+v, which this watcher saw last", had)
		}
		delete(o.state, e.Name)
	default:
		return fmt.Errorf("of unknown type")
	}
	return nil
}

// expect takes as many events as are given, as "type key", and compares.
func (o *observer) expect(want ...string) {
	o.t.Helper()
	for _, w := range want {
		e := o.next()
		if e == nil {
			o.t.Fatalf("the channel is closed, want %q", w)
		}
		if got := fmt.Sprintf("%s %s", e.EventType, e.Name); got != w {
			o.t.Fatalf("got event %q, want %q", got, w)
		}
	}
}

// untilSync reads up to the sync marker and returns its revision.
func (o *observer) untilSync() uint64 {
	for {
		e := o.next()
		if e == nil {
			o.t.Fatal("the channel is closed, want the sync marker")
		}
		if e.EventType == store.EventTypeSync {
			return e.Revision
		}
	}
}

// untilKey reads up to an event of a key.
func (o *observer) untilKey(key string) *store.Event[Value] {
	for {
		e := o.next()
		if e == nil {
			o.t.Fatalf("the channel is closed, want an event of %q", key)
		}
		if e.Name == key {
			return e
		}
	}
}

// equals fails the test if the state is not want.
func (o *observer) equals(want map[string]Value) {
	o.t.Helper()
	if !maps.Equal(o.state, want) {
		o.t.Fatalf("an observer that was given %d events (%d coalesced) has %d keys %.200v, the store %d keys %.200v",
			o.seen, o.coalesced, len(o.state), o.state, len(want), want)
	}
}
