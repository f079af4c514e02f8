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

	// ledger, if there is one, is told of every change while the kind is locked, and
	// returns by how many bytes the kind has grown. It cannot fail.
	ledger func(prev, next *version[T]) int64

	tables atomic.Pointer[tables[T]] // replaced, never changed

	mu     sync.Mutex    // held to replace tables, and to close
	closed atomic.Bool   // reads look at it, and
	done   chan struct{} // closed with it, to end what waits

	_        apart
	revision atomic.Uint64
}

// apart keeps what writers change off the cache lines that readers need.
type apart [64]byte

// tables are the tables of all kinds.
type tables[T any] struct {
	list   []*table[T]
	byKind map[string]*table[T]
}

var _ store.Store[any] = (*MemStore[any])(nil)

// NewMemStore returns an empty store. It copies what it needs of opts.
func NewMemStore[T any](opts store.StoreOptions[T]) *MemStore[T] {
	s := &MemStore[T]{
		compareFn:   opts.CompareFn,
		validateFns: maps.Clone(opts.ValidateFns),
		done:        make(chan struct{}),
	}
	s.tables.Store(&tables[T]{})
	return s
}

// Get implements [store.Reader]. It takes no lock and does not allocate.
func (s *MemStore[T]) Get(kind, key string) (value T, ok bool, err error) {
	if err := s.checkKey(kind, key); err != nil {
		return value, false, err
	}
	if t := s.lookup(kind); t != nil {
		value, ok = t.get(key)
	}
	return value, ok, nil
}

// List implements [store.Reader].
func (s *MemStore[T]) List(kind string, filters ...store.FilterFunc[T]) (map[string]T, error) {
	w, all, err := s.read(kind)
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
	for key, value := range all {
		if !slices.ContainsFunc(filters, func(wants store.FilterFunc[T]) bool { return !wants(key, value) }) {
			list[key] = value
		}
	}
	return list, nil
}

// Count implements [store.Reader]. It takes no lock and O(1) time.
func (s *MemStore[T]) Count(kind string) (int, error) {
	w, _, err := s.read(kind)
	return w.keys, err
}

// Head returns the revision of a kind's newest change, 0 if there was none, and how
// many keys it has then. It takes no lock and O(1) time.
func (s *MemStore[T]) Head(kind string) (revision uint64, keys int, err error) {
	w, _, err := s.read(kind)
	return w.rev, w.keys, err
}

// Keys implements [store.Reader].
func (s *MemStore[T]) Keys(kind string) ([]string, error) {
	w, all, err := s.read(kind)
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, w.keys)
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys, nil
}

// Values implements [store.Reader].
func (s *MemStore[T]) Values(kind string) ([]store.KeyValue[T], error) {
	w, all, err := s.read(kind)
	if err != nil {
		return nil, err
	}
	values := make([]store.KeyValue[T], 0, w.keys)
	for key, value := range all {
		values = append(values, store.KeyValue[T]{Key: key, Value: value})
	}
	slices.SortFunc(values, func(a, b store.KeyValue[T]) int { return strings.Compare(a.Key, b.Key) })
	return values, nil
}

// GetAll implements [store.Reader].
func (s *MemStore[T]) GetAll() (map[string]map[string]T, error) {
	kinds, err := s.kinds()
	if err != nil {
		return nil, err
	}
	return listAll(kinds, s.List)
}

// listAll returns the content of those kinds that have any.
func listAll[T any](kinds []string, list func(kind string, filters ...store.FilterFunc[T]) (map[string]T, error)) (map[string]map[string]T, error) {
	all := make(map[string]map[string]T)
	for _, kind := range kinds {
		values, err := list(kind)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			all[kind] = values
		}
	}
	return all, nil
}

// kinds returns the kinds that there are, among them empty ones.
func (s *MemStore[T]) kinds() (kinds []string, err error) {
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	for _, t := range s.tables.Load().list {
		kinds = append(kinds, t.kind)
	}
	return kinds, nil
}

