package wire

import (
	"errors"
	"fmt"
)

var (
	// ErrField is returned by NewKind for a field that the type does not have, or that holds no string.
	ErrField = errors.New("field cannot be scanned")
	// ErrType is returned by NewKind for a type whose wire form has no metadata.
	ErrType = errors.New("type has no object metadata in its wire form: use an API type")
	// ErrImmutable is what the setters of an Object panic with.
	ErrImmutable = errors.New("wire.Object is immutable: decode it and change the copy, or give its Kind a Transform")
	// ErrBookmark is returned for what a bookmark does not have: content.
	ErrBookmark = errors.New("a bookmark has no content but its resourceVersion: decode objects only")
)

// A MalformedError reports bytes from a server that are not what was asked for. Nothing of them is kept: list again.
type MalformedError struct {
	// Kind is the kind that was asked for.
	Kind string
	// Err is the reason.
	Err error
}

// Error names the kind and the reason.
func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed %s from the server, list again: %v", e.Kind, e.Err)
}

// Unwrap returns the reason.
func (e *MalformedError) Unwrap() error { return e.Err }

// A TransformError reports an object whose transform failed or panicked, or returned what cannot take its place.
type TransformError struct {
	// Key is the object's key.
	Key string
	// Err is the reason.
	Err error
}

// Error names the object and the reason.
func (e *TransformError) Error() string { return fmt.Sprintf("transform of %q: %v", e.Key, e.Err) }

// Unwrap returns the reason.
func (e *TransformError) Unwrap() error { return e.Err }

// What can be wrong with bytes.
var (
	errVarint      = errors.New("a varint does not end")
	errTag         = errors.New("a tag is not one of a field")
	errLength      = errors.New("a field is longer than what it is in")
	errWireType    = errors.New("a field has another wire type than the type's")
	errDepth       = errors.New("it is nested too deep")
	errTimestamp   = errors.New("a timestamp is none")
	errEnvelope    = errors.New("it is in no envelope")
	errEncoding    = errors.New("the envelope's content is encoded")
	errNoName      = errors.New("an object has no name")
	errNoVersion   = errors.New("an object has no resourceVersion")
	errNoList      = errors.New("the list has no items")
	errJSON        = errors.New("it is not JSON")
	errJSONType    = errors.New("a field of metadata is of another type")
	errJSONTwice   = errors.New("a field of metadata is there twice")
	errUnknownForm = errors.New("it is neither an object in protobuf nor in JSON")
	errNoProtobuf  = errors.New("it is protobuf, and was asked for as JSON")
	errTypeMeta    = errors.New("one of apiVersion and kind is missing")
)

func errAnotherKind(apiVersion, kind []byte) error {
	return fmt.Errorf("it is a %q of %q", kind, apiVersion)
}
