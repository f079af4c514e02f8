package wire

import (
	"slices"
	"time"
)

// Meta is what is scanned from the bytes of an object. Everything in it aliases these bytes, and is valid for as long
// as they are; a Meta can be used for one object after another.
type Meta struct {
	Namespace, Name, GenerateName []byte
	UID, ResourceVersion          []byte
	Generation                    int64
	// CreationTimestamp and DeletionTimestamp are zero if they are not set.
	CreationTimestamp, DeletionTimestamp time.Time
	// Controller is the uid of the owner that is the object's controller.
	Controller []byte
	// Labels are the labels, in no order.
	Labels []Label
	// Values are the values of the fields that the Kind names, in no order.
	Values []Value
	// InitialEventsEnd tells that a bookmark has the annotation with which a streamed list ends.
	InitialEventsEnd bool
	// Newer tells that there are fields which the type does not have: the server knows a newer version of it. A Go
	// object decoded from these bytes, which are protobuf, lacks them.
	Newer bool

	apiVersion, kind []byte // of JSON
	seen             uint32 // fields of metadata in JSON, as bits
}

// A Label is one label of an object.
type Label struct{ Key, Value []byte }

// A Value is one value of a field that a Kind names.
type Value struct {
	// Field is the index of the field in the Kind's options.
	Field int
	// Value is never empty: fields that are not set, or set to nothing, are left out.
	Value []byte
}

// Label returns the value of a label.
func (m *Meta) Label(key string) (value []byte, ok bool) {
	for _, l := range slices.Backward(m.Labels) { // the last one counts
		if string(l.Key) == key {
			return l.Value, true
		}
	}
	return nil, false
}

// reset makes m ready for another object.
func (m *Meta) reset() {
	*m = Meta{Labels: m.Labels[:0], Values: m.Values[:0]}
}

// addValues adds a value of some fields.
func (m *Meta) addValues(fields []int, value []byte) {
	if len(value) == 0 {
		return
	}
	for _, i := range fields {
		m.Values = append(m.Values, Value{i, value})
	}
}
