package core

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// packing packs objects, and decodes them in any form. Encode and Decode are those of the
// store; Decode is DecodeAs in the form of AsStored.
type packing interface {
	store.Codec[any]
	DecodeAs(packed store.Packed, f Form) (any, error)
	// prefer sets the form in which packed objects are decoded first, and firstForm returns
	// it.
	prefer(f Form)
	firstForm() Form
	// setTransform sets what is applied to an object that is made in another form than it
	// came in.
	setTransform(transform func(any) (any, error))
	// sharedBytes returns what the packed objects share.
	sharedBytes() int64
}

// lastPacked is the state in which an object was deleted.
type lastPacked struct{ store.Packed }

// partialPacked is the metadata of an object, packed.
type partialPacked struct{ store.Packed }

// kindPacking packs the objects of one kind. What is packed is what the server sent, or what
// a transform made of it, and every form is made from that.
type kindPacking struct {
	kind  Kind
	codec [Unstructured + 1]*codec.Codec[any] // by form; nil for one that there is none for
	first atomic.Int32                        // the form that is decoded first
	came  atomic.Int32                        // the form that full objects come in

	transform func(any) (any, error) // of what is made in another form; nil: none
}

// newKindPacking returns the packing of a kind that is read in a form first. The error is a
// [codec.ErrType] if objects of that form cannot be packed.
func newKindPacking(kind Kind, first Form, opts codec.PackerOptions) (*kindPacking, error) {
	p := &kindPacking{kind: kind}
	p.first.Store(int32(first))
	p.came.Store(int32(first))
	for f := Metadata; f <= Unstructured; f++ {
		t := kind.goType(f)
		if t == nil {
			continue
		}
		c, err := codec.NewOf(t, codec.Options[any]{PackerOptions: opts})
		if err == nil {
			p.codec[f] = c
		} else if f == first {
			return nil, err
		}
	}
	return p, nil
}

func (p *kindPacking) prefer(f Form) { p.first.Store(int32(f)) }

func (p *kindPacking) setTransform(transform func(any) (any, error)) { p.transform = transform }

func (p *kindPacking) firstForm() Form { return Form(p.first.Load()) }

// widest returns the widest form of which the wire knows the fields.
func (p *kindPacking) widest() Form {
	if p.codec[Typed] != nil {
		return Typed
	}
	return Unstructured
}

// wireKind returns what packs objects as the API server sends them, when they are asked for
// in a form.
func (p *kindPacking) wireKind(opts wire.KindOptions[any], f Form) (*wire.Kind, error) {
	return wire.NewKindOf(p.kind.goType(f), p.kind.gvk(), p.codec[f], opts)
}

// Encode packs an object that came decoded, in whatever form.
func (p *kindPacking) Encode(obj any) (store.Packed, error) {
	f := FormOf(obj)
	c := p.codec[f]
	if c == nil {
		return nil, fmt.Errorf("%w: a %T, as %s", codec.ErrType, obj, p.kind.gvk().Kind)
	}
	packed, err := c.Encode(obj)
	if err == nil && f == Metadata {
		packed = partialPacked{packed}
	}
	return packed, err
}

// Decode decodes an object in the form that is preferred, or the widest that it has.
func (p *kindPacking) Decode(packed store.Packed) (any, error) { return p.DecodeAs(packed, AsStored) }

// scratch is memory to unpack bytes into that are only looked at.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// lookAt calls look with the bytes of a packed object, which are valid during the call.
func lookAt(packed store.Packed, look func(wire []byte) error) error {
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	wire, err := codec.Unpack((*buf)[:0], bare(packed))
	if err != nil {
		return err
	}
	*buf = wire
	return look(wire)
}

// bare returns what a codec has packed.
func bare(packed store.Packed) store.Packed {
	if last, ok := packed.(lastPacked); ok {
		packed = last.Packed
	}
	if partial, ok := packed.(partialPacked); ok {
		packed = partial.Packed
	}
	return packed
}

func isPartial(packed store.Packed) bool {
	if last, ok := packed.(lastPacked); ok {
		packed = last.Packed
	}
	_, ok := packed.(partialPacked)
	return ok
}

// isJSON tells whether an object came as JSON, and not as protobuf.
func isJSON(packed store.Packed) (is bool) {
	_ = lookAt(packed, func(wire []byte) error {
		is = isJSONText(wire)
		return nil
	})
	return is
}

func isJSONText(wire []byte) bool { return len(wire) > 0 && wire[0] == '{' }

// DecodeAs decodes an object in a form, as the caller's own.
func (p *kindPacking) DecodeAs(packed store.Packed, f Form) (obj any, err error) {
	if f == AsStored {
		f = Form(p.first.Load())
		if isPartial(packed) {
			f = Metadata
		}
	} else if f > Metadata && isPartial(packed) {
		return nil, fmt.Errorf("%s: %w", p.kind.gvk().Kind, ErrNarrow)
	}
	err = lookAt(packed, func(wire []byte) error {
		obj, err = p.decodeWire(wire, f)
		return err
	})
	came := Form(p.came.Load())
	if isPartial(packed) {
		came = Metadata
	}
	if err == nil && p.transform != nil && f != came {
		return apply(p.transform, obj)
	}
	return obj, err
}

