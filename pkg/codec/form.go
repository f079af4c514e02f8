package codec

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// form turns values of one type into their wire form and back.
type form interface {
	// marshal returns the wire form; it may be in buf.
	marshal(buf *buffer, value any) ([]byte, error)
	// unmarshal returns a new value, which shares no memory with wire.
	unmarshal(wire []byte) (any, error)
}

// knownForm is formOf, which takes some milliseconds, once for each type.
func knownForm(t reflect.Type) (form, error) {
	find, ok := forms.Load(t)
	if !ok {
		find, _ = forms.LoadOrStore(t, sync.OnceValues(func() (form, error) { return formOf(t) }))
	}
	return find.(func() (form, error))()
}

var forms sync.Map // from reflect.Type to what finds its form

func formOf(t reflect.Type) (form, error) {
	switch {
	case t == reflect.TypeFor[*unstructured.Unstructured]():
		return unstructuredForm{}, nil
	case isMessage(t):
		f := protobufForm{elem: t.Elem()}
		if lost := lostBy(f, t); lost != "" {
			return nil, fmt.Errorf("%w: %v: %s: generate its protobuf methods anew", ErrType, t, lost)
		}
		return f, nil
	}
	if err := keptByJSON(t); err != nil {
		return nil, err
	}
	return jsonForm{t}, nil
}

// message is what protobuf methods are generated for.
type message interface {
	Size() int
	MarshalToSizedBuffer(data []byte) (int, error)
	Unmarshal(data []byte) error
}

// isMessage tells whether a type has protobuf methods of its own. A struct may also have them by embedding one
// that does, and they would leave out all its other fields. Where they are generated, the fields are tagged.
func isMessage(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct || !t.Implements(reflect.TypeFor[message]()) {
		return false
	}
	for field := range t.Elem().Fields() {
		if _, tagged := field.Tag.Lookup("protobuf"); !tagged && !isTypeMeta(field) {
			return false
		}
	}
	return true
}

// isTypeMeta tells whether a field is in the envelope instead of the message.
func isTypeMeta(field reflect.StructField) bool {
	_, tagged := field.Tag.Lookup("protobuf")
	return field.Anonymous && field.Name == "TypeMeta" && !tagged
}

// envelopeMagic begins an object in an envelope: a runtime.Unknown that says what the bytes in it are. A
// generated message cannot begin with it, nor with a brace: they would be the begin of groups, which are not
// generated.
var envelopeMagic = []byte("k8s\x00")

// protobufForm is for pointers to types with generated protobuf methods.
type protobufForm struct{ elem reflect.Type }

func (protobufForm) marshal(buf *buffer, value any) ([]byte, error) {
	msg := value.(message)
	size := msg.Size()
	wire := buf.sized(size)
	n, err := msg.MarshalToSizedBuffer(wire)
	if err != nil {
		return nil, err
	}
	wire = wire[size-n:]
	if obj, ok := value.(runtime.Object); ok {
		if gvk := obj.GetObjectKind().GroupVersionKind(); !gvk.Empty() {
			return wrap(wire, gvk.GroupVersion().String(), gvk.Kind)
		}
	}
	return wire, nil
}

func wrap(wire []byte, apiVersion, kind string) ([]byte, error) {
	envelope := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: wire}
	wrapped, err := envelope.Marshal()
	if err != nil {
		return nil, err
	}
	return slices.Concat(envelopeMagic, wrapped), nil
}

func (f protobufForm) unmarshal(wire []byte) (any, error) {
	if bytes.HasPrefix(wire, []byte("{")) {
		return jsonForm{reflect.PointerTo(f.elem)}.unmarshal(wire)
	}
	value := reflect.New(f.elem).Interface()
	var typeMeta runtime.TypeMeta
	if content, ok := bytes.CutPrefix(wire, envelopeMagic); ok {
		var envelope runtime.Unknown
		if err := envelope.Unmarshal(content); err != nil {
			return nil, err
		}
		if envelope.ContentEncoding != "" || envelope.ContentType != "" && envelope.ContentType != runtime.ContentTypeProtobuf {
			return nil, fmt.Errorf("the envelope holds %q in encoding %q", envelope.ContentType, envelope.ContentEncoding)
		}
		wire, typeMeta = envelope.Raw, envelope.TypeMeta
	}
	if err := value.(message).Unmarshal(wire); err != nil {
		return nil, err
	}
	if obj, ok := value.(runtime.Object); ok && typeMeta != (runtime.TypeMeta{}) {
		obj.GetObjectKind().SetGroupVersionKind(typeMeta.GroupVersionKind())
	}
	return value, nil
}
