package codec

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// jsonForm is for types of which encoding/json keeps everything.
type jsonForm struct{ goType reflect.Type }

func (jsonForm) marshal(_ *buffer, value any) ([]byte, error) { return json.Marshal(value) }

func (f jsonForm) unmarshal(wire []byte) (any, error) {
	value := reflect.New(f.goType)
	if err := utiljson.Unmarshal(wire, value.Interface()); err != nil {
		return nil, err
	}
	return value.Elem().Interface(), nil
}

// unstructuredForm is for objects that are trees of maps and slices. Numbers in it are int64 or float64, and
// come back as what they were.
type unstructuredForm struct{}

func (unstructuredForm) marshal(_ *buffer, value any) ([]byte, error) {
	obj := value.(*unstructured.Unstructured)
	if hasWholeFloat(obj.Object) {
		return json.Marshal(markFloats(obj.Object))
	}
	return json.Marshal(obj.Object)
}

func (unstructuredForm) unmarshal(wire []byte) (any, error) {
	obj := new(unstructured.Unstructured)
	if err := utiljson.Unmarshal(wire, &obj.Object); err != nil {
		return nil, err
	}
	return obj, nil
}

// isWhole tells whether a number would be written as an integer, and read as one.
func isWhole(f float64) bool { return f == math.Trunc(f) && math.Abs(f) < 1e21 }

func hasWholeFloat(tree any) bool {
	switch v := tree.(type) {
	case float64:
		return isWhole(v)
	case map[string]any:
		for _, item := range v {
			if hasWholeFloat(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasWholeFloat)
	}
	return false
}

// markFloats returns a copy of a tree in which whole floating-point numbers have a decimal point.
func markFloats(tree any) any {
	switch v := tree.(type) {
	case float64:
		if isWhole(v) {
			return json.Number(strconv.FormatFloat(v, 'f', 1, 64))
		}
	case map[string]any:
		m := maps.Clone(v) // nil stays nil
		for key, item := range m {
			m[key] = markFloats(item)
		}
		return m
	case []any:
		s := slices.Clone(v)
		for i, item := range s {
			s[i] = markFloats(item)
		}
		return s
	}
	return tree
}

// keptByJSON returns an error for a type with something in it that encoding/json leaves out or cannot decode.
func keptByJSON(t reflect.Type) error {
	reason := "what to decode it to is not known"
	if t.Kind() != reflect.Interface {
		reason = lostByJSON(t, false, map[place]bool{})
	}
	if reason == "" {
		reason = lostBy(jsonForm{t}, t)
	}
	if reason == "" {
		return nil
	}
	return fmt.Errorf("%w: %v: %s; pass a concrete type that JSON keeps, or that implements json.Marshaler and json.Unmarshaler",
		ErrType, t, reason)
}

// lostByJSON tells what of a type is lost however its fields are named, or returns nothing. An interface without
// methods is taken for a tree of maps and slices.
func lostByJSON(t reflect.Type, addressable bool, seen map[place]bool) string {
	at := place{t, addressable, false}
	switch {
	case seen[at]:
		return ""
	case marshalsItself(t, addressable):
		seen[at] = true
		return lostByItself(t, addressable, seen)
	}
	seen[at] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return fmt.Sprintf("%v has no JSON form", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Sprintf("what to decode %v to is not known", t)
		}
	case reflect.Map:
		if !isKey(t.Key()) {
			return fmt.Sprintf("%v is no key of a JSON object: use strings, integers, or what marshals itself as text both ways", t.Key())
		}
		return lostByJSON(t.Elem(), false, seen)
	case reflect.Pointer, reflect.Slice:
		return lostByJSON(t.Elem(), true, seen)
	case reflect.Array:
		return lostByJSON(t.Elem(), addressable, seen)
	case reflect.Struct:
		return fieldLostByJSON(t, addressable, seen)
	}
	return ""
}

