package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// message is what the protobuf form of a Go type may look like. It is made from the tags of the type, which are
// what its protobuf methods are generated from, and is immutable.
type message struct {
	fields []*field // by number; nil for one that the type does not have
}

// field is a field of a message.
type field struct {
	shape    shape
	wire     int // wire type of the shape
	repeated bool
	sub      *message // of shapeMessage
	value    *field   // of shapeMap, whose keys are strings
	// take is told the bytes or the number that the field holds; nil for most.
	take func(m *Meta, b []byte, v uint64) error
}

// shape is what a field holds.
type shape byte

const (
	shapeVarint shape = iota
	shapeFixed32
	shapeFixed64
	shapeBytes
	shapeString
	shapeQuantity
	shapeMessage
	shapeMap
)

// wire returns the wire type of a shape.
func (s shape) wire() int {
	switch s {
	case shapeVarint:
		return wireVarint
	case shapeFixed32:
		return wireFixed32
	case shapeFixed64:
		return wireFixed64
	default:
		return wireBytes
	}
}

func (m *message) field(number int) *field {
	if number >= len(m.fields) {
		return nil
	}
	return m.fields[number]
}

// clone returns a message of which the given field is a copy that may be changed.
func (m *message) clone() *message { return &message{slices.Clone(m.fields)} }

func (m *message) change(number int) *field {
	f := *m.fields[number]
	m.fields[number] = &f
	return &f
}

// schemas makes messages, each type's once.
type schemas map[reflect.Type]*message

// unmarshaler is what types with protobuf methods implement, by pointer.
var unmarshaler = reflect.TypeFor[interface{ Unmarshal(data []byte) error }]()

// of returns the message of a struct, or of a slice with protobuf methods. Some types marshal otherwise than their
// fields tell: those of time, of quantities, of managed fields and of slices.
func (s schemas) of(t reflect.Type) (*message, error) {
	switch t {
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		t = reflect.TypeFor[metav1.Timestamp]()
	case reflect.TypeFor[resource.Quantity]():
		return &message{[]*field{1: {shape: shapeQuantity, wire: wireBytes}}}, nil
	case reflect.TypeFor[metav1.FieldsV1]():
		return &message{[]*field{1: {shape: shapeBytes, wire: wireBytes}}}, nil // in whatever it is held
	}
	if m, ok := s[t]; ok {
		return m, nil
	}
	m := &message{}
	s[t] = m // before its fields: types may contain themselves
	switch t.Kind() {
	case reflect.Slice:
		return m, s.add(m, "bytes,1,rep", reflect.SliceOf(t.Elem()))
	case reflect.Struct:
		for f := range t.Fields() {
			tag, ok := f.Tag.Lookup("protobuf")
			if !ok || tag == "-" {
				if f.Name == "TypeMeta" || f.Type.Kind() == reflect.Interface {
					continue // is in the envelope, or decoded from another field
				}
				return nil, fmt.Errorf("%w: field %s of %v has no protobuf tag", ErrType, f.Name, t)
			}
			if err := s.add(m, tag, f.Type); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return nil, fmt.Errorf("%w: %v is not a message", ErrType, t)
}

// add adds a field of a Go type to a message.
func (s schemas) add(m *message, tag string, t reflect.Type) error {
	number := numberOf(tag)
	if number <= 0 {
		return fmt.Errorf("%w: protobuf tag %q", ErrType, tag)
	}
	f, err := s.field(t)
	if err != nil {
		return err
	}
	if number >= len(m.fields) {
		m.fields = append(m.fields, make([]*field, number+1-len(m.fields))...)
	}
	m.fields[number] = f
	return nil
}

// numberOf returns the field number in a protobuf tag, or 0. What else is in tags is not always so: the methods are
// generated from the Go type.
func numberOf(tag string) int {
	parts := strings.Split(tag, ",")
	if len(parts) < 2 {
		return 0
	}
	number, err := strconv.Atoi(parts[1])
	if err != nil || number > 1<<16 {
		return 0
	}
	return number
}

// field returns the field of a Go type.
func (s schemas) field(t reflect.Type) (*field, error) {
	f := &field{}
	if t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 && !isMessage(t) {
		f.repeated = true
		t = t.Elem()
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var err error
	switch kind := t.Kind(); {
	case isMessage(t):
		f.shape = shapeMessage
		f.sub, err = s.of(t)
	case kind == reflect.String:
		f.shape = shapeString
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		f.shape = shapeBytes
	case kind == reflect.Bool, kind >= reflect.Int && kind <= reflect.Uint64:
		f.shape = shapeVarint
	case kind == reflect.Float32:
		f.shape = shapeFixed32
	case kind == reflect.Float64:
		f.shape = shapeFixed64
	case kind == reflect.Map && t.Key().Kind() == reflect.String:
		f.shape = shapeMap
		f.value, err = s.field(t.Elem())
	default:
		err = fmt.Errorf("%w: %v in protobuf", ErrType, t)
	}
	f.wire = f.shape.wire()
	return f, err
}

// isMessage tells whether a type is encoded as a message.
func isMessage(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || reflect.PointerTo(t).Implements(unmarshaler)
}

// isGenerated tells whether the protobuf methods of a struct are its own. It may also have them by embedding an
// ObjectMeta, and they would leave out all its other fields.
func isGenerated(t reflect.Type) bool {
	for f := range t.Fields() {
		if _, tagged := f.Tag.Lookup("protobuf"); !tagged && f.Name != "TypeMeta" {
			return false
		}
	}
	return true
}
