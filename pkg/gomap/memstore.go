package gomap

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// MemStore is a [store.Store] in memory. Make one with [NewMemStore].
//
// Besides the store's contract it offers reads without copies ([MemStore.All],
// [MemStore.ByIndex]), [MemStore.Snapshot] and [MemStore.Cursor].
type MemStore[T any] struct {
	compareFn   store.CompareFunc[T]
	validateFns map[string]store.ValidateFunc[T]
	revision    atomic.Uint64

	tables atomic.Pointer[map[string]*table[T]] // replaced, never changed

	mu     sync.Mutex    // held to replace tables, and to close
	closed atomic.Bool   // reads look at it, and
	done   chan struct{} // closed with it, to end what waits
}

var _ store.Store[any] = (*MemStore[any])(nil)

// NewMemStore returns an empty store. It copies what it needs of opts.
func NewMemStore[T any](opts store.StoreOptions[T]) *MemStore[T] {
	s := &MemStore[T]{
		compareFn:   opts.CompareFn,
		validateFns: maps.Clone(opts.ValidateFns),
		done:        make(chan struct{}),
	}
	s.tables.Store(&map[string]*table[T]{})
	return s
}

// Get implements [store.Reader]. It takes no lock and does not allocate.
func (s *MemStore[T]) Get(kind, key string) (value T, ok bool, err error) {
	if err := s.check(kind); err != nil {
		return value, false, err
	}
	if key == "" {
		return value, false, store.ErrKeyRequired
	}
	if t := s.lookup(kind); t != nil {
		value, ok = t.get(key)
	}
	return value, ok, nil
}

// List implements [store.Reader].
func (s *MemStore[T]) List(kind string, filters ...store.FilterFunc[T]) (map[string]T, error) {
	w, err := s.view(kind)
	if err != nil {
		return nil, err
	}
	for _, filter := range filters {
		if filter == nil {
			return nil, fmt.Errorf("filter: %w", store.ErrFuncRequired)
		}
	}
	size := w.keys
	if len(filters) > 0 {
		size = 0
	}
	list := make(map[string]T, size)
	for v := range w.held() {
		if !slices.ContainsFunc(filters, func(wants store.FilterFunc[T]) bool { return !wants(v.key(), v.value) }) {
			list[v.key()] = v.value
		}
	}
	return list, nil
}

// Count implements [store.Reader]. It takes no lock and O(1) time.
func (s *MemStore[T]) Count(kind string) (int, error) {
	w, err := s.view(kind)
	return w.keys, err
}

// Keys implements [store.Reader].
func (s *MemStore[T]) Keys(kind string) ([]string, error) {
	w, err := s.view(kind)
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, w.keys)
	for v := range w.held() {
		keys = append(keys, v.key())
	}
	slices.Sort(keys)
	return keys, nil
}

// Values implements [store.Reader].
func (s *MemStore[T]) Values(kind string) ([]store.KeyValue[T], error) {
	w, err := s.view(kind)
	if err != nil {
		return nil, err
	}
	values := make([]store.KeyValue[T], 0, w.keys)
	for v := range w.held() {
		values = append(values, store.KeyValue[T]{Key: v.key(), Value: v.value})
	}
	slices.SortFunc(values, func(a, b store.KeyValue[T]) int { return strings.Compare(a.Key, b.Key) })
	return values, nil
}

// GetAll implements [store.Reader].
func (s *MemStore[T]) GetAll() (map[string]map[string]T, error) {
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	all := make(map[string]map[string]T)
	for kind := range *s.tables.Load() {
		list, err := s.List(kind)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			all[kind] = list
		}
	}
	return all, nil
}

// All yields a kind's keys and values as they are at the time of the call, in no
// particular order. It takes no lock and copies nothing, however long the caller
// takes to read it.
func (s *MemStore[T]) All(kind string) (iter.Seq2[string, T], error) {
	w, err := s.view(kind)
	if err != nil {
		return nil, err
	}
	return w.objects(), nil
}

// Set implements [store.Writer].
func (s *MemStore[T]) Set(kind, key string, value T) (created bool, err error) {
	if err := s.checkWrite(kind, key, value); err != nil {
		return false, err
	}
	t, err := s.table(kind)
	if err != nil {
		return false, err
	}
	return t.set(key, value)
}

// SetFn implements [store.Writer].
func (s *MemStore[T]) SetFn(kind, key string, fn func(value T) (T, error)) (changed bool, err error) {
	if err := s.check(kind); err != nil {
		return false, err
	}
	if key == "" {
		return false, store.ErrKeyRequired
	}
	if fn == nil {
		return false, fmt.Errorf("SetFn: %w", store.ErrFuncRequired)
	}
	t := s.lookup(kind)
	if t == nil {
		return false, store.ErrKeyNotFound
	}
	return t.setFn(key, fn)
}

