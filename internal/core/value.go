package core

import (
	"reflect"

	"github.com/larder-dev/larder/pkg/gomap"
)

// Value is an object as a store has it: as it is, or packed, to be decoded by [Objects.Open]
// when somebody looks at it. It stays readable for as long as it is kept.
type Value struct {
	object any                // or
	parcel *gomap.Parcel[any] // not nil: it is packed
}

// last is the state in which an object was deleted, as it is.
type last struct{ object any }

// plainValue returns a value that a plain store has.
func plainValue(obj any) Value { return Value{object: obj} }

// packedValue returns a value that a packed store has.
func packedValue(p *gomap.Parcel[any]) Value { return Value{parcel: p} }

// IsFinal tells of the object of a deletion whether it is the state in which the object was
// deleted. Otherwise it is the last state that was known.
func (v Value) IsFinal() bool {
	if v.parcel == nil {
		_, ok := v.object.(last)
		return ok
	}
	_, ok := v.parcel.Packed().(lastPacked)
	return ok
}

// Same tells whether two values are known to be of equal objects without a look at them.
func (v Value) Same(other Value) bool {
	if v.parcel == nil || other.parcel == nil {
		return false
	}
	return v.parcel == other.parcel || v.parcel.Packed().Hash() == other.parcel.Packed().Hash()
}

// SameForm tells whether two values are in the store in the same form.
func (v Value) SameForm(other Value) bool {
	if v.parcel == nil || other.parcel == nil {
		return v.parcel == other.parcel && reflect.TypeOf(v.object) == reflect.TypeOf(other.object)
	}
	one, two := v.parcel.Packed(), other.parcel.Packed()
	return isPartial(one) == isPartial(two) && isJSON(one) == isJSON(two)
}
