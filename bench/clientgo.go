package main

import "k8s.io/client-go/tools/cache"

// clientgoStore is client-go's indexed store, which its informers have inside.
type clientgoStore[T any] struct {
	cache.Indexer
	keys []string
}

func newClientgo[T any](v *Versions[T]) Store[T] {
	indexers := cache.Indexers{}
	for name, fn := range v.Indexes {
		indexers[name] = func(obj any) ([]string, error) { return []string{fn(obj.(T))}, nil }
	}
	s := &clientgoStore[T]{
		Indexer: cache.NewIndexer(func(obj any) (string, error) { return v.Key(obj.(T)), nil }, indexers),
		keys:    v.Keys(),
	}
	for _, obj := range v.First {
		s.Set(obj)
	}
	return s
}

func (s *clientgoStore[T]) Get(i int) T {
	obj, _, err := s.GetByKey(s.keys[i])
	must(err)
	return obj.(T)
}

func (s *clientgoStore[T]) Set(obj T) { must(s.Update(obj)) }

// Remove implements [remover].
func (s *clientgoStore[T]) Remove(obj T) { must(s.Delete(obj)) }

func (s *clientgoStore[T]) Find(index, value string) (last T) {
	found, err := s.ByIndex(index, value)
	must(err)
	for _, obj := range found {
		last = obj.(T)
	}
	return last
}

func (s *clientgoStore[T]) All() (last T) {
	for _, obj := range s.List() {
		last = obj.(T)
	}
	return last
}

func (s *clientgoStore[T]) Close() {}
