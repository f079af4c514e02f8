//go:build peers

package larder_test

import (
	"time"

	clientgo "k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	peer "sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// priorityqueue has the fields that tests set. The tick, a timer of the peer's, is never asked for.
type priorityqueue[T comparable] struct {
	*workqueue.Queue[T]
	rateLimiter clientgo.TypedRateLimiter[T]
	tick        func(time.Duration) <-chan time.Time
}

var _ peer.PriorityQueue[string] = &priorityqueue[string]{}

// New takes the options that larder has too.
func New[T comparable](name string, opts ...peer.Opt[T]) peer.PriorityQueue[T] {
	var o peer.Opts[T]
	for _, opt := range opts {
		opt(&o)
	}
	return workqueue.New(workqueue.Options[T]{Name: name, RateLimiter: o.RateLimiter, MetricsProvider: o.MetricProvider})
}

func newQueue(_ ...peer.Opt[string]) (*priorityqueue[string], *fakeMetricsProvider) {
	return newQueueWithClock(clock.RealClock{})
}

func newQueueWithTimeForwarder() (_ *priorityqueue[string], _ *fakeMetricsProvider, forwardQueueTime func(time.Duration)) {
	clock := testingclock.NewFakeClock(time.Now().Round(time.Second))
	q, metrics := newQueueWithClock(clock)
	return q, metrics, clock.Step
}

func newQueueWithClock(clock clock.WithDelayedExecution) (*priorityqueue[string], *fakeMetricsProvider) {
	metrics := newFakeMetricsProvider()
	q := &priorityqueue[string]{rateLimiter: clientgo.DefaultTypedControllerRateLimiter[string]()}
	q.Queue = workqueue.New(workqueue.Options[string]{Name: "test", RateLimiter: limiterOf{q}, MetricsProvider: metrics, Clock: clock})
	return q, metrics
}

// limiterOf is the rate limiter that a queue has now.
type limiterOf struct{ q *priorityqueue[string] }

func (l limiterOf) When(item string) time.Duration { return l.q.rateLimiter.When(item) }
func (l limiterOf) Forget(item string)             { l.q.rateLimiter.Forget(item) }
func (l limiterOf) NumRequeues(item string) int    { return l.q.rateLimiter.NumRequeues(item) }
