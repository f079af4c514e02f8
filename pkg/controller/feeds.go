package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	clientgo "k8s.io/client-go/util/workqueue"
)

// feeds are the sources of one controller while it runs.
type feeds[R comparable] struct {
	controller string
	sources    []Source[R]
	log        logr.Logger
}

// start starts the sources and returns once all of them are synced. If one fails,
// or timeout is over, it gives up on all and returns a *SyncError for the one that
// failed first.
func (f *feeds[R]) start(ctx context.Context, queue clientgo.TypedRateLimitingInterface[R], timeout time.Duration) error {
	for _, s := range f.sources {
		f.log.V(1).Info("Source starts", "source", sourceName(s))
		if err := s.Start(ctx, queue); err != nil {
			return f.failed(s, err)
		}
	}

	syncing, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	results := make(chan error, len(f.sources))
	for _, s := range f.sources {
		go func() { results <- f.sync(syncing, s) }()
	}
	var first error
	for range f.sources {
		if err := <-results; err != nil && first == nil {
			first = err
			cancel() // the others need not go on
		}
	}
	return first
}

// sync waits for a source that can be waited for.
func (f *feeds[R]) sync(ctx context.Context, s Source[R]) error {
	syncing, ok := s.(interface{ WaitForSync(context.Context) error })
	if !ok {
		return nil
	}
	if err := syncing.WaitForSync(ctx); err != nil {
		return f.failed(s, err)
	}
	return nil
}

// wait blocks until no source adds requests any more. The context of start has
// ended, or else it may take long.
func (f *feeds[R]) wait() {
	for _, s := range f.sources {
		if waiting, ok := s.(interface{ Wait() }); ok {
			waiting.Wait()
		}
	}
}

func (f *feeds[R]) failed(s Source[R], err error) error {
	return &SyncError{Controller: f.controller, Source: sourceName(s), Err: err}
}

// sourceName is what the source prints as, or else its type.
func sourceName(s any) string {
	if named, ok := s.(fmt.Stringer); ok {
		return named.String()
	}
	return fmt.Sprintf("%T", s)
}
