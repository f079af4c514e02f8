package informer

import (
	"fmt"
	"iter"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// packed is a shelf with objects packed, and decoded beside that as far as the
// budget goes.
//
// An object that cannot be decoded, which takes damaged memory or a server that
// sends what it should not, is reported to damaged and left out of reads.
type packed[T Object] struct {
	table   *gomap.PackedStore[T]
	codec   *storeCodec[T]
	kind    string
	damaged func(key string, err error)

	scanner *wire.Kind     // of what comes from an API server, else nil
	fields  map[string]int // that the scanner scans, by the name of the index
}

// storeCodec is the codec of the store.
type storeCodec[T Object] struct {
	*codec.Codec[T]
	gvk schema.GroupVersionKind // set on each object, unless empty
}

// Decode implements store.Codec.
func (c *storeCodec[T]) Decode(packed codec.Packed) (T, error) {
	obj, err := c.Codec.Decode(packed)
	if err == nil && !c.gvk.Empty() {
		obj.GetObjectKind().SetGroupVersionKind(c.gvk)
	}
	return obj, err
}

func newPacked[T Object](kind string, c *codec.Codec[T], budget int64, damaged func(string, error)) (*packed[T], error) {
	p := &packed[T]{codec: &storeCodec[T]{Codec: c}, kind: kind, damaged: damaged}
	var err error
	p.table, err = gomap.NewPackedStore(gomap.PackedOptions[T]{Codec: p.codec, Budget: budget})
	return p, err
}

// fromWire prepares the shelf for objects as an API server sends them, and returns what
// packs them.
func (p *packed[T]) fromWire(f *feed[T], opts Options[T]) (*wire.Kind, error) {
	p.codec.gvk = f.gvk
	kindOptions := wire.KindOptions[T]{Transform: f.onArrival()}
	p.fields = make(map[string]int, len(opts.Paths))
	for name, field := range opts.Paths {
		p.fields[name] = len(kindOptions.Fields)
		kindOptions.Fields = append(kindOptions.Fields, field)
	}
	var err error
	if p.scanner, err = wire.NewKind(opts.GVK, p.codec.Codec, kindOptions); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidOption, err)
	}
	return p.scanner, nil
}

// decoded returns what a decoding came to, and reports a failure.
func (p *packed[T]) decoded(key string, obj T, err error) (T, bool) {
	if err != nil {
		p.damaged(key, err)
		return obj, false
	}
	return obj, true
}

func (p *packed[T]) get(key string) (T, bool) { return p.read(key, (*gomap.Parcel[T]).Value) }

func (p *packed[T]) copyOf(key string) (T, bool) { return p.read(key, (*gomap.Parcel[T]).Copy) }

func (p *packed[T]) read(key string, open func(*gomap.Parcel[T]) (T, error)) (obj T, ok bool) {
	parcel, ok, _ := p.table.GetParcel(p.kind, key) // the error of an empty name is absence
	if !ok {
		return obj, false
	}
	obj, err := open(parcel)
	return p.decoded(key, obj, err)
}

func (p *packed[T]) list() []T {
	page, _ := p.table.Page(p.kind, "", "", 0)
	objects := make([]T, 0, len(page.Items))
	for _, item := range page.Items {
		obj, err := item.Value.Peek()
		if obj, ok := p.decoded(item.Key, obj, err); ok {
			objects = append(objects, obj)
		}
	}
	return slices.Clip(objects)
}

func (p *packed[T]) len() int {
	n, _ := p.table.Count(p.kind)
	return n
}

// opened yields the objects of parcels.
func (p *packed[T]) opened(parcels iter.Seq2[string, *gomap.Parcel[T]]) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for key, parcel := range parcels {
			obj, err := parcel.Peek()
			if obj, ok := p.decoded(key, obj, err); ok && !yield(key, obj) {
				return
			}
		}
	}
}

func (p *packed[T]) all() iter.Seq2[string, T] {
	parcels, err := p.table.All(p.kind)
	if err != nil {
		return none
	}
	return p.opened(parcels)
}

