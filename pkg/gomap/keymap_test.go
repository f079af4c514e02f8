package gomap

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"
)

// item is an element of the tests' maps.
type item struct {
	name  string
	value int
}

// The map takes the first field of its elements for their keys.
func TestKeysAreFirst(t *testing.T) {
	if p := unsafe.Offsetof(version[int]{}.name) + unsafe.Offsetof(posting[int]{}.value) + unsafe.Offsetof(table[int]{}.history) +
		unsafe.Offsetof(history[int]{}.stream) + unsafe.Offsetof(stream[int]{}.kind); p != 0 {
		t.Error("an element of a map does not begin with its key")
	}
}

// The map is compared with Go's own after random operations, across growth,
// splits and shrinking.
func TestKeymapModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	m, model := newKeymap[item](), make(map[string]*item)
	check := func(key string) {
		t.Helper()
		if got := m.get(key); got != model[key] {
			t.Fatalf("get(%s): %v, want %v", key, got, model[key])
		}
	}
	for n, phase := range []struct{ keys, operations, removals int }{
		{30, 1000, 5}, {50_000, 120_000, 2}, {50_000, 100_000, 8}, {100, 10_000, 5}, {20_000, 50_000, 1},
	} {
		for range phase.operations {
			key := fmt.Sprint(r.IntN(phase.keys))
			if r.IntN(10) < phase.removals {
				if e := model[key]; e != nil {
					m.remove(e)
					m.remove(&item{name: key}) // not the key's element: nothing happens
					delete(model, key)
				}
			} else {
				model[key] = &item{key, n}
				m.put(model[key])
			}
			check(key)
			check(fmt.Sprint(r.IntN(phase.keys)))
		}
		all := make(map[string]*item)
		for e := range m.all() {
			all[e.name] = e
		}
		if len(all) != len(model) {
			t.Fatalf("all yields %d keys, want %d", len(all), len(model))
		}
		for key := range model {
			check(key)
		}
	}
	if depth := 64 - m.directory.Load().shift; depth < 3 {
		t.Fatalf("the directory is only %d deep: the test is to split segments", depth)
	}
	for _, e := range model {
		m.remove(e)
	}
	for i := range m.directory.Load().segments {
		if s := m.directory.Load().segments[i].Load(); len(s.buckets) > 1 {
			t.Fatalf("an empty segment has %d buckets", len(s.buckets))
		}
	}
}

// A reader finds every key that is there all the time, while the writer puts
// and removes others and replaces segments.
func TestKeymapReadersDuringGrowth(t *testing.T) {
	m := newKeymap[item]()
	const steady = 100
	for i := range steady {
		m.put(&item{fmt.Sprint("steady-", i), i})
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for round := range 10 {
			var passing []*item
			for i := range 8000 {
				e := &item{fmt.Sprint("passing-", round, "-", i), i}
				passing = append(passing, e)
				m.put(e)
			}
			for _, e := range passing {
				m.remove(e)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i = (i + 1) % steady {
				if e := m.get(fmt.Sprint("steady-", i)); e == nil || e.value != i {
					t.Errorf("get(steady-%d): %v", i, e)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	wg.Wait()
}

// A reader never gets the element of another key, while elements take the places of
// those that were removed.
func TestKeymapReadersDuringTurnover(t *testing.T) {
	const keys, rounds = 50, 20_000
	m := newKeymap[item]()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		var last *item
		for round := range rounds {
			next := &item{fmt.Sprint(round % keys), round}
			m.put(next)
			if last != nil {
				m.remove(last)
			}
			last = next
		}
	})
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i = (i + 1) % keys {
				if e := m.get(fmt.Sprint(i)); e != nil && e.name != fmt.Sprint(i) {
					t.Errorf("get(%d): %v", i, e)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	wg.Wait()
}
