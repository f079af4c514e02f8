package gomap

import (
	"sync"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// kinds has the tables of a store. A kind has one from the first write or watch on, and
// until it is empty and nobody uses it.
type kinds[T any] struct {
	// first are tables of a few kinds, which are found faster one by one than by a hash.
	first [4]atomic.Pointer[table[T]]
	byKey *keymap[table[T]]

	mu     sync.Mutex  // held to put and to remove tables, and to close
	closed atomic.Bool // reads look at it, and
	done   chan struct{}
}

func (k *kinds[T]) init() {
	k.byKey = newKeymap[table[T]]()
	k.done = make(chan struct{})
}

// lookup returns the table of a kind, or nil.
func (k *kinds[T]) lookup(kind string) *table[T] {
	for i := range k.first {
		switch t := k.first[i].Load(); {
		case t == nil:
			continue
		case t.kind == kind:
			return t
		}
	}
	return k.byKey.get(kind)
}

// put returns the table of a kind, and makes one if there is none.
func (k *kinds[T]) put(kind string, newTable func() *table[T]) (*table[T], error) {
	if t := k.lookup(kind); t != nil {
		return t, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed.Load() {
		return nil, store.ErrClosed
	}
	if t := k.lookup(kind); t != nil {
		return t, nil
	}
	t := newTable()
	for i := range k.first {
		if k.first[i].Load() == nil {
			k.first[i].Store(t)
			return t, nil
		}
	}
	k.byKey.put(t)
	return t, nil
}

// forget takes a table out.
func (k *kinds[T]) forget(t *table[T]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(t)
}

func (k *kinds[T]) remove(t *table[T]) {
	for i := range k.first {
		if k.first[i].CompareAndSwap(t, nil) {
			return
		}
	}
	k.byKey.remove(t)
}

// all returns the tables.
func (k *kinds[T]) all() (tables []*table[T]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.locked()
}

func (k *kinds[T]) locked() (tables []*table[T]) {
	for i := range k.first {
		if t := k.first[i].Load(); t != nil {
			tables = append(tables, t)
		}
	}
	for t := range k.byKey.all() {
		tables = append(tables, t)
	}
	return tables
}

// close lets no more tables be made, and ends and forgets those that there are. It does
// not wait for writers.
func (k *kinds[T]) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed.Swap(true) {
		return
	}
	close(k.done)
	for _, t := range k.locked() {
		t.close()
		k.remove(t)
	}
}
