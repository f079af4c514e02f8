package gomap_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// Linearizability: whatever goroutines do at the same time, each call takes effect
// at one moment between its beginning and its return. Clients write down what they
// called, what came back and when; porcupine looks for an order of the calls that
// fits the times and a map (see step).

// recorded are the keys that histories are about. A store holds others besides, so
// that it has something to compact and to grow.
var recorded = [...]string{"a", "b", "c", "d"}

// contents are the values of the recorded keys; 0 means absent.
type contents [len(recorded)]int

func (c contents) count() (n int) {
	for _, v := range c {
		if v != 0 {
			n++
		}
	}
	return n
}

// call is what a client called, and outcome what came back.
type call struct {
	method string
	key    int      // of recorded
	value  int      // to be written
	batch  contents // to be written by SetAll and Replace
}

type outcome struct {
	value    int  // that was read, or seen by SetFn, or deleted; or the count
	done     bool // ok, created, changed, existed
	contents contents
}

// step says what a call does to a map, and whether that would come back.
func step(c contents, in call, out outcome) (fits bool, after contents) {
	had := c[in.key]
	switch in.method {
	case "Get":
		return out.value == had && out.done == (had != 0), c
	case "Set":
		c[in.key] = in.value
		return out.done == (had == 0), c
	case "SetFn":
		if had != 0 {
			c[in.key] = in.value
		}
		return out.value == had && out.done == (had != 0), c
	case "Delete":
		c[in.key] = 0
		return out.value == had && out.done == (had != 0), c
	case "SetAll":
		for i, v := range in.batch {
			if v != 0 {
				c[i] = v
			}
		}
		return true, c
	case "Replace":
		return true, in.batch
	case "Count":
		return out.value == c.count(), c
	default: // the reads of everything
		return out.contents == c, c
	}
}

var model = porcupine.Model{
	Init: func() any { return contents{} },
	Step: func(state, input, output any) (bool, any) {
		return step(state.(contents), input.(call), output.(outcome))
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// modelByKey is for histories of calls that are about one key each. It is checked key
// by key, which allows for longer ones.
var modelByKey = func() porcupine.Model {
	m := model
	m.Partition = func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, len(recorded))
		for _, op := range history {
			key := op.Input.(call).key
			parts[key] = append(parts[key], op)
		}
		return parts
	}
	return m
}()

// numbers is a store under test.
type numbers interface {
	store.Store[int]
	Snapshot(kind string) (*gomap.Snapshot[int], error)
	ByIndex(kind, name, value string) (iter.Seq2[string, int], error)
}

// fillers is how many keys a store has that are not recorded, unless a test adds more.
const fillers = 100

// openNumbers returns a store with fillers and an index that tells them apart.
func openNumbers(t *testing.T) *gomap.MemStore[int] {
	s := gomap.NewMemStore[int](store.StoreOptions[int]{})
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.AddIndex("numbers", "role", func(key string, _ int) ([]string, error) {
		if len(key) == 1 {
			return []string{"recorded"}, nil
		}
		return []string{"filler"}, nil
	}))
	must(t, s.SetAll("numbers", withFillers(contents{}, 0)))
	return s
}

// withFillers returns a batch and the fillers at a value.
func withFillers(batch contents, value int) map[string]int {
	values := make(map[string]int, fillers+len(batch))
	for i := range fillers {
		values["filler-"+strconv.Itoa(i)] = value
	}
	for i, v := range batch {
		if v != 0 {
			values[recorded[i]] = v
		}
	}
	return values
}

// client makes calls, one after another, and writes them down. Clients share nothing
// but the store: a common counter instead of the clock would order their accesses
// for the race detector.
type client struct {
	t       *testing.T
	id      int
	store   numbers
	begin   time.Time
	history []porcupine.Operation
}

func (c *client) call(in call) {
	op := porcupine.Operation{ClientId: c.id, Input: in, Call: time.Since(c.begin).Nanoseconds()}
	out, err := c.make(in)
	op.Output, op.Return = out, time.Since(c.begin).Nanoseconds()
	if err != nil {
		c.t.Errorf("%+v: %v", in, err)
	}
	c.history = append(c.history, op)
}

