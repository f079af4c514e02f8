package gomap

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/larder-dev/larder/pkg/store"
)

// PackedStore is a [store.Store] that holds its values packed by a codec, in a
// fraction of the memory. Decoded values are kept beside them within a budget, so
// that what is read often is read at the speed of a [MemStore].
//
// # What reads return
//
// A value that is read is either shared with other readers or the caller's own,
// and nothing tells which: treat it as immutable. [PackedStore.GetCopy] always
// returns the caller's own. What is written is packed before the write returns,
// so that the caller may go on and change it; nobody's change reaches the store.
//
// Reads of many values (List, Values, GetAll) neither keep what they decode nor
// count as uses. [PackedStore.All], [PackedStore.ByIndex] and the like yield
// parcels: who needs only keys, or some of the values, pays for no others. The
// same holds for [PackedStore.Cursor]; [PackedStore.Watch] decodes every event.
//
// # Equality
//
// Without a CompareFn, values are equal if their packed forms come from the same
// bytes, or as ComparePacked has it, which is found out without decoding.
//
// # Errors
//
// What cannot be packed is not written: it is an [*EncodeError] of the write. What
// cannot be decoded, because memory is damaged or bytes given to
// [PackedStore.SetPacked] are no value, is a [*DecodeError] of the read.
type PackedStore[T any] struct {
	parcels *MemStore[*Parcel[T]]
	codec   store.Codec[T]
	hot     *hotset[T]

	mu    sync.RWMutex
	homes map[string]*home[T]
}

// PackedOptions configure a [PackedStore].
type PackedOptions[T any] struct {
	store.StoreOptions[T]

	// Codec packs the values. Required.
	Codec store.Codec[T]

	// ComparePacked takes the place of a CompareFn, and decodes nothing. Default: by Hash.
	ComparePacked func(prev, next store.Packed) bool

	// Budget is how many bytes decoded values may take, of all kinds together.
	// Zero is [DefaultBudget]; [NoBudget] keeps none.
	Budget int64
}

const (
	// DefaultBudget is 32 MiB, enough for some 2,000 Pods.
	DefaultBudget int64 = 32 << 20
	// NoBudget keeps no value decoded: every read decodes.
	NoBudget int64 = -1
)

// ErrCodecRequired is returned by [NewPackedStore] if there is no codec.
var ErrCodecRequired = errors.New("codec required: set PackedOptions.Codec, or use NewMemStore")

var _ store.Store[any] = (*PackedStore[any])(nil)

// NewPackedStore returns an empty store. It copies what it needs of opts.
func NewPackedStore[T any](opts PackedOptions[T]) (*PackedStore[T], error) {
	if opts.Codec == nil {
		return nil, ErrCodecRequired
	}
	budget := opts.Budget
	if budget == 0 {
		budget = DefaultBudget
	}
	s := &PackedStore[T]{codec: opts.Codec, hot: &hotset[T]{budget: budget}, homes: make(map[string]*home[T])}
	inner := store.StoreOptions[*Parcel[T]]{
		CompareFn:   equalParcels(opts),
		ValidateFns: make(map[string]store.ValidateFunc[*Parcel[T]], len(opts.ValidateFns)),
	}
	for kind, fn := range opts.ValidateFns {
		if fn != nil {
			inner.ValidateFns[kind] = func(p *Parcel[T]) error {
				value, err := p.written()
				if err != nil {
					return err
				}
				return fn(value)
			}
		}
	}
	s.parcels = NewMemStore(inner)
	s.parcels.ledger = s.account
	return s, nil
}

// equalParcels is the comparison of values as one of parcels.
func equalParcels[T any](opts PackedOptions[T]) store.CompareFunc[*Parcel[T]] {
	if fn := opts.CompareFn; fn != nil {
		return func(prev, next *Parcel[T]) bool {
			a, err := prev.Peek()
			if err != nil {
				return false // anything is better
			}
			b, err := next.written()
			return err == nil && fn(a, b)
		}
	}
	fn := opts.ComparePacked
	if fn == nil {
		fn = func(prev, next store.Packed) bool { return prev.Hash() == next.Hash() }
	}
	return func(prev, next *Parcel[T]) bool { return fn(prev.packed, next.packed) }
}

// account is told of every change when it is certain, and returns by how many
// bytes the packed values have grown.
func (s *PackedStore[T]) account(prev, next *version[*Parcel[T]]) (bytes int64) {
	if !next.is(deleted) {
		bytes = int64(next.value.packed.Size())
	}
	if prev != nil {
		bytes -= int64(prev.value.packed.Size())
		s.hot.succeed(prev.value, next.value)
	}
	return bytes
}

