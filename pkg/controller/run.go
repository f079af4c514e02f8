package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Run runs informers, controllers and whatever else has a Start method side by
// side, without a manager, and blocks until all of them have returned. There is no
// leader election; for that there is a manager.
//
// When ctx ends, or one of them returns an error, the controllers are stopped
// first, and only when they have ended the others: a controller can use its
// informers to the last. One that returns nil early, because it has done its work,
// does not end the others.
//
// Run returns nil after an end by ctx, else the errors that were returned, joined,
// the first one first. A nil among runnables is [ErrRunnableRequired], and then
// nothing is started.
func Run(ctx context.Context, runnables ...manager.Runnable) error {
	for i, r := range runnables {
		if r == nil {
			return fmt.Errorf("%w: argument %d of Run is nil", ErrRunnableRequired, i+1)
		}
	}
	stop, cancel := context.WithCancel(ctx)
	defer cancel()

	failures := &failures{stop: cancel}
	others := newCrew(ctx, failures)
	controllers := newCrew(ctx, failures)
	for _, r := range runnables {
		if _, ok := r.(interface{ dependsOnInformers() }); ok {
			controllers.start(r)
		} else {
			others.start(r)
		}
	}

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		controllers.running.Wait()
		others.running.Wait()
	}()
	select {
	case <-stop.Done():
	case <-ended:
	}
	controllers.end()
	others.end()
	<-ended
	return failures.err
}

// dependsOnInformers marks a controller: Run stops it before the rest.
func (c *Controller[R]) dependsOnInformers() {}

// A crew is a set of runnables that are stopped together.
type crew struct {
	ctx      context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup
	failures *failures
}

// newCrew returns a crew that is stopped by end only, and not when ctx ends.
func newCrew(ctx context.Context, failures *failures) *crew {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	return &crew{ctx: ctx, stop: stop, failures: failures}
}

func (c *crew) start(r manager.Runnable) {
	c.running.Go(func() {
		if err := r.Start(c.ctx); err != nil {
			c.failures.add(err)
		}
	})
}

// end stops all of the crew and waits for them.
func (c *crew) end() {
	c.stop()
	c.running.Wait()
}

// failures joins errors; the first one stops everything.
type failures struct {
	stop context.CancelFunc

	mu  sync.Mutex
	err error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.Join(f.err, err)
	f.stop()
}
