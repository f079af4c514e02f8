package workqueue

import (
	"time"

	clientgo "k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// Options say how a queue behaves. The zero value is good: a queue without metrics, by strict priority
// and in order of arrival, unbounded, with client-go's rate limiter.
//
// Functions in it are called without the queue's lock: they may be slow or call the queue, though it is
// the caller of the queue's method who waits for them.
type Options[T comparable] struct {
	// Name labels the queue's metrics. A queue without a name has none.
	Name string

	// RateLimiter says how long an item added with rate limiting waits. Default: client-go's
	// DefaultTypedControllerRateLimiter, which backs off from 5 ms to 1000 s per item and lets 10 retries a
	// second pass in all, after the first 100.
	RateLimiter clientgo.TypedRateLimiter[T]

	// MetricsProvider makes the queue's metrics. Default: PrometheusProvider in controller-runtime's registry,
	// where client-go's queues count too in a program that links this package, unless it has set another
	// provider. A TenantMetricsProvider gets the breakdown by priority and tenant; one that, like
	// controller-runtime's, has
	//
	//	NewDepthMetricWithPriority(name string) X    // X has Inc(priority int) and Dec(priority int)
	//
	// gets the depth by priority. Metrics are updated with the queue locked: they must be quick, and must
	// not call the queue.
	MetricsProvider clientgo.MetricsProvider

	// Clock tells the time and runs delayed functions. Default: the real time.
	Clock clock.WithDelayedExecution

	// MaxRetries is how many times an item can be added with rate limiting until somebody forgets it. One
	// more, and the item is forgotten and dropped: OnDrop gets it with a *RetriesError. The rate limiter
	// counts (NumRequeues). Zero: no limit.
	MaxRetries int

	// MaxBackoff caps the wait that RateLimiter asks for. Zero: no cap.
	MaxBackoff time.Duration

	// FairBy makes the queue fair: within a priority, items with different keys take turns, however many
	// each has. Several functions make a hierarchy, outermost first: with a tenant's name and a namespace's,
	// tenants take turns, and in a tenant's turn its namespaces do. An item that is alone under its keys
	// waits for one round: one item of each of the others. Items with equal keys keep their order.
	//
	// The functions are called whenever an item is added, and must always return the same for an item.
	// Default: no fairness, in order of arrival.
	FairBy []func(item T) string

	// AgeAfter keeps low priorities from starving: while the item that has been ready for longest has
	// waited for AgeAfter or more, it gets every eighth hand-out, whatever its priority and key. Of a flood
	// of high priority, seven eighths of the throughput are left to it. Zero: strict priority.
	AgeAfter time.Duration

	// Capacity is how many items may be pending, ready or delayed, for TryAdd to take one more. The other
	// ways to add ignore it: a controller that loses an update is wrong. Zero: no limit.
	Capacity int

	// OnDrop gets every item which the queue was told to process and never will, and why: a *RetriesError,
	// or ErrShutDown for an item that was delayed when the queue was shut down or is added after that. It is
	// not called for what a TryAdd refuses, as the caller has the error.
	OnDrop func(item T, reason error)
}
