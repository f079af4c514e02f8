package gomap

import (
	"hash/maphash"
	"iter"
	"sync/atomic"
)

// keymap maps strings to values of one type. It has one writer at a time, which
// the caller sees to, and any number of readers, which take no lock.
//
// It is an open-addressed table with linear probing. A slot, once it points to
// an entry, does so until the table is rebuilt; a removed key leaves its entry
// behind without a value. So a reader that probes while a writer inserts or
// removes finds every key that was there when it began.
type keymap[V any] struct {
	seed  maphash.Seed
	slots atomic.Pointer[[]atomic.Pointer[entry[V]]] // a power of two
	used  int                                        // slots that point to an entry
	dead  int                                        // entries among them without a value
}

// entry is a key with its present value; nil if it has none.
type entry[V any] struct {
	key   string
	value atomic.Pointer[V]
}

const minSlots = 8

func newKeymap[V any]() *keymap[V] {
	m := &keymap[V]{seed: maphash.MakeSeed()}
	slots := make([]atomic.Pointer[entry[V]], minSlots)
	m.slots.Store(&slots)
	return m
}

// get returns the value of a key, nil if it has none. It may be called at any time.
func (m *keymap[V]) get(key string) *V {
	if e := m.find(key); e != nil {
		return e.value.Load()
	}
	return nil
}

// find returns the entry of a key, nil if it has none. What it returns without a
// value may be gone when the table is rebuilt.
func (m *keymap[V]) find(key string) *entry[V] {
	return m.slot(*m.slots.Load(), key).Load()
}

// keys yields the keys that have a value. A key that comes or goes meanwhile may
// or may not be among them.
func (m *keymap[V]) keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		slots := *m.slots.Load()
		for i := range slots {
			if e := slots[i].Load(); e != nil && e.value.Load() != nil && !yield(e.key) {
				return
			}
		}
	}
}

// set gives a key a value, which must not be nil, and returns its entry.
func (m *keymap[V]) set(key string, value *V) *entry[V] {
	slots := *m.slots.Load()
	slot := m.slot(slots, key)
	e := slot.Load()
	if e == nil {
		// At two thirds full a probe that misses looks at five slots on average.
		if (m.used+1)*3 > len(slots)*2 {
			slots = m.rebuild()
			slot = m.slot(slots, key)
		}
		e = &entry[V]{key: key}
		e.value.Store(value)
		slot.Store(e)
		m.used++
		return e
	}
	if e.value.Load() == nil {
		m.dead--
	}
	e.value.Store(value)
	return e
}

// remove takes the value of an entry away.
func (m *keymap[V]) remove(e *entry[V]) {
	e.value.Store(nil)
	m.dead++
}

// trim gives memory back after many removals.
func (m *keymap[V]) trim() {
	if n := len(*m.slots.Load()); n > minSlots && (m.used-m.dead)*8 < n {
		m.rebuild()
	}
}

// slot returns the slot that points to the key's entry, or the empty one where
// it would go.
func (m *keymap[V]) slot(slots []atomic.Pointer[entry[V]], key string) *atomic.Pointer[entry[V]] {
	mask := uint64(len(slots) - 1)
	for i := maphash.String(m.seed, key); ; i++ {
		slot := &slots[i&mask]
		if e := slot.Load(); e == nil || e.key == key {
			return slot
		}
	}
}

// rebuild makes a table without the dead entries, between a sixth and a third
// full, and returns its slots.
func (m *keymap[V]) rebuild() []atomic.Pointer[entry[V]] {
	live := m.used - m.dead
	size := minSlots
	for size < (live+1)*3 {
		size *= 2
	}
	slots := make([]atomic.Pointer[entry[V]], size)
	old := *m.slots.Load()
	for i := range old {
		if e := old[i].Load(); e != nil && e.value.Load() != nil {
			m.slot(slots, e.key).Store(e)
		}
	}
	m.slots.Store(&slots)
	m.used, m.dead = live, 0
	return slots
}