func fieldLostByJSON(t reflect.Type, addressable bool, seen map[place]bool) string {
	for field := range t.Fields() {
		embedsStruct := field.Anonymous && field.Type.Kind() == reflect.Struct
		switch {
		case !field.IsExported() && isInlined(field) && !embedsStruct:
			return fmt.Sprintf("%v embeds %v, a pointer that JSON cannot set as the type is not exported: embed the struct itself", t, field.Type)
		case !field.IsExported() && (!embedsStruct || !isInlined(field) && hasMarshaler(field.Type)):
			return fmt.Sprintf("field %s of %v is not exported", field.Name, t)
		case field.Tag.Get("json") == "-":
			return fmt.Sprintf("field %s of %v is left out by its tag", field.Name, t)
		}
		lost := lostByJSON
		fieldType, fieldAddressable := field.Type, addressable
		if isInlined(field) {
			lost = inlinedLostByJSON
			if !embedsStruct {
				fieldType, fieldAddressable = field.Type.Elem(), true
			}
		}
		if reason := lost(fieldType, fieldAddressable, seen); reason != "" {
			return reason
		}
	}
	return ""
}

// inlinedLostByJSON is for embedded structs: JSON takes their fields, even if they would marshal themselves.
func inlinedLostByJSON(t reflect.Type, addressable bool, seen map[place]bool) string {
	at := place{t, addressable, true}
	if seen[at] {
		return ""
	}
	seen[at] = true
	return fieldLostByJSON(t, addressable, seen)
}

// lostByItself tells what is lost of a type that marshals itself. It is taken at its word, but for two mistakes
// that nobody means: methods that do not read what they write, and those of an embedded field, which know nothing of
// the fields beside it.
func lostByItself(t reflect.Type, addressable bool, seen map[place]bool) string {
	example, err := exampleOf(t)
	if err != nil {
		return fmt.Sprintf("%v does not read what it writes: %v", t, err)
	}
	if t.Kind() != reflect.Struct {
		return ""
	}
	for field := range t.Fields() {
		switch {
		case !field.Anonymous || !hasMarshaler(field.Type):
			continue
		case t.NumField() == 1:
			return lostByJSON(field.Type, addressable, seen)
		case example.IsValid():
			return lostBeside(field, example)
		case field.Type.Kind() == reflect.Interface:
			return fmt.Sprintf("what to decode %v to is not known", field.Type)
		}
	}
	return ""
}

func hasMarshaler(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		t = reflect.PointerTo(t)
	}
	return t.Implements(jsonMarshaler) || t.Implements(textMarshaler)
}

// lostBeside tells which field of a struct is lost, other than the embedded one that can marshal itself.
func lostBeside(embedded reflect.StructField, example reflect.Value) string {
	t := example.Type().Elem()
	reason := func(field reflect.StructField) string {
		return fmt.Sprintf("field %s of %v is lost, as %v is marshalled by methods of its embedded %s: give that a name",
			field.Name, t, t, embedded.Name)
	}
	p := newProbe(true)
	want := reflect.New(t).Elem()
	want.Set(example.Elem())
	for i := range t.NumField() {
		switch field, value := t.Field(i), want.Field(i); {
		case field.Name == embedded.Name:
		case value.CanSet():
			p.fill(value, true, true)
		case value.IsZero() && field.Type.Size() > 0:
			return reason(field)
		}
	}
	got, _, err := roundTrip(jsonForm{example.Type()}, want.Addr().Interface())
	if err != nil || reflect.ValueOf(got).IsNil() {
		return "" // its methods know of the others
	}
	for i := range t.NumField() {
		if field := t.Field(i); field.Name != embedded.Name && field.IsExported() &&
			p.difference(want.Field(i), reflect.ValueOf(got).Elem().Field(i), true, "") != "" {
			return reason(field)
		}
	}
	return ""
}

// isInlined tells whether JSON has the fields of an embedded struct as those of the one around it.
func isInlined(field reflect.StructField) bool {
	t := field.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return field.Anonymous && name == "" && t.Kind() == reflect.Struct
}

// isKey tells whether maps with a type of keys can be JSON objects, and be read again.
func isKey(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	default:
		return t.Implements(textMarshaler) && reflect.PointerTo(t).Implements(textUnmarshaler)
	}
}

var (
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// marshalsItself tells whether JSON uses the methods of a type both ways. Methods with a pointer receiver
// marshal a value only if it is addressable.
func marshalsItself(t reflect.Type, addressable bool) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false
	}
	pointer := reflect.PointerTo(t)
	writer := t
	if addressable {
		writer = pointer
	}
	return (writer.Implements(jsonMarshaler) || writer.Implements(textMarshaler)) &&
		(pointer.Implements(jsonUnmarshaler) || pointer.Implements(textUnmarshaler))
}