// home returns that of a kind, and makes it if there is none.
func (s *PackedStore[T]) home(kind string) *home[T] {
	s.mu.RLock()
	h := s.homes[kind]
	s.mu.RUnlock()
	if h != nil {
		return h
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h = s.homes[kind]; h == nil {
		h = &home[T]{kind: kind, codec: s.codec, hot: s.hot}
		s.homes[kind] = h
	}
	return h
}

// pack makes a parcel of a value that is about to be written.
func (s *PackedStore[T]) pack(kind, key string, value T) (*Parcel[T], error) {
	packed, err := s.codec.Encode(value)
	if err != nil {
		return nil, &EncodeError{Kind: kind, Name: key, Err: err}
	}
	p := &Parcel[T]{packed: packed, home: s.home(kind)}
	p.slot.Store(&resident[T]{state: arriving, value: value})
	return p, nil
}

// adopt makes a parcel of what is packed already.
func (s *PackedStore[T]) adopt(kind string, packed store.Packed) *Parcel[T] {
	p := &Parcel[T]{packed: packed, home: s.home(kind)}
	p.slot.Store(&resident[T]{state: announced})
	return p
}

// Get implements [store.Reader]. For a hot value it takes no lock and does not allocate.
func (s *PackedStore[T]) Get(kind, key string) (value T, ok bool, err error) {
	p, ok, err := s.parcels.Get(kind, key)
	if !ok || err != nil {
		return value, false, err
	}
	value, err = p.Value()
	return value, err == nil, err
}

// GetCopy is Get of a value that is the caller's own.
func (s *PackedStore[T]) GetCopy(kind, key string) (value T, ok bool, err error) {
	p, ok, err := s.parcels.Get(kind, key)
	if !ok || err != nil {
		return value, false, err
	}
	value, err = p.Copy()
	return value, err == nil, err
}

// GetParcel is Get without decoding.
func (s *PackedStore[T]) GetParcel(kind, key string) (p *Parcel[T], ok bool, err error) {
	return s.parcels.Get(kind, key)
}

// List implements [store.Reader].
func (s *PackedStore[T]) List(kind string, filters ...store.FilterFunc[T]) (map[string]T, error) {
	parcels, err := s.parcels.All(kind)
	if err != nil {
		return nil, err
	}
	for _, filter := range filters {
		if filter == nil {
			return nil, fmt.Errorf("filter: %w", store.ErrFuncRequired)
		}
	}
	list := make(map[string]T)
	for key, p := range parcels {
		value, err := p.Peek()
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(filters, func(wants store.FilterFunc[T]) bool { return !wants(key, value) }) {
			list[key] = value
		}
	}
	return list, nil
}

// Count implements [store.Reader].
func (s *PackedStore[T]) Count(kind string) (int, error) { return s.parcels.Count(kind) }

// Keys implements [store.Reader].
func (s *PackedStore[T]) Keys(kind string) ([]string, error) { return s.parcels.Keys(kind) }

// Values implements [store.Reader].
func (s *PackedStore[T]) Values(kind string) ([]store.KeyValue[T], error) {
	parcels, err := s.parcels.Values(kind)
	if err != nil {
		return nil, err
	}
	values := make([]store.KeyValue[T], len(parcels))
	for i, p := range parcels {
		values[i].Key = p.Key
		if values[i].Value, err = p.Value.Peek(); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// GetAll implements [store.Reader].
func (s *PackedStore[T]) GetAll() (map[string]map[string]T, error) {
	kinds, err := s.parcels.kinds()
	if err != nil {
		return nil, err
	}
	return listAll(kinds, s.List)
}

// Set implements [store.Writer].
func (s *PackedStore[T]) Set(kind, key string, value T) (created bool, err error) {
	if err := s.parcels.checkKey(kind, key); err != nil {
		return false, err
	}
	p, err := s.pack(kind, key, value)
	if err != nil {
		return false, err
	}
	defer p.arrived()
	return s.parcels.Set(kind, key, p)
}

// SetPacked is Set of a value that is packed already, in a form that the store's
// codec decodes. It is not decoded, unless a function of T has to look at it: a
// ValidateFunc, a CompareFunc or an index of [PackedStore.AddIndex].
func (s *PackedStore[T]) SetPacked(kind, key string, packed store.Packed) (created bool, err error) {
	if err := s.parcels.checkKey(kind, key); err != nil {
		return false, err
	}
	p := s.adopt(kind, packed)
	defer p.arrived()
	return s.parcels.Set(kind, key, p)
}

// SetFn implements [store.Writer]. fn is given a value of its own.
func (s *PackedStore[T]) SetFn(kind, key string, fn func(value T) (T, error)) (changed bool, err error) {
	if fn == nil {
		if err := s.parcels.checkKey(kind, key); err != nil {
			return false, err
		}
		return false, fmt.Errorf("SetFn: %w", store.ErrFuncRequired)
	}
	var made *Parcel[T]
	defer func() {
		if made != nil {
			made.arrived()
		}
	}()
	return s.parcels.SetFn(kind, key, func(prev *Parcel[T]) (*Parcel[T], error) {
		value, err := prev.Copy()
		if err != nil {
			return nil, err
		}
		if value, err = fn(value); err != nil {
			return nil, err
		}
		made, err = s.pack(kind, key, value)
		return made, err
	})
}

// SetAll implements [store.Writer].
func (s *PackedStore[T]) SetAll(kind string, values map[string]T) error {
	return s.setMany(kind, values, s.parcels.SetAll)
}

// Replace implements [store.Writer].
func (s *PackedStore[T]) Replace(kind string, values map[string]T) error {
	return s.setMany(kind, values, s.parcels.Replace)
}

func (s *PackedStore[T]) setMany(kind string, values map[string]T, write func(string, map[string]*Parcel[T]) error) error {
	if err := s.parcels.check(kind); err != nil {
		return err
	}
	parcels := make(map[string]*Parcel[T], len(values))
	defer arrive(parcels)
	for key, value := range values {
		p, err := s.pack(kind, key, value)
		if err != nil {
			return err
		}
		parcels[key] = p
	}
	return write(kind, parcels)
}

// ReplacePacked is Replace with values that are packed already; see
// [PackedStore.SetPacked].
func (s *PackedStore[T]) ReplacePacked(kind string, values map[string]store.Packed) error {
	if err := s.parcels.check(kind); err != nil {
		return err
	}
	parcels := make(map[string]*Parcel[T], len(values))
	for key, packed := range values {
		parcels[key] = s.adopt(kind, packed)
	}
	defer arrive(parcels)
	return s.parcels.Replace(kind, parcels)
}

func arrive[T any](parcels map[string]*Parcel[T]) {
	for _, p := range parcels {
		p.arrived()
	}
}

// Delete implements [store.Writer]. A value that cannot be decoded is deleted all
// the same: existed is then true, and the error a [*DecodeError].
func (s *PackedStore[T]) Delete(kind, key string) (existed bool, prev T, err error) {
	existed, p, err := s.parcels.Delete(kind, key)
	if !existed || err != nil {
		return existed, prev, err
	}
	prev, err = p.Copy()
	return true, prev, err
}

// DeletePacked is Delete without decoding, of an object whose last state is known:
// the delete event shows final, if it is not nil.
func (s *PackedStore[T]) DeletePacked(kind, key string, final store.Packed) (existed bool, err error) {
	if final == nil {
		existed, _, err = s.parcels.Delete(kind, key)
		return existed, err
	}
	existed, _, err = s.parcels.DeleteAs(kind, key, &Parcel[T]{packed: final, home: s.home(kind)})
	return existed, err
}

// Watch implements [store.Watcher]. Every event is decoded, with Old. An event
// that cannot be decoded ends the watch with an error event.
func (s *PackedStore[T]) Watch(kind string, opts ...store.WatchOption[T]) (<-chan *store.Event[T], func(), error) {
	cursor, err := s.Cursor(kind, opts...)
	if err != nil {
		return nil, nil, err
	}
	events, cancel := pumpFrom(cursor, unpacked[T])
	return events, cancel, nil
}

// unpacked decodes an event.
func unpacked[T any](e store.Event[*Parcel[T]]) *store.Event[T] {
	decoded := &store.Event[T]{
		Kind: e.Kind, Name: e.Name, EventType: e.EventType, Revision: e.Revision, Coalesced: e.Coalesced, Err: e.Err,
	}
	for _, field := range []struct {
		from *Parcel[T]
		to   *T
	}{{e.Object, &decoded.Object}, {e.Old, &decoded.Old}} {
		if field.from == nil {
			continue
		}
		value, err := field.from.Value()
		if err != nil {
			return &store.Event[T]{Kind: e.Kind, Name: e.Name, EventType: store.EventTypeError, Revision: e.Revision, Err: err}
		}
		*field.to = value
	}
	return decoded
}

// Cursor is [MemStore.Cursor] with parcels: who uses only the key of an event
// pays for no decoding.
func (s *PackedStore[T]) Cursor(kind string, opts ...store.WatchOption[T]) (*Cursor[*Parcel[T]], error) {
	config, err := store.NewWatchConfig(opts...)
	if err != nil {
		return nil, err
	}
	return s.parcels.Cursor(kind, func(c *store.WatchConfig) { *c = config })
}

// Head is [MemStore.Head].
func (s *PackedStore[T]) Head(kind string) (revision uint64, keys int, err error) {
	return s.parcels.Head(kind)
}

// Snapshot is [MemStore.Snapshot] with parcels.
func (s *PackedStore[T]) Snapshot(kind string) (*Snapshot[*Parcel[T]], error) {
	return s.parcels.Snapshot(kind)
}

// All is [MemStore.All] with parcels.
func (s *PackedStore[T]) All(kind string) (iter.Seq2[string, *Parcel[T]], error) {
	return s.parcels.All(kind)
}

// Page is [MemStore.Page] with parcels.
func (s *PackedStore[T]) Page(kind, prefix, after string, limit int) (Page[*Parcel[T]], error) {
	return s.parcels.Page(kind, prefix, after, limit)
}

// AddIndex is [MemStore.AddIndex]: fn is given a value that is decoded for it,
// unless its writer has it at hand. Use [PackedStore.AddPackedIndex] where the
// packed form tells enough.
func (s *PackedStore[T]) AddIndex(kind, name string, fn IndexFunc[T]) error {
	if fn == nil {
		return s.parcels.AddIndex(kind, name, nil)
	}
	return s.parcels.AddIndex(kind, name, func(key string, p *Parcel[T]) ([]string, error) {
		value, err := p.written()
		if err != nil {
			return nil, err
		}
		return fn(key, value)
	})
}

// AddPackedIndex is AddIndex with a function that looks at the packed form.
func (s *PackedStore[T]) AddPackedIndex(kind, name string, fn IndexFunc[store.Packed]) error {
	if fn == nil {
		return s.parcels.AddIndex(kind, name, nil)
	}
	return s.parcels.AddIndex(kind, name, func(key string, p *Parcel[T]) ([]string, error) { return fn(key, p.packed) })
}

// ByIndex is [MemStore.ByIndex] with parcels.
func (s *PackedStore[T]) ByIndex(kind, name, value string) (iter.Seq2[string, *Parcel[T]], error) {
	return s.parcels.ByIndex(kind, name, value)
}

// IndexValues is [MemStore.IndexValues].
func (s *PackedStore[T]) IndexValues(kind, name string) ([]string, error) {
	return s.parcels.IndexValues(kind, name)
}

// Select is [MemStore.Select] with parcels.
func (s *PackedStore[T]) Select(kind string, where ...Condition) (iter.Seq2[string, *Parcel[T]], error) {
	return s.parcels.Select(kind, where...)
}

// Close implements [store.Store]. Parcels taken before stay readable.
func (s *PackedStore[T]) Close() error { return s.parcels.Close() }

// PackedStats are figures of one kind of a [PackedStore].
type PackedStats struct {
	// Objects is how many values there are, and PackedBytes what they take packed,
	// without what they share, such as dictionaries.
	Objects     int
	PackedBytes int64
	// Decoded is how many values are kept decoded, and DecodedBytes what they take:
	// an estimate, for which some of them are weighed. Those that were superseded not
	// long ago are among them.
	Decoded      int
	DecodedBytes int64
	// Decodes is how many times a value was decoded since the store was made.
	Decodes uint64
}

// Stats returns the figures of a kind at this moment. It does not block and takes
// O(1) time.
func (s *PackedStore[T]) Stats(kind string) (PackedStats, error) {
	objects, err := s.parcels.Count(kind)
	if err != nil {
		return PackedStats{}, err
	}
	stats := PackedStats{Objects: objects}
	if t := s.parcels.lookup(kind); t != nil {
		h := s.home(kind)
		stats.PackedBytes = t.bytes.Load()
		stats.Decoded, stats.DecodedBytes, stats.Decodes = int(h.decoded.Load()), h.bytes.Load(), h.decodes.Load()
	}
	return stats, nil
}
