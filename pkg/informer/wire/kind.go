package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/larder-dev/larder/pkg/codec"
)

// KindOptions configure a [Kind]. The zero value is good.
type KindOptions[T any] struct {
	// Fields are what is scanned for indexes; see [Object.Values].
	Fields []Field

	// Transform is applied to every object before it is packed, to drop what nobody reads. It may change obj, whose
	// apiVersion and kind are set, and return it. It must keep namespace, name, uid and resourceVersion. Each object
	// is decoded and encoded for it, once. An error or a panic is a [*TransformError]. It is called from several
	// goroutines if several lists or watches go on.
	Transform func(obj T) (T, error)

	// DropManagedFields has metadata.managedFields cut out of the bytes before they are packed, without decoding
	// them. The server is asked not to send them in the first place.
	DropManagedFields bool
}

// A Kind makes Objects of bytes: it knows what the bytes of one kind of object may look like. It is safe for
// concurrent use, and best shared by all that hold objects of the kind, as its Packer knows what they have in common.
type Kind struct {
	gvk       schema.GroupVersionKind
	sent      typeMeta // what the bytes say of objects
	partial   bool     // they are PartialObjectMetadata
	packer    *codec.Packer
	root      *message // nil: JSON only
	fields    *node    // by numbers
	jsonRoot  *node
	drops     bool                                    // managedFields
	transform func(wire []byte) (codec.Packed, error) // nil: none
}

// typeMeta is what an object says that it is.
type typeMeta struct{ apiVersion, kind string }

// NewKind returns the kind of objects that a codec packs. T is a pointer to an API type,
// *unstructured.Unstructured, or *metav1.PartialObjectMetadata for the metadata of any kind.
//
// It is [ErrType] for a type that cannot be an API object, and [ErrField] for a field that T does not have. What
// fields a type without protobuf methods has is not known, so that none is refused.
func NewKind[T any](gvk schema.GroupVersionKind, c *codec.Codec[T], opts KindOptions[T]) (*Kind, error) {
	return newKindOf(reflect.TypeFor[T](), gvk, c, opts)
}

// NewKindOf is [NewKind] for a type that is known only when the program runs, with a codec of codec.NewOf for it.
func NewKindOf(goType reflect.Type, gvk schema.GroupVersionKind, c *codec.Codec[any], opts KindOptions[any]) (*Kind, error) {
	return newKindOf(goType, gvk, c, opts)
}

func newKindOf[T any](goType reflect.Type, gvk schema.GroupVersionKind, c *codec.Codec[T], opts KindOptions[T]) (*Kind, error) {
	k, err := newKind(gvk, c.Packer(), goType, opts.Fields)
	if err != nil {
		return nil, err
	}
	k.drops = opts.DropManagedFields
	if opts.Transform == nil {
		return k, nil
	}
	k.transform = func(wire []byte) (codec.Packed, error) {
		value, err := c.DecodeWire(wire)
		if err != nil {
			return nil, err
		}
		if obj, ok := any(value).(runtime.Object); ok {
			obj.GetObjectKind().SetGroupVersionKind(gvk)
		}
		if value, err = try(opts.Transform, value); err != nil {
			return nil, err
		}
		return c.Encode(value)
	}
	return k, nil
}

// newKind returns the kind of objects of a type.
func newKind(gvk schema.GroupVersionKind, packer *codec.Packer, t reflect.Type, fields []Field) (*Kind, error) {
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	k := &Kind{gvk: gvk, sent: typeMeta{apiVersion, kind}, packer: packer, fields: &node{}, jsonRoot: newJSONRoot()}
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("%w: %v is no pointer to a struct", ErrType, t)
	}
	if t == reflect.TypeFor[*metav1.PartialObjectMetadata]() {
		k.sent, k.partial = typeMeta{metav1.SchemeGroupVersion.String(), "PartialObjectMetadata"}, true
	}
	if t.Implements(unmarshaler) && isGenerated(t.Elem()) {
		var err error
		if k.root, err = rootOf(t.Elem()); err != nil {
			return nil, fmt.Errorf("%v: %w", t, err)
		}
	}
	for i, field := range fields {
		if k.root != nil {
			if err := k.fields.addProtobuf(t.Elem(), field, i); err != nil {
				return nil, err
			}
		}
		if err := k.jsonRoot.addJSON(field, i); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// try calls a transform, and makes an error of a panic.
func try[T any](transform func(T) (T, error), value T) (result T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panicked: %v", r)
		}
	}()
	return transform(value)
}

// GroupVersionKind returns what the objects are. With SetGroupVersionKind it makes a schema.ObjectKind of the Kind.
func (k *Kind) GroupVersionKind() schema.GroupVersionKind { return k.gvk }

// SetGroupVersionKind does nothing: objects of a kind are of that kind.
func (k *Kind) SetGroupVersionKind(schema.GroupVersionKind) {}

func (k *Kind) malformed(err error) error { return &MalformedError{Kind: k.gvk.Kind, Err: err} }

