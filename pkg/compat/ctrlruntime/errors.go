package ctrlruntime

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Errors of calls that were wrong. They come back wrapped with the detail; test for
// them with [errors.Is].
var (
	// ErrStarted is returned by the second Start of a cache.
	ErrStarted = errors.New("informer already started: a cache is started once, make a new one")
	// ErrStopped is returned when something is to come from the cache that it did not
	// have when it stopped.
	ErrStopped = errors.New("cache has stopped: the context given to Start is done")
	// ErrNamespaceNotCached is returned for a namespace that the cache's options leave
	// out.
	ErrNamespaceNotCached = errors.New("unknown namespace for the cache: add it to DefaultNamespaces, or to ByObject's Namespaces")
	// ErrIndexNotFound is returned when a field selector names a field without an index.
	ErrIndexNotFound = errors.New("field has no index: call IndexField first")
	// ErrIndexConflict is returned when a field is indexed again, by another function.
	ErrIndexConflict = errors.New("indexer conflict: the field has an index by another function")
	// ErrNonExactField is returned for a field selector with !=.
	ErrNonExactField = errors.New("non-exact field matches are not supported by the cache")
	// ErrForeign is returned for a cache, or for the registration of a handler, that is
	// not of this package.
	ErrForeign = errors.New("not of this package: pass what its NewCache, or AddEventHandler, returned")
)

// StaleError reports that a read was given up, because the cache has not come to what
// the client itself had written before.
type StaleError struct {
	// Kind and Key are of the object that was written. The name is empty if it is not
	// known, because many were deleted at once or the server could not be asked.
	Kind schema.GroupVersionKind
	Key  types.NamespacedName
	// Err is why the wait has ended: context.DeadlineExceeded or what ended the context
	// of the read, with what is in the way if that is known, or why the kind cannot be
	// synced or the server not be asked.
	Err error
}

// Error names the object, and says what to look at.
func (e *StaleError) Error() string {
	return fmt.Sprintf("the cache does not have the own write to %s %s yet: %v; try again, and see whether its watch is healthy",
		e.Kind.Kind, e.Key, e.Err)
}

// Unwrap returns why the wait has ended.
func (e *StaleError) Unwrap() error { return e.Err }
