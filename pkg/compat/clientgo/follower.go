package clientgo

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/tools/cache"
)

// ErrRelist is for the Watch of a [cache.ListerWatcher] to return when it wants to be
// asked for the whole list again. It is no failure: the watch error handler is not
// told.
var ErrRelist = errors.New("everything is to be listed again")

// Follower is a [cache.ListerWatcher] that wants to know how the informer fares that
// it feeds. An informer of this package calls it from the goroutine that lists and
// watches, so that no method may take long.
type Follower interface {
	cache.ListerWatcher

	// Stored is called when the store has come to a resourceVersion: when a list, an
	// event or a bookmark is in it.
	Stored(resourceVersion string, list bool)

	// Retry returns a channel. To receive from it ends the wait between two attempts
	// to list and watch.
	Retry() <-chan struct{}
}

// pause waits for the next attempt.
func (f *feed) pause(ctx context.Context, d time.Duration) {
	var retry <-chan struct{}
	if f.follower != nil {
		retry = f.follower.Retry()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-retry:
	case <-ctx.Done():
	}
}