// SetAll implements [store.Writer].
func (s *MemStore[T]) SetAll(kind string, values map[string]T) error {
	return s.setMany(kind, values, false)
}

// Replace implements [store.Writer].
func (s *MemStore[T]) Replace(kind string, values map[string]T) error {
	return s.setMany(kind, values, true)
}

func (s *MemStore[T]) setMany(kind string, values map[string]T, replace bool) error {
	if err := s.check(kind); err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(values))
	for _, key := range keys {
		if err := s.checkWrite(kind, key, values[key]); err != nil {
			return err
		}
	}
	t, err := s.table(kind)
	if err != nil {
		return err
	}
	return t.setMany(keys, values, replace)
}

// Delete implements [store.Writer].
func (s *MemStore[T]) Delete(kind, key string) (existed bool, prev T, err error) {
	if err := s.check(kind); err != nil {
		return false, prev, err
	}
	if key == "" {
		return false, prev, store.ErrKeyRequired
	}
	t := s.lookup(kind)
	if t == nil {
		return false, prev, nil
	}
	return t.delete(key)
}

// AddIndex gives a kind a secondary index. The kind need not exist, and may have
// content: the index then covers it at once. If fn fails on an object that is
// there, the error is a [*store.IndexError] and there is no index. Writes to the
// kind wait meanwhile, reads do not.
func (s *MemStore[T]) AddIndex(kind, name string, fn IndexFunc[T]) error {
	if err := s.check(kind); err != nil {
		return err
	}
	if name == "" {
		return ErrIndexNameRequired
	}
	if fn == nil {
		return fmt.Errorf("index %q: %w", name, store.ErrFuncRequired)
	}
	t, err := s.table(kind)
	if err != nil {
		return err
	}
	return t.addIndex(name, fn)
}

// ByIndex yields the keys and values that an index has under a value, as they
// are at the time of the call, in no particular order. It takes no lock and
// copies nothing. An unknown index is [ErrIndexNotFound].
func (s *MemStore[T]) ByIndex(kind, name, value string) (iter.Seq2[string, T], error) {
	t, err := s.indexed(kind, name)
	if err != nil {
		return nil, err
	}
	return t.byIndex(name, value)
}

// IndexValues returns the values under which an index has at least one object,
// in lexical order.
func (s *MemStore[T]) IndexValues(kind, name string) ([]string, error) {
	t, err := s.indexed(kind, name)
	if err != nil {
		return nil, err
	}
	return t.indexValues(name)
}

// Close implements [store.Store]. Iterators and snapshots taken before stay valid.
func (s *MemStore[T]) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Swap(true) {
		return nil
	}
	close(s.done)
	for _, t := range *s.tables.Load() {
		t.close()
	}
	return nil
}

func (s *MemStore[T]) check(kind string) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	if kind == "" {
		return store.ErrKindRequired
	}
	return nil
}

func (s *MemStore[T]) checkWrite(kind, key string, value T) error {
	if err := s.check(kind); err != nil {
		return err
	}
	if key == "" {
		return store.ErrKeyRequired
	}
	return s.validate(kind, key, value)
}

func (s *MemStore[T]) validate(kind, key string, value T) error {
	if fn := s.validateFns[kind]; fn != nil {
		if err := fn(value); err != nil {
			return &store.ValidationError{Kind: kind, Name: key, Err: err}
		}
	}
	return nil
}

func (s *MemStore[T]) equal(prev, next T) bool {
	if s.compareFn != nil {
		return s.compareFn(prev, next)
	}
	return reflect.DeepEqual(prev, next)
}

// lookup returns the table of a kind, or nil.
func (s *MemStore[T]) lookup(kind string) *table[T] { return (*s.tables.Load())[kind] }

// table returns the table of a kind, and makes one if there is none.
func (s *MemStore[T]) table(kind string) (*table[T], error) {
	if t := s.lookup(kind); t != nil {
		return t, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	if t := s.lookup(kind); t != nil {
		return t, nil
	}
	t := newTable(s, kind)
	tables := maps.Clone(*s.tables.Load())
	tables[kind] = t
	s.tables.Store(&tables)
	return t, nil
}

// view returns a kind's log as it is now; an empty one if there is no such kind.
func (s *MemStore[T]) view(kind string) (view[T], error) {
	if err := s.check(kind); err != nil {
		return view[T]{}, err
	}
	if t := s.lookup(kind); t != nil {
		return t.view(), nil
	}
	return view[T]{}, nil
}

// indexed returns the table of a kind that is to have an index.
func (s *MemStore[T]) indexed(kind, name string) (*table[T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	if t := s.lookup(kind); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %q of kind %q", ErrIndexNotFound, name, kind)
}
