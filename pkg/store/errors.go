package store

import (
	"errors"
	"fmt"
)

// Errors of calls that were wrong. They come back as they are or wrapped with
// the detail; test for them with [errors.Is].
var (
	// ErrKindRequired is returned by every method for an empty kind.
	ErrKindRequired = errors.New("kind required: pass the name of a kind, such as \"users\"")
	// ErrKeyRequired is returned for an empty key.
	ErrKeyRequired = errors.New("key required: pass the name of a value in its kind")
	// ErrFuncRequired is returned where a function is nil.
	ErrFuncRequired = errors.New("function required: pass one that is not nil")
	// ErrInvalidOp is returned by Compute for an [Op] that there is not.
	ErrInvalidOp = errors.New("invalid operation: return OpKeep, OpSet or OpDelete")
	// ErrInvalidOption is returned by Watch for an option with a value that
	// means nothing.
	ErrInvalidOption = errors.New("invalid watch option")
)

// Errors of what the store holds.
var (
	// ErrKeyNotFound is returned by SetFn for an absent key.
	ErrKeyNotFound = errors.New("key not found: create it with Set first")
	// ErrClosed is returned by every method once the store is closed.
	ErrClosed = errors.New("store closed")
)

// ErrWatchLagged is the reason in the last event of a watch that asked with
// [WithoutCoalescing] to end rather than to skip changes. Watch again with
// [WithInitialReplay] to go on.
var ErrWatchLagged = errors.New("watch lagged: it fell behind by more than its buffer; watch again with an initial replay")

// ValidationError reports a value that a [ValidateFunc] rejected. It prints as
// the function's own error does.
type ValidationError struct {
	// Kind and Name say where the value should have gone.
	Kind, Name string
	// Err is what the ValidateFunc returned.
	Err error
}

// Error returns the message of the ValidateFunc's error.
func (e *ValidationError) Error() string { return e.Err.Error() }

// Unwrap returns the ValidateFunc's error.
func (e *ValidationError) Unwrap() error { return e.Err }

// IndexError reports a value that was not written because an index function
// failed on it or panicked.
type IndexError struct {
	// Kind and Name say where the value should have gone.
	Kind, Name string
	// Index is the name of the index.
	Index string
	// Err is what the index function returned or panicked with.
	Err error
}

// Error says which index failed on which key, and how.
func (e *IndexError) Error() string {
	return fmt.Sprintf("index %q of kind %q failed on key %q: %v", e.Index, e.Kind, e.Name, e.Err)
}

// Unwrap returns the index function's error.
func (e *IndexError) Unwrap() error { return e.Err }
