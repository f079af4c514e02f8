package workqueue

import (
	"errors"
	"fmt"
)

// Errors of the queue's methods, and reasons given to Options.OnDrop. Test for them with errors.Is.
var (
	// ErrShutDown: the queue is shut down. From a Get, there is nothing left to hand out: the worker should
	// end. From an add, the item was not taken.
	ErrShutDown = errors.New("workqueue: the queue is shut down")

	// ErrFull: the queue holds Options.Capacity pending items; add the item again later. What a TryAdd
	// returns is a *FullError.
	ErrFull = errors.New("workqueue: the queue is full")

	// ErrRetriesExhausted: the item was added with rate limiting Options.MaxRetries times without a Forget
	// and is given up. What a TryAdd returns, and OnDrop gets, is a *RetriesError.
	ErrRetriesExhausted = errors.New("workqueue: the item used up its retries")
)

// A FullError is returned by TryAdd and TryAddWithOpts for an item that the queue has no room for. It is an
// ErrFull.
type FullError struct {
	Pending  int // items ready or delayed when the item was refused
	Capacity int // Options.Capacity
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%v: %d of %d items pending; add the item again later", ErrFull, e.Pending, e.Capacity)
}

// Is reports whether target is ErrFull.
func (e *FullError) Is(target error) bool { return target == ErrFull }

// A RetriesError says that an item is given up. It is an ErrRetriesExhausted.
type RetriesError struct {
	Retries int // how many times the item was retried
}

func (e *RetriesError) Error() string {
	return fmt.Sprintf("%v: given up after %d", ErrRetriesExhausted, e.Retries)
}

// Is reports whether target is ErrRetriesExhausted.
func (e *RetriesError) Is(target error) bool { return target == ErrRetriesExhausted }
