package controller

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// work gives the requests of the queue their turns until the queue is shut down
// and empty, or ctx ends.
func (c *Controller[R]) work(ctx context.Context, queue *workqueue.Queue[R]) {
	for {
		req, priority, shutdown := queue.GetWithPriority()
		if shutdown {
			return
		}
		if ctx.Err() != nil {
			queue.Done(req)
			return
		}
		c.turn(ctx, queue, req, priority)
	}
}

// turn is one call of the reconciler for one request, and what follows from its
// outcome: whether and when the request gets another turn.
func (c *Controller[R]) turn(ctx context.Context, queue *workqueue.Queue[R], req R, priority int) {
	// Only after Done can the request be handed out again, to whichever worker.
	defer queue.Done(req)
	c.meters.active.Inc()
	defer c.meters.active.Dec()

	id := uuid.NewUUID()
	logger := c.requestLog(req).WithValues("reconcileID", id)
	begun := time.Now()
	result, err := c.reconcile(withReconcileID(log.IntoContext(ctx, logger), id), req)
	c.meters.seconds.Observe(time.Since(begun).Seconds())

	if result.Priority != nil {
		priority = *result.Priority
	}
	again := workqueue.AddOpts{Priority: &priority}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		// Not a failure: the controller ends, and its queue with it.
		logger.V(1).Info("Reconcile interrupted by the end of the controller", "error", err.Error())
	case errors.Is(err, reconcile.TerminalError(nil)):
		c.meters.terminalErrors.Inc()
		c.failed(logger.WithValues("retry", false), result, err)
		queue.Forget(req)
	case err != nil:
		c.failed(logger, result, err)
		again.RateLimited = true
		queue.AddWithOpts(again, req)
	case result.RequeueAfter > 0:
		c.meters.requeueAfter.Inc()
		queue.Forget(req)
		again.After = result.RequeueAfter
		queue.AddWithOpts(again, req)
	case result.Requeue: //nolint:staticcheck // deprecated, but reconcilers that use it have to work
		c.meters.requeue.Inc()
		again.RateLimited = true
		queue.AddWithOpts(again, req)
	default:
		c.meters.success.Inc()
		queue.Forget(req)
	}
}

// failed counts and logs an error of the reconciler.
func (c *Controller[R]) failed(logger logr.Logger, result reconcile.Result, err error) {
	c.meters.failure.Inc()
	c.meters.errors.Inc()
	if result.RequeueAfter > 0 || result.Requeue { //nolint:staticcheck // see turn
		logger.Info("The reconciler returned an error with a result that asks for another turn; the result is ignored")
	}
	if p, ok := errors.AsType[*PanicError](err); ok {
		logger = logger.WithValues("stack", string(p.Stack))
	}
	logger.Error(err, "Reconciler error")
}

// reconcile calls the reconciler, within the timeout if there is one. A panic is
// returned as a *PanicError.
func (c *Controller[R]) reconcile(ctx context.Context, req R) (result reconcile.Result, err error) {
	if c.opts.ReconcileTimeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, c.opts.ReconcileTimeout, ErrReconcileTimeout)
		defer cancel()
		defer func() {
			if errors.Is(context.Cause(limited), ErrReconcileTimeout) {
				c.meters.timeouts.Inc()
			}
		}()
		ctx = limited
	}
	defer func() {
		if value := recover(); value != nil {
			c.meters.panics.Inc()
			result, err = reconcile.Result{}, &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return c.opts.Reconciler.Reconcile(ctx, req)
}

// dropped is told of the requests that the queue gives up.
func (c *Controller[R]) dropped(req R, reason error) {
	if errors.Is(reason, workqueue.ErrRetriesExhausted) {
		c.requestLog(req).Error(reason, "Request given up until its source adds it again")
	}
}

// requestLog names the request under the keys that controller-runtime uses.
func (c *Controller[R]) requestLog(req R) logr.Logger {
	if r, ok := any(req).(reconcile.Request); ok {
		return c.log.WithValues("object", klog.KRef(r.Namespace, r.Name), "namespace", r.Namespace, "name", r.Name)
	}
	return c.log.WithValues("request", req)
}

// reconcileIDKey is the key of a call's ID in its context.
type reconcileIDKey struct{}

func withReconcileID(ctx context.Context, id types.UID) context.Context {
	return context.WithValue(ctx, reconcileIDKey{}, id)
}

// ReconcileID returns the ID of the call of Reconcile that was given ctx, the one
// in its log lines; of any other context the empty string. Each call, also a retry,
// has an ID of its own.
func ReconcileID(ctx context.Context) types.UID {
	id, _ := ctx.Value(reconcileIDKey{}).(types.UID)
	return id
}
