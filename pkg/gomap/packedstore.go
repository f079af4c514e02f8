package gomap

import (
	"context"
	"errors"
	"fmt"
	"math"
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
// Reads of many values (List, Values, GetAll) keep what they decode as long as the
// budget has room, and put nothing else out of it. [PackedStore.All],
// [PackedStore.ByIndex] and the like yield parcels: who needs only keys, or some of the
// values, pays for no others. The same holds for [PackedStore.Cursor];
// [PackedStore.Watch] decodes every event.
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
	engine[*Parcel[T]]
	codec   store.Codec[T]
	onShare func(T)
	hot     *hotset[T]

	mu    sync.RWMutex
	homes map[string]*home[T]
	cool  bool // nothing is kept decoded
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

	// Shared takes the place of Budget where several stores have one together.
	Shared *Budget[T]

	// OnShare, if it is set, is told of each value that was decoded for readers who share
	// it, before the first of them has it.
	OnShare func(value T)
}

const (
	// DefaultBudget is 32 MiB, enough for some 2,000 Pods.
	DefaultBudget int64 = 32 << 20
	// NoBudget keeps no value decoded: every read decodes.
	NoBudget int64 = -1
)

var (
	// ErrCodecRequired is returned by [NewPackedStore] if there is no codec.
	ErrCodecRequired = errors.New("codec required: set PackedOptions.Codec, or use NewMemStore")
	// ErrNilPacked is the cause of an [*EncodeError] for a packed value that is nil.
	ErrNilPacked = errors.New("the packed value is nil: pass what a codec returned")
)

var _ store.Store[any] = (*PackedStore[any])(nil)

// NewPackedStore returns an empty store. It copies what it needs of opts.
func NewPackedStore[T any](opts PackedOptions[T]) (*PackedStore[T], error) {
	if opts.Codec == nil {
		return nil, ErrCodecRequired
	}
	budget := opts.Shared
	if budget == nil {
		budget = NewBudget[T](opts.Budget)
	}
	s := &PackedStore[T]{codec: opts.Codec, onShare: opts.OnShare, hot: budget.hot, homes: make(map[string]*home[T])}
	inner := store.StoreOptions[*Parcel[T]]{
		CompareFn:   equalParcels(opts),
		ValidateFns: make(map[string]store.ValidateFunc[*Parcel[T]], len(opts.ValidateFns)),
	}
	for kind, fn := range opts.ValidateFns {
		if fn != nil {
			inner.ValidateFns[kind] = func(p *Parcel[T]) error {
				value, err := p.Written()
				if err != nil {
					return err
				}
				return fn(value)
			}
		}
	}
	s.size = func(p *Parcel[T]) int64 { return int64(p.size) }
	s.adopt = s.adoptTable
	s.init(inner)
	return s, nil
}

// adoptTable has a new table tell what becomes of its parcels.
func (s *PackedStore[T]) adoptTable(t *table[*Parcel[T]]) {
	h := s.home(t.kind)
	t.account = func(c *change[*Parcel[T]]) (bytes int64) {
		if !c.deleted {
			c.value.stored = true
			bytes = int64(c.value.size)
		}
		if c.old != nil {
			bytes -= int64(c.old.value.size)
			h.hot.replace(c.old.value, c.value, c.made.rev(), c.deleted)
		}
		return bytes
	}
	t.passed = h.passed
	// What indexes had decoded is not to be there for all values of a large write at once.
	t.prepared = (*Parcel[T]).prepared
}

// equalParcels is the comparison of values as one of parcels.
func equalParcels[T any](opts PackedOptions[T]) store.CompareFunc[*Parcel[T]] {
	if fn := opts.CompareFn; fn != nil {
		return func(prev, next *Parcel[T]) bool {
			a, err := prev.Peek()
			if err != nil {
				return false // anything is better
			}
			b, err := next.Written()
			return err == nil && fn(a, b)
		}
	}
	fn := opts.ComparePacked
	if fn == nil {
		fn = func(prev, next store.Packed) bool { return prev.Hash() == next.Hash() }
	}
	return func(prev, next *Parcel[T]) bool { return fn(prev.packed, next.packed) }
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
		h = &home[T]{kind: kind, codec: s.codec, onShare: s.onShare, hot: s.hot}
		if h.gone = s.cool; !s.cool {
			s.hot.add(h)
		}
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
	p, err := s.parcel(kind, key, packed)
	if err != nil {
		return nil, err
	}
	p.slot.Store(&resident[T]{state: arriving, value: value})
	return p, nil
}

