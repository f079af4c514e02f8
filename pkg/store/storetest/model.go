package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

// testModel lets many goroutines write at random while watchers read, stall and
// come and go. The model is the history: every change in order, as one watcher
// with room for all of them saw it. It must hold that
//
//   - a replay shows the content that the history has at its revision,
//   - every event that any watcher gets is one of the history,
//   - every watcher's content, rebuilt from its events alone and checked at each
//     step (see observer), is that of the store in the end.
func testModel(t *testing.T, open Open) {
	const writers, writes, watchers = 4, 3000, 12
	random := newRand(t)
	s := newStore(t, open)
	history := newHistory(watch(t, s, store.WithBufferSize[Value](writers*writes*20), store.WithoutCoalescing[Value]()))
	clock := newTicker()

	var writing, watching sync.WaitGroup
	for range writers {
		r := rand.New(rand.NewPCG(random.Uint64(), 0))
		writing.Go(func() {
			for range writes {
				if err := randomWrite(r, s); err != nil {
					t.Errorf("write: %v", err)
					return
				}
				clock.tick()
			}
		})
	}
	replays := make(chan replay, 10_000)
	final := make(chan *observer, watchers)
	for range watchers {
		r := rand.New(rand.NewPCG(random.Uint64(), 0))
		watching.Go(func() { final <- randomWatcher(t, r, s, clock, replays) })
	}
	writing.Wait()
	clock.stop()
	_, err := s.Set(kind, lastKey, Value{})
	noError(t, err)
	watching.Wait()
	close(replays)
	close(final)
	history.read()

	want := list(t, s)
	history.observer.equals(want)
	for o := range final {
		o.equals(want)
	}
	for r := range replays {
		if content := history.at(r.revision); !maps.Equal(content, r.content) {
			t.Fatalf("a replay at revision %d shows %d keys %.200v, the history has %d keys %.200v",
				r.revision, len(r.content), r.content, len(content), content)
		}
		for _, e := range r.events {
			if !history.has(e) {
				t.Fatalf("an event that is not in the history: %+v", e)
			}
		}
	}
}

// lastKey is written when all else is done.
const lastKey = "~last"

func randomWrite(r *rand.Rand, s store.Store[Value]) error {
	const keys = 40
	key := func() string { return fmt.Sprintf("key-%02d", r.IntN(keys)) }
	value := func() Value { return Value{N: r.IntN(1000), Text: "text"} }
	some := func(n int) map[string]Value {
		values := make(map[string]Value)
		for range n {
			values[key()] = value()
		}
		return values
	}
	var err error
	switch p := r.IntN(100); {
	case p < 60:
		_, err = s.Set(kind, key(), value())
	case p < 70:
		k := key()
		if _, ok, _ := s.Get(kind, k); !ok {
			_, err = s.Set(kind, k, value())
			break
		}
		if _, fnErr := s.SetFn(kind, k, func(v Value) (Value, error) { v.N++; return v, nil }); !errors.Is(fnErr, store.ErrKeyNotFound) {
			err = fnErr
		}
	case p < 90:
		_, _, err = s.Delete(kind, key())
	case p < 97:
		err = s.SetAll(kind, some(5))
	default:
		err = s.Replace(kind, some(20))
	}
	return err
}

// replay is what one watch showed: the content at a revision, and the events
// after it.
type replay struct {
	revision uint64
	content  map[string]Value
	events   []store.Event[Value]
}

// randomWatcher watches again and again, each time for a random number of events
// with random stalls; the last time until the end. It returns the last observer.
func randomWatcher(t *testing.T, r *rand.Rand, s store.Store[Value], clock *ticker, replays chan<- replay) *observer {
	for {
		o := watch(t, s, store.WithInitialReplay[Value](), store.WithSyncMarker[Value](), store.WithBufferSize[Value](r.IntN(40)))
		result := replay{revision: o.untilSync()}
		result.content = maps.Clone(o.state)
		for left := r.IntN(4000); ; left-- {
			if _, ended := o.state[lastKey]; ended {
				replays <- result
				o.cancel()
				return o
			}
			if left <= 0 {
				break
			}
			if r.IntN(50) == 0 {
				clock.wait(r.IntN(500))
			}
			result.events = append(result.events, *o.next())
		}
		replays <- result
		o.cancel()
		// A cancelled channel is closed, whatever is still in it.
		for range o.events {
		}
	}
}

// history is every change in the order of revisions.
type history struct {
	observer *observer
	events   []store.Event[Value]
	index    map[uint64]int
}

func newHistory(o *observer) *history { return &history{observer: o, index: make(map[uint64]int)} }

func (h *history) read() {
	for {
		e := h.observer.next()
		if e.EventType == store.EventTypeError {
			h.observer.t.Fatalf("the watcher that has room for everything: %v", e.Err)
		}
		h.index[e.Revision] = len(h.events)
		h.events = append(h.events, *e)
		if e.Name == lastKey {
			return
		}
	}
}

// at returns the content at a revision.
func (h *history) at(revision uint64) map[string]Value {
	content := make(map[string]Value)
	for _, e := range h.events {
		if e.Revision > revision {
			break
		}
		if e.EventType == store.EventTypeDelete {
			delete(content, e.Name)
		} else {
			content[e.Name] = e.Object
		}
	}
	return content
}

// has tells whether an event is one of the history. A coalesced one may say
// create for what was an update.
func (h *history) has(e store.Event[Value]) bool {
	i, ok := h.index[e.Revision]
	if !ok {
		return false
	}
	was := h.events[i]
	deleted := e.EventType == store.EventTypeDelete
	return was.Name == e.Name && was.Object == e.Object && deleted == (was.EventType == store.EventTypeDelete) &&
		(e.Coalesced || was.EventType == e.EventType)
}

// ticker counts writes, so that a stall can last for a number of them.
type ticker struct {
	mu      sync.Mutex
	cond    *sync.Cond
	now     int
	stopped bool
}

func newTicker() *ticker {
	c := &ticker{}
	c.cond = sync.NewCond(&c.mu)
	return c
}

func (c *ticker) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	c.cond.Broadcast()
}

func (c *ticker) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.cond.Broadcast()
}

// wait returns after n more ticks, or when there will be no more.
func (c *ticker) wait(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for until := c.now + n; c.now < until && !c.stopped; {
		c.cond.Wait()
	}
}
