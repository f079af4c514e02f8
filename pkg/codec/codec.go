package codec

import (
	"fmt"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Options configure a [Codec]. The zero value is good.
type Options[T any] struct {
	PackerOptions

	// Workload names the workload that a value belongs to: values with the same name are packed best, because
	// one of them is the dictionary of the others. An empty name is for a value without siblings. Default:
	// WorkloadOf for Kubernetes objects, and no workload for other types.
	Workload func(value T) string
}

// A Codec packs values of one type. It satisfies store.Codec[T], and is safe for concurrent use. Values of
// different kinds that are of the same type, such as unstructured objects, are packed best by a Codec for each
// kind.
type Codec[T any] struct {
	packer   *Packer
	goType   reflect.Type
	form     form
	workload func(T) string
}

// New returns a codec for a type. That can be
//
//   - a pointer to a type with generated protobuf methods, as the built-in types of Kubernetes have: its wire
//     form is protobuf, or runtime.Unknown's envelope around it if apiVersion and kind are set;
//   - *unstructured.Unstructured: its wire form is JSON;
//   - any type of which encoding/json keeps everything.
//
// Others are refused with [ErrType], and the error says what would be lost. New looks for what JSON never keeps:
// interfaces with methods, as it is not known what to decode to; channels and functions; fields that are unexported
// or left out by their tag; keys of maps that are neither text nor integers. Then it makes a value with something in
// every field, sends it through the wire form and compares what comes back. So it finds fields that share a name or
// hide each other, protobuf methods that know nothing of a field, and methods that marshal one way only or only by a
// pointer where JSON has none. This takes some milliseconds, once for each type.
//
// A type that marshals itself both ways is taken at its word, but has to read what it writes: New calls its methods
// with a few usual texts. If they are promoted from an embedded field, the struct has to have no other.
//
// What depends on the value is not found, and JSON does not keep it: in an interface without methods a whole float64
// comes back as int64, and whatever is no tree of maps and slices as such a tree; text that is not UTF-8 is mended;
// a pointer to what is written as null comes back as nil, and so does an empty slice or map with omitempty.
func New[T any](opts Options[T]) (*Codec[T], error) { return newCodec(reflect.TypeFor[T](), opts) }

// NewOf is New for a type that is known only when the program runs, such as that of an object. Encode of a value
// of another type is an [*EncodeError].
func NewOf(goType reflect.Type, opts Options[any]) (*Codec[any], error) {
	if goType == nil {
		return nil, fmt.Errorf("%w: nil has none", ErrType)
	}
	return newCodec(goType, opts)
}

func newCodec[T any](goType reflect.Type, opts Options[T]) (*Codec[T], error) {
	form, err := knownForm(goType)
	if err != nil {
		return nil, err
	}
	c := &Codec[T]{packer: NewPacker(opts.PackerOptions), goType: goType, form: form, workload: opts.Workload}
	if c.workload == nil {
		c.workload = defaultWorkload[T](goType)
	}
	return c, nil
}

func defaultWorkload[T any](goType reflect.Type) func(T) string {
	if !goType.Implements(reflect.TypeFor[metav1.Object]()) {
		return func(T) string { return "" }
	}
	return func(value T) string { return WorkloadOf(any(value).(metav1.Object)) }
}

// Packer returns what packs the codec's wire forms. Use it for bytes that are in wire form already; Decode
// takes what it returns.
func (c *Codec[T]) Packer() *Packer { return c.packer }

// Encode packs a value. It neither changes nor keeps the value. For one that has no wire form it is an
// [*EncodeError], which is an [ErrNilValue] for a nil pointer.
func (c *Codec[T]) Encode(value T) (Packed, error) {
	buf := getBuffer()
	defer buf.free()
	boxed := any(value)
	switch v := reflect.ValueOf(boxed); {
	case boxed == nil, v.Kind() == reflect.Pointer && v.IsNil():
		return nil, &EncodeError{Type: c.goType.String(), Err: ErrNilValue}
	case v.Type() != c.goType:
		return nil, &EncodeError{Type: c.goType.String(), Err: fmt.Errorf("%w: the value is a %T", ErrType, boxed)}
	}
	wire, err := c.form.marshal(buf, boxed)
	if err != nil {
		return nil, &EncodeError{Type: c.goType.String(), Err: err}
	}
	return c.packer.Pack(wire, c.workload(value)), nil
}

// Decode returns the value of a Packed, as a new copy that the caller owns. It takes bytes in any of the wire
// forms that an API server sends for the type: protobuf, with or without the envelope, and JSON.
//
// Its errors are those of [Unpack], and a [*DecodeError] for bytes that are not an object of the type.
func (c *Codec[T]) Decode(packed Packed) (T, error) {
	buf := getBuffer()
	defer buf.free()
	var zero T
	wire, err := Unpack(buf.b[:0], packed)
	if err != nil {
		return zero, err
	}
	buf.b = wire
	return c.DecodeWire(wire)
}

// DecodeWire is Decode for bytes that are not packed. The value shares no memory with them.
func (c *Codec[T]) DecodeWire(wire []byte) (T, error) {
	value, err := c.form.unmarshal(wire)
	if err != nil {
		var zero T
		return zero, &DecodeError{Type: c.goType.String(), Err: err}
	}
	return value.(T), nil
}
