package controller

import (
	"errors"
	"fmt"
)

// Errors of options that were wrong, returned by [New] and [Run], wrapped with
// the detail; test for them with [errors.Is].
var (
	// ErrNameRequired is returned by New for an empty Options.Name.
	ErrNameRequired = errors.New("name required: set Options.Name; it labels the metrics and the log")
	// ErrReconcilerRequired is returned by New for a nil Options.Reconciler.
	ErrReconcilerRequired = errors.New("reconciler required: set Options.Reconciler")
	// ErrSourceRequired is returned by New when Options.Sources is empty or has a
	// nil in it: nothing would ever be reconciled.
	ErrSourceRequired = errors.New("source required: make one with From")
	// ErrInvalidSource is returned by New, and by a source's Start, for a source
	// that was made from a nil informer, mapping, handler or predicate.
	ErrInvalidSource = errors.New("invalid source")
	// ErrInvalidOption is returned by New for a value that means nothing.
	ErrInvalidOption = errors.New("invalid option")
	// ErrRunnableRequired is returned by Run for a nil runnable.
	ErrRunnableRequired = errors.New("runnable required: pass informers and controllers, none of them nil")
)

// Errors of the life cycle, returned by Start.
var (
	// ErrStarted is returned by the second Start of a controller.
	ErrStarted = errors.New("started before: a controller runs once; make another one with New")
	// ErrNameInUse is returned by Start while another controller of that name runs
	// in this process, since their metrics and logs could not be told apart.
	ErrNameInUse = errors.New("name in use by a controller that is running: choose another Options.Name, or set Options.SharedName")
	// ErrSourceInUse is returned by the second Start of a source.
	ErrSourceInUse = errors.New("source in use: a source feeds one controller; make another one with From")
)

// ErrReconcileTimeout is the cause ([context.Cause]) of the end of a context
// that was given to Reconcile for longer than [Options].ReconcileTimeout.
var ErrReconcileTimeout = errors.New("reconcile timeout: the call took longer than Options.ReconcileTimeout")

// SyncError reports that a controller did not start because one of its sources
// could not be synced.
type SyncError struct {
	// Controller is the name of the controller.
	Controller string
	// Source is what the source prints as, such as "informer configmaps".
	Source string
	// Err is the cause: what the API server said, or, when
	// [Options].SyncTimeout ran out, [context.DeadlineExceeded] with what is known.
	Err error
}

// Error names the controller, the source and the cause.
func (e *SyncError) Error() string {
	return fmt.Sprintf("controller %q cannot start: source %q did not sync: %v", e.Controller, e.Source, e.Err)
}

// Unwrap returns the cause.
func (e *SyncError) Unwrap() error { return e.Err }

// PanicError is what a call of Reconcile that panicked counts as having returned.
type PanicError struct {
	// Value is what the reconciler panicked with.
	Value any
	// Stack is the stack of the goroutine at the panic, as [runtime/debug.Stack]
	// formats it.
	Stack []byte
}

// Error says what the panic's value was; it leaves out the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in Reconcile: %v", e.Value) }

// Unwrap returns the value if that is an error, else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
