// Caching keeps what is slow to load, up to a number of entries.
package main

import (
	"fmt"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// Entry is a value with the time of its last use.
type Entry[V any] struct {
	Value V
	used  *atomic.Int64 // shared by all copies, so that a read is no write
}

// Cache loads values and keeps some of them.
type Cache[V any] struct {
	store *gomap.MemStore[Entry[V]]
	load  func(key string) (V, error)
	most  int
	clock atomic.Int64
}

// New returns an empty cache of at most so many values.
func New[V any](most int, load func(key string) (V, error)) *Cache[V] {
	return &Cache[V]{
		store: gomap.NewMemStore(store.StoreOptions[Entry[V]]{
			CompareFn: func(prev, next Entry[V]) bool { return prev.used == next.used },
		}),
		load: load,
		most: most,
	}
}

// Get returns a value, from the cache if it is there.
func (c *Cache[V]) Get(key string) (V, error) {
	entry, ok, err := c.store.Get("entries", key)
	if err != nil || ok {
		if ok {
			entry.used.Store(c.clock.Add(1))
		}
		return entry.Value, err
	}
	// Load first: the kind is locked while the function given to Compute runs.
	value, err := c.load(key)
	if err != nil {
		return value, err
	}
	// Of two that loaded the value at the same time, the first one counts.
	entry, _, err = c.store.Compute("entries", key, func(entry Entry[V], exists bool) (Entry[V], store.Op, error) {
		if exists {
			return entry, store.OpKeep, nil
		}
		entry = Entry[V]{Value: value, used: new(atomic.Int64)}
		entry.used.Store(c.clock.Add(1))
		return entry, store.OpSet, nil
	})
	if err != nil {
		return value, err
	}
	return entry.Value, c.evict()
}

// evict deletes what was not used for longest, as long as there is too much.
func (c *Cache[V]) evict() error {
	for {
		n, err := c.store.Count("entries")
		if err != nil || n <= c.most {
			return err
		}
		all, err := c.store.All("entries")
		if err != nil {
			return err
		}
		oldest, since := "", int64(0)
		for key, entry := range all {
			if used := entry.used.Load(); oldest == "" || used < since {
				oldest, since = key, used
			}
		}
		// If it is used meanwhile, it is not the oldest any more.
		_, _, err = c.store.DeleteIf("entries", oldest, func(entry Entry[V]) bool { return entry.used.Load() == since })
		if err != nil {
			return err
		}
	}
}

func main() {
	loads := 0
	squares := New(2, func(key string) (string, error) {
		loads++
		return "the square of " + key, nil
	})
	defer squares.store.Close()
	for _, key := range []string{"2", "3", "2", "4", "2", "3"} {
		value, err := squares.Get(key)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s, %d loaded so far\n", value, loads)
	}
}
