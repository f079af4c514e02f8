package main

import "github.com/puzpuzpuz/xsync/v4"

// xsyncStore is a concurrent map: no indexes, no watches, no snapshots. It shows how fast a Get can be.
type xsyncStore[T any] struct {
	objects *xsync.Map[string, T]
	shape   Shape[T]
	keys    []string
}

func newXsync[T any](v *Versions[T]) Store[T] {
	s := &xsyncStore[T]{objects: xsync.NewMap[string, T](), shape: v.Shape, keys: v.Keys()}
	for _, obj := range v.First {
		s.Set(obj)
	}
	return s
}

func (s *xsyncStore[T]) Get(i int) T {
	obj, _ := s.objects.Load(s.keys[i])
	return obj
}

func (s *xsyncStore[T]) Set(obj T) { s.objects.Store(s.shape.Key(obj), obj) }

// Find reads all objects: there is no index.
func (s *xsyncStore[T]) Find(index, value string) (last T) {
	find := s.shape.Indexes[index]
	for _, obj := range s.objects.All() {
		if find(obj) == value {
			last = obj
		}
	}
	return last
}

func (s *xsyncStore[T]) All() (last T) {
	for _, obj := range s.objects.All() {
		last = obj
	}
	return last
}

func (s *xsyncStore[T]) Close() {}