func (c *client) make(in call) (out outcome, err error) {
	const kind = "numbers"
	key := recorded[in.key]
	switch in.method {
	case "Get":
		out.value, out.done, err = c.store.Get(kind, key)
	case "Set":
		out.done, err = c.store.Set(kind, key, in.value)
	case "SetFn":
		out.done, err = c.store.SetFn(kind, key, func(value int) (int, error) {
			out.value = value
			return in.value, nil
		})
		if errors.Is(err, store.ErrKeyNotFound) {
			err = nil
		}
	case "Delete":
		out.done, out.value, err = c.store.Delete(kind, key)
	case "SetAll":
		err = c.store.SetAll(kind, withFillers(in.batch, in.value))
	case "Replace":
		err = c.store.Replace(kind, withFillers(in.batch, in.value))
	case "Count":
		out.value, err = c.store.Count(kind)
		out.value -= fillers
	case "List":
		var list map[string]int
		list, err = c.store.List(kind)
		for i, key := range recorded {
			out.contents[i] = list[key]
		}
	case "Snapshot":
		var snapshot *gomap.Snapshot[int]
		if snapshot, err = c.store.Snapshot(kind); err == nil {
			out.contents = only(snapshot.All())
		}
	case "ByIndex":
		var found iter.Seq2[string, int]
		if found, err = c.store.ByIndex(kind, "role", "recorded"); err == nil {
			out.contents = only(found)
		}
	}
	return out, err
}

// only returns the recorded keys of a sequence.
func only(seq iter.Seq2[string, int]) (c contents) {
	for key, value := range seq {
		for i := range recorded {
			if recorded[i] == key {
				c[i] = value
			}
		}
	}
	return c
}

// clients returns clients of a store whose recorded keys are absent.
func clients(t *testing.T, s numbers, n int) []*client {
	for _, key := range recorded {
		_, _, err := s.Delete("numbers", key)
		must(t, err)
	}
	begin := time.Now()
	all := make([]*client, n)
	for id := range all {
		all[id] = &client{t: t, id: id, store: s, begin: begin}
	}
	return all
}

// judge checks what clients have written down.
func judge(all []*client, m porcupine.Model) porcupine.CheckResult {
	var history []porcupine.Operation
	for _, c := range all {
		history = append(history, c.history...)
	}
	return porcupine.CheckOperationsTimeout(m, history, time.Minute)
}

// hurry has four clients make calls at the same time.
func hurry(t *testing.T, s numbers, r *rand.Rand, calls int, methods ...string) []*client {
	all := clients(t, s, 4)
	var wg sync.WaitGroup
	for _, c := range all {
		r := rand.New(rand.NewPCG(r.Uint64(), 0))
		wg.Go(func() {
			for n := range calls {
				// Each value is written once, so that a read tells which write it saw.
				in := call{method: methods[r.IntN(len(methods))], key: r.IntN(len(recorded)), value: 10*(n+1) + c.id}
				for i := range in.batch {
					in.batch[i] = r.IntN(2) * in.value
				}
				c.call(in)
			}
		})
	}
	wg.Wait()
	return all
}

// Calls about one key are linearizable while others write to the same kind: its log
// is compacted, its map of keys grows and shrinks, and a cursor keeps old versions.
func TestLinearizableByKey(t *testing.T) {
	const histories, calls = 100, 100
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := openNumbers(t)
	stop := press(t, s)
	defer stop()
	for n := range histories {
		all := hurry(t, s, r, calls, "Get", "Get", "Set", "Set", "SetFn", "Delete")
		if result := judge(all, modelByKey); result != porcupine.Ok {
			t.Fatalf("history %d: %s", n, result)
		}
	}
}

