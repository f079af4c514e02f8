package gomap

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// engine is what the stores of this package are made of: the tables of all kinds, and
// what is done with values without a look into them.
type engine[T any] struct {
	kinds       kinds[T]
	compareFn   store.CompareFunc[T]
	validateFns map[string]store.ValidateFunc[T]

	// adopt, if there is one, is called with each new table.
	adopt func(t *table[T])
	// size, if there is one, returns the bytes that a value takes. It cannot fail.
	size func(T) int64

	nothing version[T] // what a retired slot has: a deletion that readers of any revision see
	board   board

	_        apart
	revision atomic.Uint64
}

// apart keeps what writers change off the cache lines that readers need.
type apart [64]byte

func (s *engine[T]) init(opts store.StoreOptions[T]) {
	s.compareFn = opts.CompareFn
	s.validateFns = maps.Clone(opts.ValidateFns)
	s.nothing.mark(deleted | retired)
	s.kinds.init()
}

// Count implements [store.Reader]. It takes no lock and O(1) time.
func (s *engine[T]) Count(kind string) (int, error) {
	w, _, err := s.read(kind)
	return w.keys, err
}

// RevisionAndCount returns the revision of a kind's newest change and how many keys it
// has then; both are 0 for a kind that does not exist, or that was left empty while
// nothing watched it. It takes no lock and O(1) time.
func (s *engine[T]) RevisionAndCount(kind string) (revision uint64, keys int, err error) {
	w, _, err := s.read(kind)
	return w.rev, w.keys, err
}

