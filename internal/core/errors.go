package core

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// Errors of calls that were wrong. They come back wrapped with the detail; test
// for them with [errors.Is].
var (
	// ErrInvalidOption is returned by New, NewFromListerWatcher and AddHandler
	// for an option that means nothing.
	ErrInvalidOption = errors.New("invalid informer option")
	// ErrInvalidResourceVersion is returned by WaitFor for a resourceVersion
	// that is not a positive decimal number.
	ErrInvalidResourceVersion = errors.New("invalid resourceVersion: pass the one that the API server returned")
)

// Errors of an informer's life.
var (
	// ErrStarted is returned by the second call of Start.
	ErrStarted = errors.New("informer was started before: it runs once, make a new one")
	// ErrNotStarted is the reason why a wait ended in vain that began before
	// anybody called Start.
	ErrNotStarted = errors.New("informer is not started: call Start, or add it to a manager")
	// ErrStopped is returned when the informer has ended, and will bring nothing
	// new.
	ErrStopped = errors.New("informer stopped: the context given to Start is done")
)

// SyncError reports that an informer cannot get at its objects, for a reason
// that waiting does not cure. The informer goes on trying nevertheless, so that
// it heals when the permission is given or the resource appears.
//
// The cause can be reached through it: apierrors.IsForbidden, IsUnauthorized and
// IsNotFound, meta.IsNoMatchError, or errors.As with an [*ObjectError].
type SyncError struct {
	// Informer is the informer's name.
	Informer string
	// Err is the cause.
	Err error
}

// Error names the informer and the cause, and says what to do about it.
func (e *SyncError) Error() string {
	return fmt.Sprintf("informer %q cannot sync: %v%s", e.Informer, e.Err, remedy(e.Err))
}

// Unwrap returns the cause.
func (e *SyncError) Unwrap() error { return e.Err }

// remedy returns what to do about the cause of a SyncError.
func remedy(err error) string {
	switch {
	case apierrors.IsUnauthorized(err):
		return "; check the credentials in the rest.Config"
	case apierrors.IsForbidden(err):
		return "; grant the verbs list and watch on the resource"
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return "; install the CustomResourceDefinition, or check the group, version and kind"
	default:
		return ""
	}
}

// ObjectError reports an object that could not be stored: its transform or an
// index function failed or panicked on it, it is of another type than the
// informer's, or it cannot be packed or unpacked. The informer does not step over it, for its copy would then differ
// from the server's unnoticed. It stays where it is, and lists again from time to
// time until the object can be stored.
type ObjectError struct {
	// Key is the object's key, or empty if it has none.
	Key string
	// Err is the reason.
	Err error
}

// Error names the object and the reason.
func (e *ObjectError) Error() string {
	return fmt.Sprintf("object %q cannot be stored: %v", e.Key, e.Err)
}

// Unwrap returns the reason.
func (e *ObjectError) Unwrap() error { return e.Err }

// IsLasting tells whether an error of list or watch is one that waiting does not
// cure, unlike a server that is down or busy.
func IsLasting(err error) bool {
	_, refused := errors.AsType[*ObjectError](err)
	return refused ||
		apierrors.IsUnauthorized(err) ||
		apierrors.IsForbidden(err) ||
		apierrors.IsNotFound(err) ||
		apierrors.IsMethodNotSupported(err) ||
		apierrors.IsBadRequest(err) ||
		apierrors.IsInvalid(err) ||
		meta.IsNoMatchError(err) ||
		errors.Is(err, ErrInvalidOption)
}
