package core

import (
	"errors"
	"fmt"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// packedObjects has objects packed, and decoded beside that as far as a budget goes.
type packedObjects struct {
	objects[*gomap.Parcel[any]]
	store   *gomap.PackedStore[any]
	packing packing
	kind    Kind
}

// newPackedObjects returns an empty store. onShare is told of each object that is decoded
// for readers who share it. Writes of what is packed to the same are no changes, unless every
// write is to be one.
func newPackedObjects(name string, kind Kind, p packing, budget *Budget, onShare func(any), everyWrite bool) (*packedObjects, error) {
	options := gomap.PackedOptions[any]{Codec: p, Shared: budget, OnShare: onShare}
	if everyWrite {
		options.ComparePacked = func(_, _ store.Packed) bool { return false }
	}
	s, err := gomap.NewPackedStore(options)
	if err != nil {
		return nil, err
	}
	return &packedObjects{
		store: s, packing: p, kind: kind,
		objects: objects[*gomap.Parcel[any]]{name: name, tables: s, value: packedValue},
	}, nil
}

func (o *packedObjects) Get(key string) (Value, bool) {
	parcel, ok, _ := o.store.GetParcel(o.name, key) // the error of an empty name is absence
	return packedValue(parcel), ok
}

func (o *packedObjects) Open(v Value, f Form) (any, error) {
	return o.open(v, f, (*gomap.Parcel[any]).Value)
}

func (o *packedObjects) Glance(v Value, f Form) (any, error) {
	return o.open(v, f, (*gomap.Parcel[any]).Peek)
}

// Copy makes a copy of an object that is kept decoded, as that is quicker than to decode it.
func (o *packedObjects) Copy(v Value, f Form) (any, error) {
	return o.open(v, f, func(p *gomap.Parcel[any]) (any, error) { return p.CopyBy(clone) })
}

// open decodes an object. Only the form that is decoded first is kept decoded.
func (o *packedObjects) open(v Value, f Form, decode func(*gomap.Parcel[any]) (any, error)) (any, error) {
	if v.parcel == nil {
		return nil, nil // of a change that has no such object
	}
	if f != AsStored && f != o.packing.firstForm() {
		return o.packing.DecodeAs(v.parcel.Packed(), f)
	}
	obj, err := decode(v.parcel)
	if err != nil || f == AsStored || FormOf(obj) == f {
		return obj, err
	}
	return o.packing.DecodeAs(v.parcel.Packed(), f) // it is kept in what was the first form
}

func (o *packedObjects) AddIndex(name string, ix Index) error {
	switch {
	case ix.Key != nil:
		return o.store.AddPackedIndex(o.name, name, func(key string, _ store.Packed) ([]string, error) { return ix.Key(key), nil })
	case ix.Labels:
		return o.addLabels(name)
	case len(ix.Field) > 0:
		return o.addField(name, ix.Field)
	case ix.Single != nil:
		ix.Func = func(obj any) ([]string, error) { return []string{ix.Single(obj)}, nil }
	}
	return o.store.AddParcelIndex(o.name, name, func(_ string, p *gomap.Parcel[any]) ([]string, error) {
		obj, err := o.open(packedValue(p), ix.Form, (*gomap.Parcel[any]).Written)
		if errors.Is(err, ErrNarrow) {
			return nil, nil // it is about to be listed again
		}
		if err != nil {
			return nil, err
		}
		return ix.Func(obj)
	})
}

// addLabels adds an index by labels. What the server sent is scanned for them.
func (o *packedObjects) addLabels(name string) error {
	scanner, err := o.scanner()
	if err != nil {
		return o.store.AddIndex(o.name, name, gomap.LabelIndex(labelsOf))
	}
	values := gomap.LabelIndex(func(labels map[string]string) map[string]string { return labels })
	return o.addScanned(name, scanner, func(key string, m *wire.Meta) ([]string, error) {
		labels := make(map[string]string, len(m.Labels))
		for _, l := range m.Labels {
			labels[string(l.Key)] = string(l.Value)
		}
		return values(key, labels)
	})
}

// addField adds an index by a path.
func (o *packedObjects) addField(name string, field wire.Field) error {
	scanner, err := o.scanner(field)
	if err != nil {
		return fmt.Errorf("index %q: %w", name, err)
	}
	return o.addScanned(name, scanner, func(_ string, m *wire.Meta) (found []string, err error) {
		for _, v := range m.Values {
			found = append(found, string(v.Value))
		}
		return found, nil
	})
}

// addScanned adds an index by what is scanned of packed objects.
func (o *packedObjects) addScanned(name string, scanner *wire.Kind, values func(key string, m *wire.Meta) ([]string, error)) error {
	return o.store.AddPackedIndex(o.name, name, func(key string, packed store.Packed) (found []string, err error) {
		err = lookAt(packed, func(b []byte) error {
			var m wire.Meta
			if err := scanner.Scan(b, &m); err != nil {
				return err
			}
			found, err = values(key, &m)
			return err
		})
		return found, err
	})
}

// scanner returns what scans the bytes of packed objects, for fields too.
func (o *packedObjects) scanner(fields ...wire.Field) (*wire.Kind, error) {
	p, ok := o.packing.(*kindPacking)
	if !ok {
		return nil, errNotPacked
	}
	return p.wireKind(wire.KindOptions[any]{Fields: fields}, p.widest())
}

func (o *packedObjects) Stats() Stats {
	figures, _ := o.store.Stats(o.name)
	return Stats{
		Objects:         figures.Objects,
		Packed:          figures.Objects,
		PackedBytes:     figures.PackedBytes,
		DictionaryBytes: o.packing.sharedBytes(),
		Decoded:         figures.Decoded,
		DecodedBytes:    figures.DecodedBytes,
		Decodes:         figures.Decodes,
	}
}

func (o *packedObjects) Set(key string, obj Item) (err error) {
	if obj.packed == nil {
		_, err = o.store.Set(o.name, key, obj.object)
	} else {
		_, err = o.store.SetPacked(o.name, key, obj.packed)
	}
	return err
}

func (o *packedObjects) Delete(key string, final Item) error {
	if final.isZero() {
		_, err := o.store.DeletePacked(o.name, key, nil)
		return err
	}
	final, err := o.packed(key, final)
	if err != nil {
		return err
	}
	_, err = o.store.DeletePacked(o.name, key, lastPacked{final.packed})
	return err
}

func (o *packedObjects) Replace(items map[string]Item) (err error) {
	if objects, ok := unpacked(items); ok {
		return o.store.Replace(o.name, objects) // indexes see them, and decode nothing
	}
	all := make(map[string]codec.Packed, len(items))
	for key, item := range items {
		if item, err = o.packed(key, item); err != nil {
			return err
		}
		all[key] = item.packed
	}
	return o.store.ReplacePacked(o.name, all)
}

// unpacked returns items as objects, if none is packed.
func unpacked(items map[string]Item) (map[string]any, bool) {
	objects := make(map[string]any, len(items))
	for key, item := range items {
		if item.packed != nil {
			return nil, false
		}
		objects[key] = item.object
	}
	return objects, true
}

// packed returns an item packed.
func (o *packedObjects) packed(key string, item Item) (Item, error) {
	packed, err := o.pack(item)
	if err != nil {
		return Item{}, &gomap.EncodeError{Kind: o.name, Name: key, Err: err}
	}
	return packed, nil
}

func (o *packedObjects) arrived(obj any) Item { return Item{object: obj} }

func (o *packedObjects) pack(item Item) (Item, error) {
	if item.packed != nil {
		return item, nil
	}
	packed, err := o.packing.Encode(item.object)
	return Item{packed: packed}, err
}

// IsPacked tells that objects are.
func (o *packedObjects) IsPacked() bool { return true }

func (o *packedObjects) setTransform(transform func(any) (any, error)) {
	o.packing.setTransform(transform)
}

func (o *packedObjects) cool() { o.store.Cool() }

// prefer takes the first full form that is asked for.
func (o *packedObjects) prefer(f Form) {
	if o.packing.firstForm() == Metadata {
		o.packing.prefer(f)
	}
}
