package controller

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// A Controller reconciles the requests of its sources. It is made by [New], runs
// once ([Controller.Start]), and is safe for use by several goroutines.
type Controller[R comparable] struct {
	opts    Options[R] // with defaults
	log     logr.Logger
	meters  *meters
	started atomic.Bool
}

var (
	_ manager.Runnable               = (*Controller[string])(nil)
	_ manager.LeaderElectionRunnable = (*Controller[string])(nil)
)

// New returns a controller that has yet to be started. It starts no goroutine and
// needs no cleaning up.
//
// Options that make no sense are [ErrNameRequired], [ErrReconcilerRequired],
// [ErrSourceRequired], [ErrInvalidSource] or [ErrInvalidOption].
func New[R comparable](opts Options[R]) (*Controller[R], error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("controller %q: %w", opts.Name, err)
	}
	opts = opts.withDefaults()
	meters, err := newMeters(opts.Registerer, opts.Name)
	if err != nil {
		return nil, fmt.Errorf("controller %q: %w", opts.Name, err)
	}
	c := &Controller[R]{
		opts:   opts,
		log:    opts.Logger.WithValues("controller", opts.Name),
		meters: meters,
	}
	if c.opts.Queue.OnDrop == nil {
		c.opts.Queue.OnDrop = c.dropped
	}
	return c, nil
}

// NeedLeaderElection tells a manager whether to run the controller on the leader
// only: yes, unless [Options].EveryReplica is set.
func (c *Controller[R]) NeedLeaderElection() bool { return !c.opts.EveryReplica }

// Start runs the controller and blocks until ctx has ended and with it everything
// that Start began: then it returns nil. It returns early, and leaves nothing
// behind, with a [*SyncError] if a source cannot be synced, with [ErrNameInUse],
// and with [ErrStarted] on a second call.
func (c *Controller[R]) Start(ctx context.Context) error {
	if !c.started.CompareAndSwap(false, true) {
		return fmt.Errorf("controller %q: %w", c.opts.Name, ErrStarted)
	}
	if !c.opts.SharedName {
		release, ok := names.claim(c.opts.Name)
		if !ok {
			return fmt.Errorf("controller %q: %w", c.opts.Name, ErrNameInUse)
		}
		defer release()
	}

	queue := workqueue.New(c.opts.Queue)
	defer queue.ShutDown()

	feeding, stopFeeding := context.WithCancel(ctx)
	sources := feeds[R]{controller: c.opts.Name, sources: c.opts.Sources, log: c.log}
	defer func() {
		stopFeeding()
		sources.wait()
	}()
	if err := sources.start(feeding, queue, c.opts.SyncTimeout); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop: that the sources did not sync is no failure then
		}
		return err
	}

	c.log.Info("Controller starts", "workers", c.opts.Workers)
	working, stopWorking := c.workingContext(ctx)
	defer stopWorking()
	c.meters.workers.Add(float64(c.opts.Workers))
	defer c.meters.workers.Sub(float64(c.opts.Workers))
	var workers sync.WaitGroup
	for range c.opts.Workers {
		workers.Go(func() { c.work(working, queue) })
	}

	<-ctx.Done()
	// The order matters: what a source is about to add is to be drained too, and a
	// queue that is shut down takes nothing.
	sources.wait()
	c.drain(working, queue)
	stopWorking()
	workers.Wait()
	c.log.Info("Controller ended")
	return nil
}

// workingContext returns the context of the calls of Reconcile. It ends with ctx,
// or if there is a time to drain, only when it is cancelled.
func (c *Controller[R]) workingContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.opts.DrainTimeout > 0 {
		ctx = context.WithoutCancel(ctx)
	}
	return context.WithCancel(ctx)
}

// drain shuts the queue down, and with a DrainTimeout lets the workers finish
// what is ready first.
func (c *Controller[R]) drain(working context.Context, queue *workqueue.Queue[R]) {
	if c.opts.DrainTimeout == 0 {
		queue.ShutDown()
		return
	}
	ctx, cancel := context.WithTimeout(working, c.opts.DrainTimeout)
	defer cancel()
	if left, err := queue.Drain(ctx); err != nil {
		c.log.Info("Not all that was ready could be reconciled in time", "left", len(left), "drainTimeout", c.opts.DrainTimeout)
	}
}