// press writes other keys of the kind until stop: it overwrites, adds and deletes.
// Meanwhile a cursor follows, now close behind and now far.
func press(t *testing.T, s *gomap.MemStore[int]) (stop func()) {
	done := make(chan struct{})
	stopped := func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	cursor, err := s.Cursor("numbers", store.WithInitialReplay[int]())
	must(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		const passing = 3000
		for n := 1; !stopped(); n++ {
			key := "passing-" + strconv.Itoa(n%passing)
			var err error
			if n/passing%2 == 0 {
				_, err = s.Set("numbers", key, n)
			} else {
				_, _, err = s.Delete("numbers", key)
			}
			if err == nil {
				_, err = s.Set("numbers", "filler-"+strconv.Itoa(n%fillers), n)
			}
			if err != nil {
				t.Errorf("a writer of other keys: %v", err)
				return
			}
		}
	})
	wg.Go(func() {
		defer cursor.Close()
		state := make(map[string]int)
		for n := 1; ; n++ {
			select {
			case <-done:
				return
			case <-cursor.Ready():
			}
			left := n * 37 % 4000
			for e := range cursor.Changes() {
				if e.EventType == store.EventTypeUpdate && state[e.Name] != e.Old {
					t.Errorf("cursor: %s is updated from %d, was %d", e.Name, e.Old, state[e.Name])
				}
				state[e.Name] = e.Object
				if left--; left <= 0 {
					break
				}
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// Batches, and reads of the whole kind, are linearizable with everything else: nobody
// sees half of a batch. Each batch overwrites the fillers, so that every few of them
// the log is compacted.
func TestLinearizableBatches(t *testing.T) {
	const histories, calls = 300, 10
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := openNumbers(t)
	for n := range histories {
		all := hurry(t, s, r, calls, "Get", "Set", "SetFn", "Delete", "SetAll", "SetAll", "Replace", "Count", "List", "Snapshot", "ByIndex")
		if result := judge(all, model); result != porcupine.Ok {
			t.Fatalf("history %d: %s", n, result)
		}
	}
}

// A store that is not linearizable is found out.
func TestLinearizabilityCanFail(t *testing.T) {
	for name, test := range map[string]struct {
		breakIt func(s *gomap.MemStore[int], meanwhile func()) numbers
		calls   func(first, second *client) (meanwhile func(), calls []call)
	}{
		"a read that is late": {
			func(s *gomap.MemStore[int], _ func()) numbers { return &staleReads{MemStore: s} },
			func(_, _ *client) (func(), []call) {
				return nil, []call{{method: "Set", value: 1}, {method: "Get"}, {method: "Set", value: 2}, {method: "Get"}}
			},
		},
		"a batch in parts": {
			func(s *gomap.MemStore[int], meanwhile func()) numbers { return &tornBatches{s, meanwhile} },
			func(_, second *client) (func(), []call) {
				return func() { second.call(call{method: "List"}) }, []call{{method: "SetAll", batch: contents{1, 1}}}
			},
		},
		"a lost update": {
			func(s *gomap.MemStore[int], meanwhile func()) numbers { return &lostUpdates{s, meanwhile} },
			func(_, second *client) (func(), []call) {
				return func() { second.call(call{method: "Delete"}) }, []call{{method: "Set", value: 1}, {method: "SetFn", value: 2}, {method: "Get"}}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, broken := range []bool{false, true} {
				var subject numbers = openNumbers(t)
				sound := subject.(*gomap.MemStore[int])
				all := clients(t, sound, 2)
				meanwhile, calls := test.calls(all[0], all[1])
				if broken {
					subject = test.breakIt(sound, meanwhile)
				}
				all[0].store = subject
				for _, in := range calls {
					all[0].call(in)
				}
				want := porcupine.Ok
				if broken {
					want = porcupine.Illegal
				}
				if got := judge(all, model); got != want {
					t.Errorf("broken: %t: judged %s, want %s", broken, got, want)
				}
			}
		})
	}
}

// staleReads answers with what the last read should have.
type staleReads struct {
	*gomap.MemStore[int]
	value int
	ok    bool
}

func (s *staleReads) Get(kind, key string) (value int, ok bool, err error) {
	value, ok = s.value, s.ok
	s.value, s.ok, err = s.MemStore.Get(kind, key)
	return value, ok, err
}

// tornBatches writes the keys of a batch one after another.
type tornBatches struct {
	*gomap.MemStore[int]
	meanwhile func()
}

func (s *tornBatches) SetAll(kind string, values map[string]int) error {
	_, err := s.Set(kind, recorded[0], values[recorded[0]])
	s.meanwhile()
	return errors.Join(err, s.MemStore.SetAll(kind, values))
}

// lostUpdates lets others write while SetFn is under way.
type lostUpdates struct {
	*gomap.MemStore[int]
	meanwhile func()
}

func (s *lostUpdates) SetFn(kind, key string, fn func(int) (int, error)) (bool, error) {
	value, ok, err := s.Get(kind, key)
	if err != nil || !ok {
		return false, err
	}
	s.meanwhile()
	value, err = fn(value)
	if err == nil {
		_, err = s.Set(kind, key, value)
	}
	return true, err
}
