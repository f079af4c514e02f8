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
		reason = lostByJSON(t, map[reflect.Type]bool{})
	}
	if reason == "" {
		return nil
	}
	return fmt.Errorf("%w: %v: %s; pass a concrete type that JSON keeps, or that implements json.Marshaler and json.Unmarshaler",
		ErrType, t, reason)
}

// lostByJSON tells what is lost of a type, or returns nothing. An interface without methods is taken for a tree
// of maps and slices.
func lostByJSON(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] || marshalsItself(t) {
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return fmt.Sprintf("%v has no JSON form", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Sprintf("what to decode %v to is not known", t)
		}
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return lostByJSON(t.Elem(), seen)
	case reflect.Struct:
		for field := range t.Fields() {
			switch {
			case !field.IsExported() && !field.Anonymous:
				return fmt.Sprintf("field %s of %v is not exported", field.Name, t)
			case field.Tag.Get("json") == "-":
				return fmt.Sprintf("field %s of %v is left out by its tag", field.Name, t)
			}
			if reason := lostByJSON(field.Type, seen); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func marshalsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Implements(reflect.TypeFor[json.Marshaler]()) && p.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) && p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