func (p *packed[T]) revision() uint64 {
	revision, _, _ := p.table.RevisionAndCount(p.kind)
	return revision
}

func (p *packed[T]) view() view[T] {
	s, err := p.table.Snapshot(p.kind)
	if err != nil {
		return view[T]{objects: none[sight[T]], close: func() {}}
	}
	return viewOf(s, wrapped[T])
}

func wrapped[T Object](parcel *gomap.Parcel[T]) sight[T] { return sight[T]{parcel: parcel} }

func (p *packed[T]) byIndex(name, value string) (iter.Seq2[string, T], error) {
	parcels, err := p.table.ByIndex(p.kind, name, value)
	if err != nil {
		return nil, err
	}
	return p.opened(parcels), nil
}

func (p *packed[T]) addIndex(name string, fn IndexFunc[T]) error {
	return p.table.AddIndex(p.kind, name, func(_ string, obj T) ([]string, error) { return fn(obj), nil })
}

func (p *packed[T]) addField(name string, fn SingleValueFunc[T]) error {
	return p.addIndex(name, func(obj T) []string { return []string{fn(obj)} })
}

func (p *packed[T]) addPaths(paths map[string]wire.Field) error {
	for name := range paths {
		if p.scanner == nil {
			return errNotPacked
		}
		field := p.fields[name]
		err := p.table.AddPackedIndex(p.kind, name, func(_ string, packed store.Packed) ([]string, error) {
			return p.scan(packed, field)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scratch is memory to unpack bytes into that are only looked at.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// scan returns the values of a field.
func (p *packed[T]) scan(packed store.Packed, field int) (values []string, err error) {
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	if *buf, err = codec.Unpack((*buf)[:0], packed); err != nil {
		return nil, err
	}
	var m wire.Meta
	if err := p.scanner.Scan(*buf, &m); err != nil {
		return nil, err
	}
	for _, v := range m.Values {
		if v.Field == field {
			values = append(values, string(v.Value))
		}
	}
	return values, nil
}

func (p *packed[T]) watch(opts ...store.WatchOption[T]) (<-chan *store.Event[T], func(), error) {
	return p.table.Watch(p.kind, opts...)
}

func (p *packed[T]) follow(opts ...store.WatchOption[T]) (follower[T], error) {
	cursor, err := p.table.Cursor(p.kind, opts...)
	if err != nil {
		return nil, err
	}
	return packedFollower[T]{cursor}, nil
}

func (p *packed[T]) stats() Stats {
	figures, _ := p.table.Stats(p.kind)
	shared := p.codec.Packer().Stats()
	return Stats{
		Objects:         figures.Objects,
		Packed:          figures.Objects,
		PackedBytes:     figures.PackedBytes,
		DictionaryBytes: int64(shared.DictionaryBytes + shared.ReadyBytes),
		Decoded:         figures.Decoded,
		DecodedBytes:    figures.DecodedBytes,
		Decodes:         figures.Decodes,
	}
}

func (p *packed[T]) set(key string, obj item[T]) (err error) {
	if obj.packed != nil {
		_, err = p.table.SetPacked(p.kind, key, obj.packed)
	} else {
		_, err = p.table.Set(p.kind, key, obj.obj)
	}
	return err
}

func (p *packed[T]) delete(key string) error {
	_, err := p.table.DeletePacked(p.kind, key, nil)
	return err
}

func (p *packed[T]) replace(objects map[string]item[T]) error {
	all := make(map[string]codec.Packed, len(objects))
	for key, obj := range objects {
		if obj.packed == nil {
			var err error
			if obj.packed, err = p.codec.Encode(obj.obj); err != nil {
				return fmt.Errorf("key %q: %w", key, err)
			}
		}
		all[key] = obj.packed
	}
	return p.table.ReplacePacked(p.kind, all)
}

type packedFollower[T Object] struct {
	*gomap.Cursor[*gomap.Parcel[T]]
}

func (f packedFollower[T]) each(take func(change[T]) bool) {
	for e := range f.Changes() {
		if !take(changeOf(&e, wrapped[T])) {
			return
		}
	}
}
