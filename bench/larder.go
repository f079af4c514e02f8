package main

import (
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

const kind = "pods"

// larderStore is larder's own store.
type larderStore[T any] struct {
	*gomap.MemStore[T]
	shape Shape[T]
	keys  []string
}

func newLarder[T any](v *Versions[T]) Store[T] {
	s := &larderStore[T]{
		MemStore: gomap.NewMemStore(store.StoreOptions[T]{CompareFn: v.Same}),
		shape:    v.Shape,
		keys:     v.Keys(),
	}
	for name, fn := range v.Indexes {
		s.addIndex(name, fn)
	}
	for _, obj := range v.First {
		s.Set(obj)
	}
	return s
}

// addIndex adds an index of one value an object.
func (s *larderStore[T]) addIndex(name string, fn func(T) string) {
	must(s.AddSingleValueIndex(kind, name, func(_ string, obj T) string { return fn(obj) }))
}

func (s *larderStore[T]) Get(i int) T {
	obj, _, err := s.MemStore.Get(kind, s.keys[i])
	must(err)
	return obj
}

func (s *larderStore[T]) Set(obj T) {
	_, err := s.MemStore.Set(kind, s.shape.Key(obj), obj)
	must(err)
}

// Remove implements [remover].
func (s *larderStore[T]) Remove(obj T) {
	_, _, err := s.Delete(kind, s.shape.Key(obj))
	must(err)
}

func (s *larderStore[T]) Find(index, value string) (last T) {
	found, err := s.ByIndex(kind, index, value)
	must(err)
	for _, obj := range found {
		last = obj
	}
	return last
}

func (s *larderStore[T]) All() (last T) {
	all, err := s.MemStore.All(kind)
	must(err)
	for _, obj := range all {
		last = obj
	}
	return last
}

func (s *larderStore[T]) Close() { must(s.MemStore.Close()) }
