package gomap

import (
	"fmt"

	"github.com/larder-dev/larder/pkg/store"
)

// MemStore is a [store.Store] in memory. Make one with [NewMemStore].
//
// Besides the store's contract it offers reads without copies ([MemStore.All],
// [MemStore.ByIndex]), [MemStore.Snapshot] and [MemStore.Cursor].
type MemStore[T any] struct{ engine[T] }

var _ store.Store[any] = (*MemStore[any])(nil)

// NewMemStore returns an empty store. It copies what it needs of opts.
func NewMemStore[T any](opts store.StoreOptions[T]) *MemStore[T] {
	s := new(MemStore[T])
	s.init(opts)
	return s
}

// Get implements [store.Reader]. It takes no lock and does not allocate.
func (s *MemStore[T]) Get(kind, key string) (value T, ok bool, err error) {
	return s.get(kind, key)
}

// List implements [store.Reader].
func (s *MemStore[T]) List(kind string, filters ...store.FilterFunc[T]) (map[string]T, error) {
	w, all, err := s.read(kind)
	if err != nil {
		return nil, err
	}
	size := w.keys
	if len(filters) > 0 {
		size = 0
	}
	list := make(map[string]T, size)
	for key, value := range all {
		if passes(key, value, filters) {
			list[key] = value
		}
	}
	return list, nil
}

// Values implements [store.Reader].
func (s *MemStore[T]) Values(kind string) ([]store.KeyValue[T], error) {
	return s.values(kind)
}

// GetAll implements [store.Reader].
func (s *MemStore[T]) GetAll() (map[string]map[string]T, error) {
	return listAll(&s.engine, s.List)
}

// Set implements [store.Writer].
func (s *MemStore[T]) Set(kind, key string, value T) (created bool, err error) {
	return s.set(kind, key, value)
}

// SetFn implements [store.Writer].
func (s *MemStore[T]) SetFn(kind, key string, fn func(value T) (T, error)) (changed bool, err error) {
	return s.setFn(kind, key, fn)
}

// Compute implements [store.Writer].
func (s *MemStore[T]) Compute(kind, key string, fn func(value T, exists bool) (T, store.Op, error)) (value T, exists bool, err error) {
	if fn == nil {
		return value, false, fmt.Errorf("Compute of key %q: %w", key, store.ErrFuncRequired)
	}
	value, exists, _, err = s.update(kind, key, fn)
	return value, exists, err
}

// SetAll implements [store.Writer].
func (s *MemStore[T]) SetAll(kind string, values map[string]T) error {
	return s.setMany(kind, values, false)
}

// Replace implements [store.Writer].
func (s *MemStore[T]) Replace(kind string, values map[string]T) error {
	return s.setMany(kind, values, true)
}

// Delete implements [store.Writer].
func (s *MemStore[T]) Delete(kind, key string) (existed bool, prev T, err error) {
	return s.remove(kind, key, nil, itself[T])
}

// DeleteIf implements [store.Writer].
func (s *MemStore[T]) DeleteIf(kind, key string, cond func(value T) bool) (deleted bool, prev T, err error) {
	if cond == nil {
		return false, prev, fmt.Errorf("DeleteIf of key %q: %w", key, store.ErrFuncRequired)
	}
	return s.remove(kind, key, cond, itself[T])
}

// DeleteWithFinalState is Delete with the last state of the object: what a server says
// of an object that it has deleted may be newer than what the store has. The delete
// event shows final. prev is the value that the store had.
func (s *MemStore[T]) DeleteWithFinalState(kind, key string, final T) (existed bool, prev T, err error) {
	return s.remove(kind, key, nil, func(T) T { return final })
}

// AddIndex gives a kind a secondary index. The kind need not exist, and may have
// content: the index then covers it at once. If fn fails on an object that is
// there, the error is a [*store.IndexError] and there is no index. Writes to the
// kind wait meanwhile, reads do not.
func (s *MemStore[T]) AddIndex(kind, name string, fn IndexFunc[T]) error {
	return s.addIndex(kind, &index[T]{name: name, fn: fn}, fn == nil)
}

// AddSingleValueIndex is [MemStore.AddIndex] for a function with one value an object,
// such as its namespace: writes are cheaper, for they need no slice.
func (s *MemStore[T]) AddSingleValueIndex(kind, name string, fn SingleValueFunc[T]) error {
	return s.addIndex(kind, &index[T]{name: name, single: fn}, fn == nil)
}
