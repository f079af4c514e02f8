package informer

import (
	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/gomap"
)

// Errors of calls that were wrong. They come back wrapped with the detail; test
// for them with [errors.Is].
var (
	// ErrInvalidOption is returned by New, NewFromListerWatcher and AddHandler
	// for an option that means nothing.
	ErrInvalidOption = core.ErrInvalidOption
	// ErrInvalidResourceVersion is returned by WaitFor for a resourceVersion
	// that is not a positive decimal number.
	ErrInvalidResourceVersion = core.ErrInvalidResourceVersion
	// ErrIndexNotFound is returned by ByIndex for an index that was not added.
	ErrIndexNotFound = gomap.ErrIndexNotFound
	// ErrIndexExists is returned by AddIndex for a name that is taken.
	ErrIndexExists = gomap.ErrIndexExists
)

// Errors of an informer's life.
var (
	// ErrStarted is returned by the second call of Start.
	ErrStarted = core.ErrStarted
	// ErrNotStarted is the reason why a wait ended in vain that began before
	// anybody called Start.
	ErrNotStarted = core.ErrNotStarted
	// ErrStopped is returned when the informer has ended, and will bring nothing
	// new.
	ErrStopped = core.ErrStopped
)

// SyncError reports that an informer cannot get at its objects, for a reason that waiting does
// not cure. The informer goes on trying nevertheless, so that it heals when the permission is
// given or the resource appears. Its field Informer is the informer's name, and Err the cause,
// which can be reached through it: apierrors.IsForbidden, IsUnauthorized and IsNotFound,
// meta.IsNoMatchError, or errors.As with an [*ObjectError].
type SyncError = core.SyncError

// ObjectError reports an object that could not be stored: its transform or an index function
// failed or panicked on it, it is of another type than the informer's, or it cannot be packed
// or unpacked. The informer does not step over it, for its copy would then differ from the
// server's unnoticed. It stays where it is, and lists again from time to time until the object
// can be stored. Its field Key is the object's key, or empty if it has none, and Err the
// reason.
type ObjectError = core.ObjectError

// IsLasting tells whether an error of list or watch is one that waiting does not
// cure, unlike a server that is down or busy.
func IsLasting(err error) bool { return core.IsLasting(err) }
