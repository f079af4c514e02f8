package main

import (
	"fmt"

	"github.com/hashicorp/go-memdb"
)

// memdbStore is HashiCorp's database of immutable radix trees.
type memdbStore[T any] struct {
	db   *memdb.MemDB
	keys []string
}

func newMemdb[T any](v *Versions[T]) Store[T] {
	indexes := map[string]*memdb.IndexSchema{
		"id": {Name: "id", Unique: true, Indexer: memdbIndex[T](v.Key)},
	}
	for name, fn := range v.Indexes {
		indexes[name] = &memdb.IndexSchema{Name: name, Indexer: memdbIndex[T](fn)}
	}
	db, err := memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{kind: {Name: kind, Indexes: indexes}}})
	must(err)
	txn := db.Txn(true)
	for _, obj := range v.First {
		must(txn.Insert(kind, obj))
	}
	txn.Commit()
	return &memdbStore[T]{db: db, keys: v.Keys()}
}

func (s *memdbStore[T]) Get(i int) T {
	obj, err := s.db.Txn(false).First(kind, "id", s.keys[i])
	must(err)
	return obj.(T)
}

func (s *memdbStore[T]) Set(obj T) {
	txn := s.db.Txn(true)
	must(txn.Insert(kind, obj))
	txn.Commit()
}

func (s *memdbStore[T]) Find(index, value string) T {
	return s.read(s.db.Txn(false).Get(kind, index, value))
}

func (s *memdbStore[T]) All() T { return s.read(s.db.Txn(false).Get(kind, "id")) }

func (s *memdbStore[T]) read(found memdb.ResultIterator, err error) (last T) {
	must(err)
	for obj := found.Next(); obj != nil; obj = found.Next() {
		last = obj.(T)
	}
	return last
}

func (s *memdbStore[T]) Close() {}

// memdbIndex is an index by the values of a function.
type memdbIndex[T any] func(obj T) string

var _ memdb.SingleIndexer = memdbIndex[any](nil)

// FromObject implements [memdb.SingleIndexer].
func (fn memdbIndex[T]) FromObject(obj any) (bool, []byte, error) {
	return true, terminated(fn(obj.(T))), nil
}

// FromArgs implements [memdb.Indexer].
func (fn memdbIndex[T]) FromArgs(args ...any) ([]byte, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("%d arguments for an index of one", len(args))
	}
	return terminated(args[0].(string)), nil
}

// terminated is a value that is no prefix of another.
func terminated(value string) []byte { return append([]byte(value), 0) }
