package wire

import (
	"fmt"
	"reflect"
	"strings"
)

// A Field names a field of a kind by its path of JSON names, such as {"spec", "nodeName"}. It has to hold a string.
// Lists are looked into; a key of a map is a name in the path, as in {"metadata", "labels", "app"}.
type Field []string

// String returns the path with dots.
func (f Field) String() string { return strings.Join(f, ".") }

// node is a place in the wire form on the way to fields. It is used below numbers in protobuf, and below names in JSON
// and below maps. A nil node leads nowhere.
type node struct {
	numbers []*node // by field number
	names   map[string]*node
	fields  []int // whose values are here

	take func(m *Meta, raw []byte) error // of JSON; gets a valid value, nil for most nodes
	bit  uint32                          // in Meta.seen; 0 if the node may be passed again
}

func (n *node) number(number int) *node {
	if n == nil || number >= len(n.numbers) {
		return nil
	}
	return n.numbers[number]
}

func (n *node) name(name []byte) *node {
	if n == nil {
		return nil
	}
	return n.names[string(name)]
}

// quoted is name for a name in quotes, which are not looked into where nothing is to be found.
func (n *node) quoted(raw []byte) *node {
	if n == nil || n.names == nil {
		return nil
	}
	return n.names[string(unquote(raw))]
}

// below returns the node below a name, which it makes if there is none.
func (n *node) below(name string) *node {
	child := n.names[name]
	if child == nil {
		if n.names == nil {
			n.names = make(map[string]*node)
		}
		child = &node{}
		n.names[name] = child
	}
	return child
}

// belowNumber returns the node below a number, which it makes if there is none.
func (n *node) belowNumber(number int) *node {
	if number >= len(n.numbers) {
		n.numbers = append(n.numbers, make([]*node, number+1-len(n.numbers))...)
	}
	if n.numbers[number] == nil {
		n.numbers[number] = &node{}
	}
	return n.numbers[number]
}

// addJSON adds a field to the nodes of a kind's JSON form. Not every type tells what is in it.
func (n *node) addJSON(path Field, index int) error {
	if len(path) == 0 {
		return fmt.Errorf("%w: its path is empty", ErrField)
	}
	for _, name := range path {
		n = n.below(name)
	}
	n.fields = append(n.fields, index)
	return nil
}

// addProtobuf adds a field to the nodes of the protobuf form of a Go type.
func (n *node) addProtobuf(t reflect.Type, path Field, index int) error {
	at := t
	for _, name := range path {
		for at.Kind() == reflect.Pointer || at.Kind() == reflect.Slice {
			at = at.Elem()
		}
		var numbers []int
		switch at.Kind() {
		case reflect.Map:
			n, at = n.below(name), at.Elem()
			continue
		case reflect.Struct:
			numbers, at = find(at, name)
		}
		if len(numbers) == 0 {
			return fmt.Errorf("%w: %v has no %v: see the JSON names of its fields", ErrField, t, path)
		}
		for _, number := range numbers {
			n = n.belowNumber(number)
		}
	}
	for at.Kind() == reflect.Pointer || at.Kind() == reflect.Slice {
		at = at.Elem()
	}
	if at.Kind() != reflect.String {
		return fmt.Errorf("%w: %v of %v is no string", ErrField, path, t)
	}
	n.fields = append(n.fields, index)
	return nil
}

// find returns the field numbers that lead to the field of a struct with a JSON name, which may be that of a struct
// inside it, and the field's type. There are none if it has no such field.
func find(t reflect.Type, name string) ([]int, reflect.Type) {
	for f := range t.Fields() {
		number := numberOf(f.Tag.Get("protobuf"))
		jsonName, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case number == 0:
		case jsonName == name:
			return []int{number}, f.Type
		case jsonName == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			if numbers, at := find(f.Type, name); numbers != nil {
				return append([]int{number}, numbers...), at
			}
		}
	}
	return nil, t
}
