package informer

import (
	"errors"
	"iter"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// errNotPacked is the reason why there is no index by a path.
var errNotPacked = errors.New("objects are not packed as the API server sends them: use Fields, or New with another Budget than Plain")

// plain is a shelf with objects as they are.
type plain[T Object] struct {
	table *gomap.MemStore[T]
	kind  string
}

func newPlain[T Object](kind string) *plain[T] {
	return &plain[T]{table: gomap.NewMemStore(store.StoreOptions[T]{CompareFn: unchanged[T]}), kind: kind}
}

func (p *plain[T]) get(key string) (T, bool) {
	obj, ok, _ := p.table.Get(p.kind, key) // the error of an empty name is absence
	return obj, ok
}

func (p *plain[T]) copyOf(key string) (T, bool) {
	obj, ok := p.get(key)
	if ok {
		obj = obj.DeepCopyObject().(T)
	}
	return obj, ok
}

func (p *plain[T]) list() []T {
	pairs, _ := p.table.Values(p.kind)
	objects := make([]T, len(pairs))
	for n, pair := range pairs {
		objects[n] = pair.Value
	}
	return objects
}

func (p *plain[T]) len() int {
	n, _ := p.table.Count(p.kind)
	return n
}

func (p *plain[T]) all() iter.Seq2[string, T] {
	all, err := p.table.All(p.kind)
	if err != nil {
		return none
	}
	return all
}

func (p *plain[T]) revision() uint64 {
	revision, _, _ := p.table.RevisionAndCount(p.kind)
	return revision
}

func (p *plain[T]) view() view[T] {
	s, err := p.table.Snapshot(p.kind)
	if err != nil {
		return view[T]{objects: none[sight[T]], close: func() {}}
	}
	return viewOf(s, shown[T])
}

func shown[T Object](obj T) sight[T] { return sight[T]{obj: obj} }

func (p *plain[T]) byIndex(name, value string) (iter.Seq2[string, T], error) {
	return p.table.ByIndex(p.kind, name, value)
}

func (p *plain[T]) addIndex(name string, fn IndexFunc[T]) error {
	return p.table.AddIndex(p.kind, name, func(_ string, obj T) ([]string, error) { return fn(obj), nil })
}

func (p *plain[T]) addField(name string, fn SingleValueFunc[T]) error {
	return p.table.AddSingleValueIndex(p.kind, name, func(_ string, obj T) string { return fn(obj) })
}

func (p *plain[T]) addPaths(paths map[string]wire.Field) error {
	if len(paths) == 0 {
		return nil
	}
	return errNotPacked
}

func (p *plain[T]) watch(opts ...store.WatchOption[T]) (<-chan *store.Event[T], func(), error) {
	return p.table.Watch(p.kind, opts...)
}

func (p *plain[T]) follow(opts ...store.WatchOption[T]) (follower[T], error) {
	cursor, err := p.table.Cursor(p.kind, opts...)
	if err != nil {
		return nil, err
	}
	return plainFollower[T]{cursor}, nil
}

func (p *plain[T]) stats() Stats { return Stats{Objects: p.len()} }

func (p *plain[T]) set(key string, obj item[T]) error {
	_, err := p.table.Set(p.kind, key, obj.obj)
	return err
}

func (p *plain[T]) delete(key string) error {
	_, _, err := p.table.Delete(p.kind, key)
	return err
}

func (p *plain[T]) replace(objects map[string]item[T]) error {
	plain := make(map[string]T, len(objects))
	for key, obj := range objects {
		plain[key] = obj.obj
	}
	return p.table.Replace(p.kind, plain)
}

type plainFollower[T Object] struct{ *gomap.Cursor[T] }

func (f plainFollower[T]) each(take func(change[T]) bool) {
	for e := range f.Changes() {
		if !take(changeOf(&e, shown[T])) {
			return
		}
	}
}
