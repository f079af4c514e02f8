package gomap

import (
	"fmt"
	"iter"

	"github.com/larder-dev/larder/pkg/store"
)

// Snapshot is a kind as it was at one revision. It stays so for as long as it is
// kept, whatever is written, and keeps the values that it holds in memory; drop
// it to let them go. All methods are safe for concurrent use.
type Snapshot[T any] struct {
	view  view[T]
	table *table[T] // nil if the kind did not exist
	kind  string
}

// Snapshot returns a kind as it is now, in O(1) time and without a lock.
func (s *MemStore[T]) Snapshot(kind string) (*Snapshot[T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	snap := &Snapshot[T]{kind: kind, table: s.lookup(kind)}
	if snap.table != nil {
		snap.view = snap.table.view()
	}
	return snap, nil
}

// Revision returns the revision of the kind's newest change in the snapshot, 0
// if there was none. It is one that a [Cursor] at the same state has.
func (s *Snapshot[T]) Revision() uint64 { return s.view.rev }

// Len returns the number of keys.
func (s *Snapshot[T]) Len() int { return s.view.keys }

// All yields the keys and values in no particular order.
func (s *Snapshot[T]) All() iter.Seq2[string, T] { return s.view.objects() }

// ByIndex yields the keys and values that an index has under a value, in no
// particular order. The index may have been added after the snapshot was taken.
// While the snapshot is recent this costs what [MemStore.ByIndex] does; once
// the index has dropped what the snapshot still holds, the index function runs
// on every object. An unknown index is [ErrIndexNotFound].
func (s *Snapshot[T]) ByIndex(name, value string) (iter.Seq2[string, T], error) {
	if s.table == nil {
		return nil, fmt.Errorf("%w: %q of kind %q", ErrIndexNotFound, name, s.kind)
	}
	ix, err := s.table.index(name)
	if err != nil {
		return nil, err
	}
	if versions, ok := ix.find(value, s.view.rev); ok {
		return objectsAt(versions, s.view.rev), nil
	}
	var found []store.KeyValue[T]
	for key, object := range s.All() {
		terms, err := compute(s.kind, key, object, []*index[T]{ix})
		if err != nil {
			return nil, err
		}
		for _, t := range terms {
			if t.value == value {
				found = append(found, store.KeyValue[T]{Key: key, Value: object})
			}
		}
	}
	return func(yield func(string, T) bool) {
		for _, kv := range found {
			if !yield(kv.Key, kv.Value) {
				return
			}
		}
	}, nil
}
