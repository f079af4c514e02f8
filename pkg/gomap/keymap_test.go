package gomap

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// The map is compared with Go's own after random operations, across rebuilds.
func TestKeymapModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	m, model := newKeymap[int](), make(map[string]int)
	entries := make(map[string]*entry[int])
	for n := range 100_000 {
		key := fmt.Sprint(r.IntN(1 + n/20%3000)) // grows, and falls back to a few
		switch {
		case r.IntN(2) == 0:
			value := n
			entries[key] = m.set(key, &value)
			model[key] = n
		case entries[key] != nil:
			m.remove(entries[key])
			delete(entries, key)
			delete(model, key)
		}
		m.trim()
		probe := fmt.Sprint(r.IntN(3000))
		got := m.get(probe)
		if want, ok := model[probe]; ok != (got != nil) || ok && *got != want {
			t.Fatalf("get(%s) after %d operations: %v, want %d, %t", probe, n, got, want, ok)
		}
	}
	n := 0
	for key := range m.keys() {
		n++
		if _, ok := model[key]; !ok {
			t.Fatalf("keys yields %s, which is not there", key)
		}
	}
	if n != len(model) {
		t.Fatalf("keys yields %d keys, want %d", n, len(model))
	}
}

// A reader finds every key that is there all the time, while the writer inserts
// and removes others and rebuilds the table.
func TestKeymapReadersDuringRebuild(t *testing.T) {
	m := newKeymap[int]()
	const steady = 100
	for i := range steady {
		m.set(fmt.Sprint("steady-", i), &i)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for round := range 20 {
			var passing []*entry[int]
			for i := range 2000 {
				passing = append(passing, m.set(fmt.Sprint("passing-", round, i), &i))
			}
			for _, e := range passing {
				m.remove(e)
			}
			m.trim()
		}
	})
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i = (i + 1) % steady {
				if v := m.get(fmt.Sprint("steady-", i)); v == nil || *v != i {
					t.Errorf("get(steady-%d): %v", i, v)
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