// Keys implements [store.Reader].
func (s *engine[T]) Keys(kind string) ([]string, error) {
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

// All yields a kind's keys and values as they are when a loop over them begins, in
// no particular order. It takes no lock and copies nothing. What is replaced while
// a loop runs is kept in memory until it ends.
func (s *engine[T]) All(kind string) (iter.Seq2[string, T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	// The kind may get a table, or another one, before the loop begins.
	return func(yield func(string, T) bool) { s.kinds.lookup(kind).objects()(yield) }, nil
}

// ByIndex yields the keys and values that an index has under a value, as they
// are when a loop over them begins, in no particular order. It takes no lock and
// copies nothing. An unknown index is [ErrIndexNotFound].
func (s *engine[T]) ByIndex(kind, name, value string) (iter.Seq2[string, T], error) {
	t, err := s.indexed(kind, name)
	if err != nil {
		return nil, err
	}
	return t.byIndex(name, value)
}

// IndexValues returns the values under which an index has at least one object,
// in lexical order.
func (s *engine[T]) IndexValues(kind, name string) ([]string, error) {
	t, err := s.indexed(kind, name)
	if err != nil {
		return nil, err
	}
	return t.indexValues(name)
}

// DropIndex takes an index away. Watches of its values end with [ErrIndexNotFound]; loops
// over what it found go on. An unknown index is [ErrIndexNotFound].
func (s *engine[T]) DropIndex(kind, name string) error {
	if _, err := s.indexed(kind, name); err != nil {
		return err
	}
	t, err := s.lock(kind)
	if err != nil {
		return err
	}
	defer t.unlock()
	return t.dropIndex(name)
}

// Close implements [store.Store]. It does not wait for writers: one that is under way may
// still take effect, or fail. Snapshots and loops that began before stay valid.
func (s *engine[T]) Close() error {
	s.kinds.close()
	return nil
}

// get returns the value of a key.
func (s *engine[T]) get(kind, key string) (value T, ok bool, err error) {
	// Most of the time there is a table, and in it what is wanted. Nothing is in the
	// table of a kind without a name or under a key without one, and there is no table
	// in a store that is closed.
	t := s.kinds.first[0].Load()
	if t == nil || t.kind != kind {
		t = s.kinds.lookup(kind)
	}
	if t != nil {
		if v := t.get(key); v != nil {
			return v.value, true, nil
		}
	}
	return value, false, s.checkKey(kind, key)
}

// values returns the keys with their values, in the keys' order.
func (s *engine[T]) values(kind string) ([]store.KeyValue[T], error) {
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

// set writes a value. created tells whether the key is new.
func (s *engine[T]) set(kind, key string, value T) (created bool, err error) {
	if err := s.checkWrite(kind, key, value); err != nil {
		return false, err
	}
	t, err := s.lock(kind)
	if err != nil {
		return false, err
	}
	defer t.unlock()
	created, _, err = t.set(key, value)
	return created, err
}

// update writes what fn makes of the value of a key; see [table.update].
func (s *engine[T]) update(kind, key string, fn func(value T, exists bool) (T, store.Op, error)) (value T, exists, changed bool, err error) {
	if err := s.checkKey(kind, key); err != nil {
		return value, false, false, err
	}
	t, err := s.lock(kind)
	if err != nil {
		return value, false, false, err
	}
	defer t.unlock()
	return t.update(key, fn)
}

// setFn is SetFn of the contract.
func (s *engine[T]) setFn(kind, key string, fn func(value T) (T, error)) (changed bool, err error) {
	if err := s.checkKey(kind, key); err != nil {
		return false, err
	}
	if fn == nil {
		return false, fmt.Errorf("SetFn of key %q: %w", key, store.ErrFuncRequired)
	}
	_, _, changed, err = s.update(kind, key, func(value T, exists bool) (T, store.Op, error) {
		if !exists {
			return value, store.OpKeep, fmt.Errorf("%w: %q of kind %q", store.ErrKeyNotFound, key, kind)
		}
		next, err := fn(value)
		return next, store.OpSet, err
	})
	return changed, err
}

// setMany is SetAll or, with replace, Replace.
func (s *engine[T]) setMany(kind string, values map[string]T, replace bool) error {
	if err := s.check(kind); err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(values))
	for _, key := range keys {
		if err := s.checkWrite(kind, key, values[key]); err != nil {
			return err
		}
	}
	t, err := s.lock(kind)
	if err != nil {
		return err
	}
	defer t.unlock()
	return t.setMany(keys, values, replace)
}

// remove deletes a key if cond, which may be nil, says so of its value. final returns the
// last state of the object, given the one that is in the store.
func (s *engine[T]) remove(kind, key string, cond func(T) bool, final func(T) T) (existed bool, prev T, err error) {
	if err := s.checkKey(kind, key); err != nil {
		return false, prev, err
	}
	if s.kinds.lookup(kind) == nil {
		return false, prev, nil
	}
	t, err := s.lock(kind)
	if err != nil {
		return false, prev, err
	}
	defer t.unlock()
	v, _ := t.keys.locate(key)
	if v == nil || cond != nil && !cond(v.value) {
		return false, prev, nil
	}
	if err := t.ended(); err != nil {
		return false, prev, err
	}
	t.delete(key, final(v.value))
	return true, v.value, nil
}

func itself[T any](value T) T { return value }

func (s *engine[T]) addIndex(kind string, ix *index[T], isNil bool) error {
	if err := s.check(kind); err != nil {
		return err
	}
	if ix.name == "" {
		return ErrIndexNameRequired
	}
	if isNil {
		return fmt.Errorf("index %q: %w", ix.name, store.ErrFuncRequired)
	}
	t, err := s.lock(kind)
	if err != nil {
		return err
	}
	defer t.unlock()
	return t.addIndex(ix)
}

// lock returns the table of a kind, locked for a writer.
func (s *engine[T]) lock(kind string) (*table[T], error) {
	for {
		t, err := s.table(kind)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		switch err := t.ended(); {
		case t.dismissed.Load():
			t.mu.Unlock() // the kind has another table
		case err != nil:
			t.mu.Unlock()
			return nil, err
		default:
			return t, nil
		}
	}
}

// table returns the table of a kind, and makes one if there is none.
func (s *engine[T]) table(kind string) (*table[T], error) {
	return s.kinds.put(kind, func() *table[T] {
		t := newTable(s, kind)
		t.deserted = func() {
			if t.mu.TryLock() {
				t.unlock()
			}
		}
		if s.adopt != nil {
			s.adopt(t)
		}
		return t
	})
}

func (s *engine[T]) check(kind string) error {
	if s.kinds.closed.Load() {
		return store.ErrClosed
	}
	if kind == "" {
		return store.ErrKindRequired
	}
	return nil
}

func (s *engine[T]) checkKey(kind, key string) error {
	if err := s.check(kind); err != nil {
		return err
	}
	if key == "" {
		return fmt.Errorf("%w, in kind %q", store.ErrKeyRequired, kind)
	}
	return nil
}

func (s *engine[T]) checkWrite(kind, key string, value T) error {
	if err := s.checkKey(kind, key); err != nil {
		return err
	}
	return s.validate(kind, key, value)
}

func (s *engine[T]) validate(kind, key string, value T) error {
	if fn := s.validateFns[kind]; fn != nil {
		if err := fn(value); err != nil {
			return &store.ValidationError{Kind: kind, Name: key, Err: err}
		}
	}
	return nil
}

func (s *engine[T]) equal(prev, next T) bool {
	if s.compareFn != nil {
		return s.compareFn(prev, next)
	}
	return reflect.DeepEqual(prev, next)
}

// read returns a kind's log as it is now, and its content, which are empty if there is
// no such kind.
func (s *engine[T]) read(kind string) (w view[T], all iter.Seq2[string, T], err error) {
	if err := s.check(kind); err != nil {
		return w, nil, err
	}
	t := s.kinds.lookup(kind)
	if t != nil {
		w = t.log.view()
	}
	return w, t.objects(), nil
}

// indexed returns the table of a kind that is to have an index.
func (s *engine[T]) indexed(kind, name string) (*table[T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	if t := s.kinds.lookup(kind); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %q of kind %q", ErrIndexNotFound, name, kind)
}

// listAll returns the content of those kinds that have any.
func listAll[C, T any](s *engine[C], list func(kind string, filters ...store.FilterFunc[T]) (map[string]T, error)) (map[string]map[string]T, error) {
	if s.kinds.closed.Load() {
		return nil, store.ErrClosed
	}
	all := make(map[string]map[string]T)
	for _, t := range s.kinds.all() {
		values, err := list(t.kind)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			all[t.kind] = values
		}
	}
	return all, nil
}

// passes tells whether a value passes all filters. Those that are nil are no filters.
func passes[T any](key string, value T, filters []store.FilterFunc[T]) bool {
	for _, wants := range filters {
		if wants != nil && !wants(key, value) {
			return false
		}
	}
	return true
}