// Scan reads what is worth knowing of an object from its bytes, in any of their forms, into m, whose former content
// is lost, and checks the bytes to the last. m aliases them. It allocates nothing but what m lacks in capacity, and
// texts that are escaped in JSON. Bytes that cannot be decoded are a [*MalformedError], and then m means nothing.
func (k *Kind) Scan(wire []byte, m *Meta) error {
	bare, isJSON, err := strip(wire)
	if err == nil {
		err = k.scan(bare, isJSON, m)
	}
	if err != nil {
		return k.malformed(err)
	}
	return nil
}

// strip takes protobuf out of its envelope, if it is in one, and tells whether bytes are JSON.
func strip(wire []byte) (bare []byte, isJSON bool, err error) {
	if len(wire) > 0 && wire[0] == '{' {
		return wire, true, nil
	}
	if !bytes.HasPrefix(wire, magic) {
		return wire, false, nil
	}
	var v envelope
	err = v.open(wire)
	return v.raw, false, err
}

// scan is Scan for an object in no envelope.
func (k *Kind) scan(bare []byte, isJSON bool, m *Meta) error {
	m.reset()
	var err error
	switch {
	case isJSON:
		err = scanJSON(bare, m, k.jsonRoot)
	case k.root == nil:
		err = errNoProtobuf
	default:
		err = k.root.scan(bare, m, k.fields, 0)
	}
	if err == nil && (len(m.UID) > math.MaxUint16 || len(m.ResourceVersion) > math.MaxUint16) {
		err = errLength
	}
	return err
}

// Object packs the bytes of an object, which it does not keep. They are checked as by Scan, and have to have a name and a
// resourceVersion; if they say what they are, it has to be the Kind's kind. It is a [*MalformedError] otherwise, or a
// [*TransformError].
func (k *Kind) Object(wire []byte) (*Object, error) {
	var m Meta
	bare, isJSON, err := strip(wire)
	if err != nil {
		return nil, k.malformed(err)
	}
	return k.object(bare, form{isJSON: isJSON, isItem: true}, &m)
}

// form is what the bytes of an object are, which is in no envelope.
type form struct {
	isJSON bool
	isItem bool // of a list: JSON need not say what it is
}

// object makes an Object. m is memory to work in.
func (k *Kind) object(bare []byte, f form, m *Meta) (*Object, error) {
	err := k.scan(bare, f.isJSON, m)
	switch {
	case err != nil:
	case len(m.Name) == 0:
		err = errNoName
	case len(m.ResourceVersion) == 0:
		err = errNoVersion
	case !f.isJSON:
	case f.isItem && len(m.apiVersion) == 0 && len(m.kind) == 0:
		bare = k.complete(bare)
	default:
		err = k.checkType(m)
	}
	if err != nil {
		return nil, k.malformed(err)
	}
	o := newObject(k, m)
	if k.drops {
		bare = withoutManagedFields(bare, f.isJSON)
	}
	if k.transform != nil {
		return k.transformed(o, bare, m)
	}
	workload := codec.Workload(string(m.Controller), o.GetNamespace(), string(m.GenerateName))
	o.packed = k.packer.Pack(bare, workload)
	return o, nil
}

// complete adds to an object in JSON what it is, in the place where it would say so elsewhere: an item of a list of
// typed objects does not.
func (k *Kind) complete(bare []byte) []byte {
	begin := fmt.Appendf(make([]byte, 0, len(bare)+64), `{"kind":%q,"apiVersion":%q,`, k.sent.kind, k.sent.apiVersion)
	return append(begin, bare[1:]...) // it has metadata, so that there is something behind the comma
}

// checkType checks what an object in JSON says that it is.
func (k *Kind) checkType(m *Meta) error {
	switch {
	case len(m.apiVersion) == 0 || len(m.kind) == 0:
		return errTypeMeta
	case !k.is(m.apiVersion, m.kind):
		return errAnotherKind(m.apiVersion, m.kind)
	}
	return nil
}

// is tells whether objects of the kind call themselves so.
func (k *Kind) is(apiVersion, kind []byte) bool {
	return string(apiVersion) == k.sent.apiVersion && string(kind) == k.sent.kind
}

// transformed returns what the transform makes of an object.
func (k *Kind) transformed(o *Object, bare []byte, m *Meta) (*Object, error) {
	packed, err := k.transform(bare)
	if err != nil {
		return nil, &TransformError{o.Key(), err}
	}
	wire, err := codec.Unpack(nil, packed)
	if err == nil {
		err = k.Scan(wire, m)
	}
	if err != nil {
		return nil, &TransformError{o.Key(), err}
	}
	result := newObject(k, m)
	result.packed = packed
	result.newer = o.newer // what it lacks was lost when it was decoded
	if result.Key() != o.Key() || result.GetUID() != o.GetUID() || result.GetResourceVersion() != o.GetResourceVersion() {
		return nil, &TransformError{o.Key(), errors.New("it changed the namespace, name, uid or resourceVersion")}
	}
	return result, nil
}

// bookmark returns the object of a bookmark event.
func (k *Kind) bookmark(bare []byte, isJSON bool, m *Meta) (*Object, error) {
	err := k.scan(bare, isJSON, m)
	if err == nil && isJSON {
		err = k.checkType(m)
	}
	if err == nil && len(m.ResourceVersion) == 0 {
		err = errNoVersion
	}
	if err != nil {
		return nil, k.malformed(err)
	}
	o := newObject(k, m)
	o.end = m.InitialEventsEnd
	return o, nil
}
