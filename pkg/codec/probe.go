package codec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// lostBy sends a value with something in every field through a form, and tells what does not come back, or
// returns nothing. How encoding/json and generated methods choose fields has too many rules to be predicted.
func lostBy(f form, t reflect.Type) string {
	_, byJSON := f.(jsonForm)
	p := newProbe(byJSON)
	want := reflect.New(t).Elem()
	p.fill(want, false, true)
	got, _, err := roundTrip(f, want.Interface())
	switch {
	case err != nil && p.unsure:
		return ""
	case err != nil:
		return err.Error()
	}
	return p.difference(want, reflect.ValueOf(got), false, "")
}

// roundTrip also tells whether the value was written at all. It does not trust what methods do with values that they
// have not seen before.
func roundTrip(f form, value any) (got any, written bool, err error) {
	var wire []byte
	defer func() {
		if r := recover(); r != nil {
			written = wire != nil
			err = fmt.Errorf("its methods panic: %v", r)
		}
	}()
	if wire, err = f.marshal(new(buffer), value); err != nil {
		return nil, false, fmt.Errorf("it cannot be marshalled: %w", err)
	}
	if got, err = f.unmarshal(wire); err != nil {
		err = fmt.Errorf("it cannot be unmarshalled again: %w", err)
	}
	return got, true, err
}

// probe makes a value for a form, and compares what comes back.
type probe struct {
	byJSON  bool // else by protobuf
	numbers int
	filled  map[place]int        // how often a type was filled
	within  map[reflect.Type]int // structs around the one being filled
	samples map[reflect.Type]reflect.Value
	unsure  bool // a value in it may have no wire form
}

func newProbe(byJSON bool) *probe {
	return &probe{byJSON: byJSON, filled: map[place]int{}, within: map[reflect.Type]int{}, samples: map[reflect.Type]reflect.Value{}}
}

// place is where a type is met. Where encoding/json cannot take the address, methods with a pointer receiver do not
// count; where a struct is inlined, none do.
type place struct {
	goType               reflect.Type
	addressable, inlined bool
}

// maxFills is how often a type is filled down to what is behind its pointers, so that a type with itself in it
// comes to an end.
const maxFills = 2

// number returns one that is not zero, unlike those before it, and fits into every type.
func (p *probe) number() int64 {
	p.numbers++
	return int64(p.numbers%100 + 1)
}

func (p *probe) text() string { return fmt.Sprintf("text %d", p.number()) }

// fill sets everything in v to something. Without deep, what is behind pointers stays nil.
func (p *probe) fill(v reflect.Value, addressable, deep bool) {
	t := v.Type()
	if p.taken(t, addressable) {
		v.Set(p.sample(t))
		return
	}
	if at := (place{t, addressable, false}); deep && (t.Name() != "" || t.Kind() == reflect.Struct) {
		p.filled[at]++
		deep = p.filled[at] <= maxFills
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(p.number())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(uint64(p.number()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(p.number()) + 0.5)
	case reflect.String:
		v.SetString(p.text())
	case reflect.Interface:
		if t.NumMethod() == 0 {
			v.Set(reflect.ValueOf(p.text()))
		}
	case reflect.Array:
		for i := range v.Len() {
			p.fill(v.Index(i), addressable, deep)
		}
	case reflect.Struct:
		p.fillFields(v, addressable, deep)
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if deep {
			p.fillBehind(v)
		}
	default: // has no wire form
	}
}

func (p *probe) fillBehind(v reflect.Value) {
	t := v.Type()
	elem := reflect.New(t.Elem()).Elem()
	p.fill(elem, t.Kind() != reflect.Map, true)
	switch t.Kind() {
	case reflect.Pointer:
		// A pointer to what is written as null comes back as nil, which is the same to JSON.
		if _, empty := p.samples[elem.Type()]; nilable(elem) && elem.IsNil() || empty && elem.IsZero() {
			return
		}
		v.Set(elem.Addr())
	case reflect.Slice:
		v.Set(reflect.Append(reflect.MakeSlice(t, 0, 1), elem))
	case reflect.Map:
		key := reflect.New(t.Key()).Elem()
		p.fill(key, false, true)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(key, elem)
	default:
	}
}

func nilable(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	default:
		return false
	}
}

// fillFields fills what a struct embeds always to the end: whether a field of it is lost depends on the struct.
func (p *probe) fillFields(v reflect.Value, addressable, deep bool) {
	t := v.Type()
	p.within[t]++
	defer func() { p.within[t]-- }()
	for i := range t.NumField() {
		field, value := t.Field(i), v.Field(i)
		switch {
		case p.ignores(field):
		case p.byJSON && isInlined(field) && field.Type.Kind() == reflect.Pointer:
			if deep && p.within[field.Type.Elem()] < maxFills {
				value.Set(reflect.New(field.Type.Elem()))
				p.fillFields(value.Elem(), true, true)
			}
		case p.byJSON && isInlined(field):
			p.fillFields(value, addressable, deep)
		case value.CanSet():
			p.fill(value, addressable, deep)
		case field.Type.Kind() == reflect.Struct && !p.taken(field.Type, addressable):
			p.fillFields(value, addressable, deep)
		}
	}
}

// ignores tells whether a field is none that the form has to keep.
func (p *probe) ignores(field reflect.StructField) bool {
	return !p.byJSON && (isTypeMeta(field) || strings.HasPrefix(field.Name, "XXX_")) // has the state of generated methods
}