// All yields a kind's keys and values as they are when a loop over them begins, in
// no particular order. It takes no lock and copies nothing. What is replaced while
// a loop runs is kept in memory until it ends.
func (s *MemStore[T]) All(kind string) (iter.Seq2[string, T], error) {
	_, all, err := s.read(kind)
	return all, err
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
	if err := s.checkKey(kind, key); err != nil {
		return false, err
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
	if err := s.checkKey(kind, key); err != nil {
		return false, prev, err
	}
	t := s.lookup(kind)
	if t == nil {
		return false, prev, nil
	}
	return t.delete(key, func(value T) T { return value })
}

// DeleteAs is Delete with the last state of the object: what a server says of an
// object that it has deleted may be newer than what the store has. The delete
// event shows final. prev is the value that the store had.
func (s *MemStore[T]) DeleteAs(kind, key string, final T) (existed bool, prev T, err error) {
	if err := s.checkKey(kind, key); err != nil {
		return false, prev, err
	}
	t := s.lookup(kind)
	if t == nil {
		return false, prev, nil
	}
	return t.delete(key, func(T) T { return final })
}

// AddIndex gives a kind a secondary index. The kind need not exist, and may have
// content: the index then covers it at once. If fn fails on an object that is
// there, the error is a [*store.IndexError] and there is no index. Writes to the
// kind wait meanwhile, reads do not.
func (s *MemStore[T]) AddIndex(kind, name string, fn IndexFunc[T]) error {
	return s.addIndex(kind, &index[T]{name: name, fn: fn}, fn == nil)
}

// AddField is [MemStore.AddIndex] for a function with one value an object, such as
// its namespace: writes are cheaper, for they need no slice.
func (s *MemStore[T]) AddField(kind, name string, fn FieldFunc[T]) error {
	return s.addIndex(kind, &index[T]{name: name, field: fn}, fn == nil)
}

func (s *MemStore[T]) addIndex(kind string, ix *index[T], isNil bool) error {
	if err := s.check(kind); err != nil {
		return err
	}
	if ix.name == "" {
		return ErrIndexNameRequired
	}
	if isNil {
		return fmt.Errorf("index %q: %w", ix.name, store.ErrFuncRequired)
	}
	t, err := s.table(kind)
	if err != nil {
		return err
	}
	return t.addIndex(ix)
}

// ByIndex yields the keys and values that an index has under a value, as they
// are when a loop over them begins, in no particular order. It takes no lock and
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

// Close implements [store.Store]. Snapshots and loops that began before stay valid.
func (s *MemStore[T]) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Swap(true) {
		return nil
	}
	close(s.done)
	for _, t := range s.tables.Load().list {
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

func (s *MemStore[T]) checkKey(kind, key string) error {
	if err := s.check(kind); err != nil {
		return err
	}
	if key == "" {
		return store.ErrKeyRequired
	}
	return nil
}

func (s *MemStore[T]) checkWrite(kind, key string, value T) error {
	if err := s.checkKey(kind, key); err != nil {
		return err
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
func (s *MemStore[T]) lookup(kind string) *table[T] {
	// Few kinds are found faster one by one than by a hash.
	tables := s.tables.Load()
	if len(tables.list) > few {
		return tables.byKind[kind]
	}
	for _, t := range tables.list {
		if t.kind == kind {
			return t
		}
	}
	return nil
}

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
	t := newTable(s, kind, 0)
	list := append(slices.Clone(s.tables.Load().list), t)
	byKind := make(map[string]*table[T], len(list))
	for _, t := range list {
		byKind[t.kind] = t
	}
	s.tables.Store(&tables[T]{list, byKind})
	return t, nil
}

// read returns a kind's log as it is now, and its content, which are empty if there is
// no such kind.
func (s *MemStore[T]) read(kind string) (w view[T], all iter.Seq2[string, T], err error) {
	if err := s.check(kind); err != nil {
		return w, nil, err
	}
	t := s.lookup(kind)
	if t != nil {
		w = t.log.view()
	}
	return w, t.objects(), nil
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
