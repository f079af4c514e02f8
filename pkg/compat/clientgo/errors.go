package clientgo

import (
	"errors"

	"github.com/larder-dev/larder/internal/core"
)

// Errors of calls that were wrong. They come back wrapped with the detail; test for them
// with [errors.Is].
var (
	// ErrStarted is returned when something is to be set that an informer only
	// looks at when it starts.
	ErrStarted = core.ErrStarted
	// ErrStopped is returned when an informer has stopped, and will never run again.
	ErrStopped = core.ErrStopped
	// ErrForeign is returned for an informer, a store or the registration of a handler
	// that is not of this package.
	ErrForeign = errors.New("not of this package: pass what its NewSharedIndexInformer, NewIndexer or AddEventHandler returned")
	// ErrHandlerRequired is returned for a nil handler.
	ErrHandlerRequired = errors.New("handler required: pass one that is not nil")
	// ErrIndexNotFound is returned for the name of an index that was not added.
	ErrIndexNotFound = errors.New("index does not exist: add it with AddIndexers first")
	// ErrIndexConflict is returned for the name of an index that is taken.
	ErrIndexConflict = errors.New("indexer conflict: choose another name")
)