func (p *kindPacking) decodeWire(wire []byte, f Form) (any, error) {
	if f == Unstructured && !isJSONText(wire) {
		return p.untype(wire)
	}
	c := p.codec[f]
	if c == nil {
		return nil, fmt.Errorf("%w: %v has no Go type in the scheme that can be decoded", codec.ErrType, p.kind.gvk())
	}
	obj, err := c.DecodeWire(wire)
	if err != nil {
		return nil, err
	}
	switch f {
	case Typed:
		// As they come from the server, typed objects don't say what they are.
		obj.(runtime.Object).GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	case Metadata:
		obj.(runtime.Object).GetObjectKind().SetGroupVersionKind(p.kind.gvk())
	}
	return obj, nil
}

// untype returns what is in protobuf as the server would have sent it in JSON.
func (p *kindPacking) untype(wire []byte) (any, error) {
	typed, err := p.decodeWire(wire, Typed)
	if err != nil {
		return nil, err
	}
	// The server says what these are, but protobuf has no place for it.
	if set, ok := typed.(*appsv1.StatefulSet); ok {
		for i := range set.Spec.VolumeClaimTemplates {
			set.Spec.VolumeClaimTemplates[i].TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}
		}
	}
	text, err := json.Marshal(typed)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(text, &u.Object); err != nil {
		return nil, err
	}
	u.SetGroupVersionKind(p.kind.gvk())
	return u, nil
}

func (p *kindPacking) sharedBytes() (bytes int64) {
	for _, c := range p.codec {
		bytes += sharedBytes(c)
	}
	return bytes
}

func sharedBytes(c *codec.Codec[any]) int64 {
	if c == nil {
		return 0
	}
	s := c.Packer().Stats()
	if s.Values == 0 {
		return 0
	}
	return int64(s.DictionaryBytes + s.ReadyBytes)
}

// typePacking packs objects of whatever types come, each type by a codec of its own: an
// indexer takes what its key function takes, and a transform may make something else of
// what the server sends.
type typePacking struct {
	kind    Kind // makes narrower forms
	options codec.PackerOptions

	transform func(any) (any, error) // of what is made in another form; nil: none

	types sync.Map   // from reflect.Type to its codec
	mu    sync.Mutex // held to add one
}

// typePacked is an object with the codec that can unpack it.
type typePacked struct {
	codec.Packed
	of *codec.Codec[any]
}

// Size implements [store.Packed].
func (p typePacked) Size() int { return p.Packed.Size() + int(unsafe.Sizeof(p)) }

// tombstonePacked is what a tombstone is of.
type tombstonePacked struct {
	store.Packed
	key string
}

// nothing is nil, which a tombstone may be of.
type nothing struct{}

func (nothing) Size() int    { return 0 }
func (nothing) Len() int     { return 0 }
func (nothing) Hash() uint64 { return 0 }

// What came is decoded to what it was.
func (p *typePacking) prefer(Form) {}

func (p *typePacking) setTransform(transform func(any) (any, error)) { p.transform = transform }

func (p *typePacking) firstForm() Form { return AsStored }

// Encode implements [store.Codec]. The error for a type that no codec is for is a
// [codec.ErrType].
func (p *typePacking) Encode(obj any) (store.Packed, error) {
	switch obj := obj.(type) {
	case cache.DeletedFinalStateUnknown:
		inner, err := p.Encode(obj.Obj)
		if err != nil {
			return nil, err
		}
		return tombstonePacked{inner, obj.Key}, nil
	case nil:
		return nothing{}, nil
	}
	of, err := p.of(reflect.TypeOf(obj))
	if err != nil {
		return nil, err
	}
	inner, err := of.Encode(obj)
	if err != nil {
		return nil, err
	}
	return typePacked{inner, of}, nil
}

// Decode implements [store.Codec].
func (p *typePacking) Decode(packed store.Packed) (any, error) {
	switch packed := packed.(type) {
	case typePacked:
		return packed.of.Decode(packed.Packed)
	case lastPacked:
		return p.Decode(packed.Packed)
	case tombstonePacked:
		obj, err := p.Decode(packed.Packed)
		return cache.DeletedFinalStateUnknown{Key: packed.key, Obj: obj}, err
	case nothing:
		return nil, nil
	}
	return nil, codec.ErrForeign
}

// DecodeAs decodes an object, and makes the form of it if that is no wider.
func (p *typePacking) DecodeAs(packed store.Packed, f Form) (any, error) {
	obj, err := p.Decode(packed)
	if err != nil || f == AsStored {
		return obj, err
	}
	narrowed, err := p.kind.Narrow(obj, f)
	if err != nil || p.transform == nil || narrowed == obj {
		return narrowed, err
	}
	return apply(p.transform, narrowed)
}

// of returns the codec of a type.
func (p *typePacking) of(t reflect.Type) (*codec.Codec[any], error) {
	if of, ok := p.types.Load(t); ok {
		return of.(*codec.Codec[any]), nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if of, ok := p.types.Load(t); ok {
		return of.(*codec.Codec[any]), nil
	}
	c, err := codec.NewOf(t, codec.Options[any]{PackerOptions: p.options})
	if err != nil {
		return nil, err
	}
	p.types.Store(t, c)
	return c, nil
}

func (p *typePacking) sharedBytes() (bytes int64) {
	for _, of := range p.types.Range {
		bytes += sharedBytes(of.(*codec.Codec[any]))
	}
	return bytes
}
