package codec

import (
	"errors"
	"fmt"
)

// Errors of packing and unpacking. They come back as they are or wrapped with the detail; test for them
// with [errors.Is].
var (
	// ErrCorrupt is returned for packed data that is damaged. Nothing can be read from it.
	ErrCorrupt = errors.New("packed value is damaged: read it from its source again")
	// ErrForeign is returned for a Packed that this package did not make, nil among them.
	ErrForeign = errors.New("not a packed value of this package: pass what Pack or Encode returned")
	// ErrNilValue is returned by Encode for a nil pointer, which has no wire form.
	ErrNilValue = errors.New("nil has no wire form: pass an object")
	// ErrType is returned by New for a type of which values would not come back as they were, and by Encode for
	// a value that is not of the codec's type.
	ErrType = errors.New("type cannot be packed")
)

func errDamaged(how string) error { return fmt.Errorf("%w: %s", ErrCorrupt, how) }

// An EncodeError reports a value that has no wire form, such as one with an infinite number in JSON.
type EncodeError struct {
	// Type is the Go type of the value.
	Type string
	// Err is the reason.
	Err error
}

// Error names the type and the reason.
func (e *EncodeError) Error() string { return fmt.Sprintf("cannot encode %s: %v", e.Type, e.Err) }

// Unwrap returns the reason.
func (e *EncodeError) Unwrap() error { return e.Err }

// A DecodeError reports bytes that are not the wire form of the type. They are as they came: read the object
// from its source again.
type DecodeError struct {
	// Type is the Go type that was expected.
	Type string
	// Err is the reason.
	Err error
}

// Error names the type and the reason.
func (e *DecodeError) Error() string { return fmt.Sprintf("cannot decode %s: %v", e.Type, e.Err) }

// Unwrap returns the reason.
func (e *DecodeError) Unwrap() error { return e.Err }