// announce makes a parcel of what is packed already and about to be written.
func (s *PackedStore[T]) announce(kind, key string, packed store.Packed) (*Parcel[T], error) {
	p, err := s.parcel(kind, key, packed)
	if err != nil {
		return nil, err
	}
	p.slot.Store(&resident[T]{state: announced})
	return p, nil
}

// parcel makes a parcel. It asks for the size here, so that no method of a codec's is
// called while a commit is under way.
func (s *PackedStore[T]) parcel(kind, key string, packed store.Packed) (p *Parcel[T], err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, &EncodeError{Kind: kind, Name: key, Err: fmt.Errorf("its Size panicked: %v", r)}
		}
	}()
	if packed == nil {
		return nil, &EncodeError{Kind: kind, Name: key, Err: ErrNilPacked}
	}
	size := min(uint64(max(packed.Size(), 0)), math.MaxUint32)
	return &Parcel[T]{packed: packed, size: uint32(size), home: s.home(kind)}, nil
}

// Get implements [store.Reader]. For a hot value it takes no lock and does not allocate.
func (s *PackedStore[T]) Get(kind, key string) (value T, ok bool, err error) {
	p, ok, err := s.get(kind, key)
	if !ok || err != nil {
		return value, false, err
	}
	value, err = p.Value()
	return value, err == nil, named(err, key)
}

// GetCopy is Get of a value that is the caller's own.
func (s *PackedStore[T]) GetCopy(kind, key string) (value T, ok bool, err error) {
	p, ok, err := s.get(kind, key)
	if !ok || err != nil {
		return value, false, err
	}
	value, err = p.Copy()
	return value, err == nil, named(err, key)
}

// GetParcel is Get without decoding.
func (s *PackedStore[T]) GetParcel(kind, key string) (p *Parcel[T], ok bool, err error) {
	return s.get(kind, key)
}

// List implements [store.Reader].
func (s *PackedStore[T]) List(kind string, filters ...store.FilterFunc[T]) (map[string]T, error) {
	parcels, err := s.All(kind)
	if err != nil {
		return nil, err
	}
	list := make(map[string]T)
	for key, p := range parcels {
		value, err := p.Peek()
		if err != nil {
			return nil, named(err, key)
		}
		if passes(key, value, filters) {
			list[key] = value
		}
	}
	return list, nil
}

// Values implements [store.Reader].
func (s *PackedStore[T]) Values(kind string) ([]store.KeyValue[T], error) {
	parcels, err := s.values(kind)
	if err != nil {
		return nil, err
	}
	values := make([]store.KeyValue[T], len(parcels))
	for i, p := range parcels {
		values[i].Key = p.Key
		if values[i].Value, err = p.Value.Peek(); err != nil {
			return nil, named(err, p.Key)
		}
	}
	return values, nil
}

// GetAll implements [store.Reader].
func (s *PackedStore[T]) GetAll() (map[string]map[string]T, error) {
	return listAll(&s.engine, s.List)
}

// Set implements [store.Writer].
func (s *PackedStore[T]) Set(kind, key string, value T) (created bool, err error) {
	if err := s.checkKey(kind, key); err != nil {
		return false, err
	}
	p, err := s.pack(kind, key, value)
	if err != nil {
		return false, err
	}
	defer p.arrived()
	return s.set(kind, key, p)
}

// SetPacked is Set of a value that is packed already, in a form that the store's
// codec decodes. It is not decoded, unless a function of T has to look at it: a
// ValidateFunc, a CompareFunc or an index of [PackedStore.AddIndex].
func (s *PackedStore[T]) SetPacked(kind, key string, packed store.Packed) (created bool, err error) {
	if err := s.checkKey(kind, key); err != nil {
		return false, err
	}
	p, err := s.announce(kind, key, packed)
	if err != nil {
		return false, err
	}
	defer p.arrived()
	return s.set(kind, key, p)
}