// difference returns what is not in got as it is in want, or nothing.
func (p *probe) difference(want, got reflect.Value, addressable bool, path string) string {
	t := want.Type()
	if p.taken(t, addressable) {
		if !want.IsZero() && got.IsZero() {
			return lostAt(path)
		}
		return ""
	}
	if nilable(want) && (want.IsNil() || got.IsNil()) {
		if want.IsNil() == got.IsNil() {
			return ""
		}
		return lostAt(path)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return p.difference(want.Elem(), got.Elem(), true, path)
	case reflect.Struct:
		return p.differentField(want, got, addressable, path)
	case reflect.Slice, reflect.Array:
		if want.Len() != got.Len() {
			return lostAt(path)
		}
		for i := range want.Len() {
			elemAddressable := addressable || t.Kind() == reflect.Slice
			if lost := p.difference(want.Index(i), got.Index(i), elemAddressable, fmt.Sprintf("%s[%d]", path, i)); lost != "" {
				return lost
			}
		}
		return ""
	case reflect.Map:
		if want.Len() != got.Len() {
			return lostAt(path)
		}
		left, right := want.MapRange(), got.MapRange()
		if !left.Next() || !right.Next() {
			return ""
		}
		if p.difference(left.Key(), right.Key(), false, "") != "" {
			return lostAt("the key of " + path)
		}
		return p.difference(left.Value(), right.Value(), false, path+"[…]") // of the only one
	}
	if !want.Equal(got) {
		return lostAt(path)
	}
	return ""
}

func (p *probe) differentField(want, got reflect.Value, addressable bool, path string) string {
	t := want.Type()
	for i := range t.NumField() {
		field, left, right := t.Field(i), want.Field(i), got.Field(i)
		at := strings.TrimPrefix(path+"."+field.Name, ".")
		var lost string
		switch {
		case p.ignores(field):
		case p.byJSON && isInlined(field) && field.Type.Kind() == reflect.Pointer:
			switch {
			case left.IsNil():
			case right.IsNil():
				lost = lostAt(at)
			default:
				lost = p.differentField(left.Elem(), right.Elem(), true, at)
			}
		case p.byJSON && isInlined(field):
			lost = p.differentField(left, right, addressable, at)
		default:
			lost = p.difference(left, right, addressable, at)
		}
		if lost != "" {
			return lost
		}
	}
	return ""
}

func lostAt(path string) string {
	if path == "" {
		return "a value of it does not come back as it was"
	}
	return path + " does not come back as it was"
}

// taken tells whether a type is taken at its word: it marshals itself.
func (p *probe) taken(t reflect.Type, addressable bool) bool {
	return t == reflect.TypeFor[json.Number]() || marshalsItself(t, addressable || !p.byJSON) || !p.byJSON && isOpaque(t)
}

// isOpaque tells whether a struct has fields that only its own methods know.
func isOpaque(t reflect.Type) bool {
	if t.Kind() == reflect.Struct {
		for field := range t.Fields() {
			if !field.IsExported() {
				return true
			}
		}
	}
	return false
}

// sample returns a value of a type that marshals itself. It is not zero if such an example is found: only that shows
// that a field with it is lost.
func (p *probe) sample(t reflect.Type) reflect.Value {
	v, ok := p.samples[t]
	if !ok {
		if example, _ := exampleOf(t); example.IsValid() {
			v = example.Elem()
		} else {
			v = reflect.New(t).Elem()
			_, _, err := roundTrip(jsonForm{reflect.PointerTo(t)}, v.Addr().Interface())
			p.unsure = p.unsure || err != nil
		}
		p.samples[t] = v
	}
	return v
}

// exampleTexts are what types that marshal themselves are often written as.
var exampleTexts = []string{
	`"1"`, `1`, `true`, `{}`, `[]`, `"2006-01-02T15:04:05.000000Z"`, `"1s"`, `"10.0.0.1"`, `"10.0.0.1/32"`, `"10.0.0.1:1"`,
	`"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`, `"1.0.0"`, `"a"`, `"00"`, `{"apiVersion":"v1","kind":"A","items":[]}`,
}

// exampleOf returns a pointer to a value of a type that is not zero, and still not after it went to JSON and back.
// There may be none. It is an error if the type takes a text, and then does not take what it writes itself.
func exampleOf(t reflect.Type) (example reflect.Value, err error) {
	for _, text := range exampleTexts {
		v := newEmbedding(t)
		if !unmarshals(text, v) {
			continue
		}
		got, written, failed := roundTrip(jsonForm{v.Type()}, v.Interface())
		switch {
		case failed != nil && written:
			err = failed
		case failed == nil && !v.Elem().IsZero() && !reflect.ValueOf(got).IsNil() && !reflect.ValueOf(got).Elem().IsZero():
			return v, nil
		}
	}
	return reflect.Value{}, err
}

// newEmbedding is reflect.New with what the type embeds: methods of nil would panic.
func newEmbedding(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			if field := t.Field(i); field.Anonymous && field.IsExported() && field.Type.Kind() == reflect.Pointer {
				v.Elem().Field(i).Set(reflect.New(field.Type.Elem()))
			}
		}
	}
	return v
}

func unmarshals(text string, into reflect.Value) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return utiljson.Unmarshal([]byte(text), into.Interface()) == nil
}
