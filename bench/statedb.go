package main

import (
	"github.com/cilium/statedb"
	"github.com/cilium/statedb/index"
)

// statedbStore is Cilium's database of immutable radix trees.
type statedbStore[T any] struct {
	db      *statedb.DB
	table   statedb.RWTable[T]
	queries []statedb.Query[T]
	indexes map[string]statedb.Index[T, string]

	// Writes are committed so many at a time.
	batch, written int
	txn            statedb.WriteTxn
}

// newStatedb commits every write, as the other stores do.
func newStatedb[T any](v *Versions[T]) Store[T] { return openStatedb(v, 1) }

// newStatedbBatch commits a hundred writes at a time, which is how it is meant to be fast.
func newStatedbBatch[T any](v *Versions[T]) Store[T] { return openStatedb(v, 100) }

func openStatedb[T any](v *Versions[T], batch int) Store[T] {
	primary := statedb.Index[T, string]{
		Name:       "key",
		FromObject: func(obj T) index.KeySet { return index.NewKeySet(index.String(v.Key(obj))) },
		FromKey:    index.String,
		Unique:     true,
	}
	s := &statedbStore[T]{db: statedb.New(), indexes: map[string]statedb.Index[T, string]{}, batch: batch}
	var secondary []statedb.Indexer[T]
	for name, fn := range v.Indexes {
		s.indexes[name] = statedb.Index[T, string]{
			Name:       name,
			FromObject: func(obj T) index.KeySet { return index.NewKeySet(index.String(fn(obj))) },
			FromKey:    index.String,
		}
		secondary = append(secondary, s.indexes[name])
	}
	var err error
	s.table, err = statedb.NewTableAny(s.db, kind, func() []string { return nil }, func(T) []string { return nil }, primary, secondary...)
	must(err)
	must(s.db.Start())
	txn := s.db.WriteTxn(s.table)
	for _, obj := range v.First {
		_, _, err := s.table.Insert(txn, obj)
		must(err)
	}
	txn.Commit()
	for _, key := range v.Keys() {
		s.queries = append(s.queries, primary.Query(key))
	}
	return s
}

func (s *statedbStore[T]) Get(i int) T {
	obj, _, _ := s.table.Get(s.db.ReadTxn(), s.queries[i])
	return obj
}

func (s *statedbStore[T]) Set(obj T) {
	if s.written%s.batch == 0 {
		s.txn = s.db.WriteTxn(s.table)
	}
	_, _, err := s.table.Insert(s.txn, obj)
	must(err)
	if s.written++; s.written%s.batch == 0 {
		s.txn.Commit()
	}
}

func (s *statedbStore[T]) Find(index, value string) (last T) {
	for obj := range s.table.List(s.db.ReadTxn(), s.indexes[index].Query(value)) {
		last = obj
	}
	return last
}

func (s *statedbStore[T]) All() (last T) {
	for obj := range s.table.All(s.db.ReadTxn()) {
		last = obj
	}
	return last
}

func (s *statedbStore[T]) Close() {
	if s.written%s.batch != 0 {
		s.txn.Commit()
	}
	must(s.db.Stop())
}