// SetFn implements [store.Writer]. fn is given a value of its own.
func (s *PackedStore[T]) SetFn(kind, key string, fn func(value T) (T, error)) (changed bool, err error) {
	if fn == nil {
		return s.setFn(kind, key, nil)
	}
	var made *Parcel[T]
	defer func() { arrive(made) }()
	return s.setFn(kind, key, func(prev *Parcel[T]) (*Parcel[T], error) {
		value, err := prev.Copy()
		if err != nil {
			return nil, named(err, key)
		}
		if value, err = fn(value); err != nil {
			return nil, err
		}
		made, err = s.pack(kind, key, value)
		return made, err
	})
}

// Compute implements [store.Writer]. fn is given a value of its own; the value that is
// returned is shared with others.
func (s *PackedStore[T]) Compute(kind, key string, fn func(value T, exists bool) (T, store.Op, error)) (value T, exists bool, err error) {
	if fn == nil {
		return value, false, fmt.Errorf("Compute of key %q: %w", key, store.ErrFuncRequired)
	}
	var made *Parcel[T]
	p, exists, _, err := s.update(kind, key, func(prev *Parcel[T], exists bool) (*Parcel[T], store.Op, error) {
		var value T
		if exists {
			var err error
			if value, err = prev.Copy(); err != nil {
				return nil, store.OpKeep, named(err, key)
			}
		}
		value, op, err := fn(value, exists)
		if err == nil && op == store.OpSet {
			made, err = s.pack(kind, key, value)
		}
		return made, op, err
	})
	arrive(made)
	if err != nil || !exists {
		return value, exists, err
	}
	value, err = p.Value()
	return value, true, named(err, key)
}

// SetAll implements [store.Writer].
func (s *PackedStore[T]) SetAll(kind string, values map[string]T) error {
	return writeMany(s, kind, values, s.pack, false)
}

// Replace implements [store.Writer].
func (s *PackedStore[T]) Replace(kind string, values map[string]T) error {
	return writeMany(s, kind, values, s.pack, true)
}

// ReplacePacked is Replace with values that are packed already; see
// [PackedStore.SetPacked].
func (s *PackedStore[T]) ReplacePacked(kind string, values map[string]store.Packed) error {
	return writeMany(s, kind, values, s.announce, true)
}

// writeMany writes what a function makes of values.
func writeMany[T, V any](s *PackedStore[T], kind string, values map[string]V, pack func(kind, key string, value V) (*Parcel[T], error), replace bool) error {
	if err := s.check(kind); err != nil {
		return err
	}
	parcels := make(map[string]*Parcel[T], len(values))
	defer func() {
		for _, p := range parcels {
			arrive(p)
		}
	}()
	for key, value := range values {
		p, err := pack(kind, key, value)
		if err != nil {
			return err
		}
		parcels[key] = p
	}
	return s.setMany(kind, parcels, replace)
}

// arrive is called when a parcel, if there is one, was written or will not be.
func arrive[T any](p *Parcel[T]) {
	if p != nil {
		p.arrived()
	}
}

// Delete implements [store.Writer]. A value that cannot be decoded is deleted all
// the same: existed is then true, and the error a [*DecodeError].
func (s *PackedStore[T]) Delete(kind, key string) (existed bool, prev T, err error) {
	existed, p, err := s.remove(kind, key, nil, itself[*Parcel[T]])
	if !existed || err != nil {
		return existed, prev, err
	}
	prev, err = p.Copy()
	return true, prev, named(err, key)
}

// DeleteIf implements [store.Writer]. A value that cannot be decoded is not deleted, and
// the error is a [*DecodeError].
func (s *PackedStore[T]) DeleteIf(kind, key string, cond func(value T) bool) (deleted bool, prev T, err error) {
	if cond == nil {
		return false, prev, fmt.Errorf("DeleteIf of key %q: %w", key, store.ErrFuncRequired)
	}
	var failed error
	deleted, _, err = s.remove(kind, key, func(p *Parcel[T]) bool {
		if prev, failed = p.Copy(); failed != nil {
			return false
		}
		return cond(prev)
	}, itself[*Parcel[T]])
	if failed != nil {
		err = named(failed, key)
	}
	if !deleted {
		var none T
		prev = none
	}
	return deleted, prev, err
}

// DeletePacked is Delete without decoding, of an object whose last state is known:
// the delete event shows final, if it is not nil.
func (s *PackedStore[T]) DeletePacked(kind, key string, final store.Packed) (existed bool, err error) {
	last := itself[*Parcel[T]]
	if final != nil {
		p, err := s.parcel(kind, key, final)
		if err != nil {
			return false, err
		}
		last = func(*Parcel[T]) *Parcel[T] { return p }
	}
	existed, _, err = s.remove(kind, key, nil, last)
	return existed, err
}

// Watch implements [store.Watcher]. Every event is decoded, with Old. An event
// that cannot be decoded ends the watch with an error event.
func (s *PackedStore[T]) Watch(kind string, opts ...store.WatchOption[T]) (<-chan *store.Event[T], func(), error) {
	return watch(func() (*Cursor[*Parcel[T]], error) { return s.Cursor(kind, opts...) }, unpacked[T])
}

// WatchContext implements [store.Watcher], as [PackedStore.Watch] does.
func (s *PackedStore[T]) WatchContext(ctx context.Context, kind string, opts ...store.WatchOption[T]) (<-chan *store.Event[T], error) {
	return watchContext(ctx, func() (*Cursor[*Parcel[T]], error) { return s.Cursor(kind, opts...) }, unpacked[T])
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
			return &store.Event[T]{Kind: e.Kind, Name: e.Name, EventType: store.EventTypeError, Revision: e.Revision, Err: named(err, e.Name)}
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
	return s.engine.Cursor(kind, func(c *store.WatchConfig) { *c = config })
}

// AddIndex is [MemStore.AddIndex]: fn is given a value that is decoded for it,
// unless its writer has it at hand. Use [PackedStore.AddPackedIndex] where the
// packed form tells enough.
func (s *PackedStore[T]) AddIndex(kind, name string, fn IndexFunc[T]) error {
	return s.addIndex(kind, &index[*Parcel[T]]{name: name, fn: func(key string, p *Parcel[T]) ([]string, error) {
		value, err := p.Written()
		if err != nil {
			return nil, err
		}
		return fn(key, value)
	}}, fn == nil)
}

// AddPackedIndex is AddIndex with a function that looks at the packed form.
func (s *PackedStore[T]) AddPackedIndex(kind, name string, fn IndexFunc[store.Packed]) error {
	packed := func(key string, p *Parcel[T]) ([]string, error) { return fn(key, p.packed) }
	return s.addIndex(kind, &index[*Parcel[T]]{name: name, fn: packed}, fn == nil)
}

// AddParcelIndex is AddIndex with a function that looks at the packed form, the value, or
// both. It has to take the value from [Parcel.Written].
func (s *PackedStore[T]) AddParcelIndex(kind, name string, fn IndexFunc[*Parcel[T]]) error {
	return s.addIndex(kind, &index[*Parcel[T]]{name: name, fn: fn}, fn == nil)
}

// Cool lets go of what is kept decoded, and keeps no more: from now on every read decodes.
// It is for a store that is read rarely from now on, and shares its budget with others.
func (s *PackedStore[T]) Cool() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cool = true
	for _, h := range s.homes {
		s.hot.forget(h)
	}
}

// Close implements [store.Store]. What is kept decoded is let go.
func (s *PackedStore[T]) Close() error {
	s.Cool()
	return s.engine.Close()
}

// PackedStats are figures of one kind of a [PackedStore].
type PackedStats struct {
	// Objects is how many values there are, and PackedBytes what they take packed,
	// without what they share, such as dictionaries.
	Objects     int
	PackedBytes int64
	// Decoded is how many values are kept decoded, and DecodedBytes what they take:
	// an estimate, for which some of them are weighed. Those that were replaced and that a
	// cursor has yet to read are among them.
	Decoded      int
	DecodedBytes int64
	// Decodes is how many times a value was decoded since the store was made.
	Decodes uint64
}

// Stats returns the figures of a kind at this moment. It does not block and takes
// O(1) time.
func (s *PackedStore[T]) Stats(kind string) (PackedStats, error) {
	objects, err := s.Count(kind)
	if err != nil {
		return PackedStats{}, err
	}
	stats := PackedStats{Objects: objects}
	if t := s.kinds.lookup(kind); t != nil {
		h := s.home(kind)
		stats.PackedBytes = t.bytes.Load()
		stats.Decoded, stats.DecodedBytes, stats.Decodes = int(h.decoded.Load()), h.bytes.Load(), h.decodes.Load()
	}
	return stats, nil
}
