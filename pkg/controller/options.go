package controller

import (
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	clientgo "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/workqueue"
)

const (
	// DefaultSyncTimeout is how long Start waits for the sources by default.
	DefaultSyncTimeout = 2 * time.Minute

	// The back-off of a request that fails, by default: it doubles from the first
	// delay to the last. There is no limit over all requests together, so that one
	// that fails does not slow down the retry of another.
	minBackoff = 5 * time.Millisecond
	maxBackoff = 1000 * time.Second
)

// Options say what a controller does. Name, Reconciler and Sources are
// required; the zero value of everything else is good.
type Options[R comparable] struct {
	// Name labels the controller's metrics and log lines. It has to be unique
	// among the controllers that run in a process at the same time.
	Name string

	// Reconciler is called for each request, by at most Workers goroutines at once
	// and never twice at once for equal requests.
	Reconciler reconcile.TypedReconciler[R]

	// Sources say which requests there are; see [From]. Sources of
	// controller-runtime, such as source.Channel, are welcome too: they feed the
	// same queue. A source is for one controller only.
	Sources []Source[R]

	// Workers is how many requests are reconciled at the same time. Default: 1.
	Workers int

	// Queue configures the queue: retries, fairness, ageing. Its Name defaults to
	// the controller's, its RateLimiter to a back-off for each request from 5 ms to
	// 1000 s, and its OnDrop to a line in the log for a request whose retries are
	// used up.
	Queue workqueue.Options[R]

	// ReconcileTimeout ends the context of a call of Reconcile that takes longer,
	// with [ErrReconcileTimeout] as its cause. It does not end the call. Zero: no limit.
	ReconcileTimeout time.Duration

	// SyncTimeout is how long Start waits for the sources before it gives up with a
	// [*SyncError]. A refusal by the API server ends the wait at once. Default:
	// [DefaultSyncTimeout].
	SyncTimeout time.Duration

	// DrainTimeout is how long work may go on after the context of Start ended:
	// calls of Reconcile that are under way, whose contexts stay alive meanwhile, and
	// requests that are ready. What is delayed is left. Zero: calls under way see
	// their contexts cancelled at once, and no other begins; that is what a
	// controller wants that has lost its lease. A manager waits no longer than its
	// GracefulShutdownTimeout.
	DrainTimeout time.Duration

	// EveryReplica makes a manager run the controller on each replica of the
	// program. By default it runs on the elected leader only.
	EveryReplica bool

	// SharedName allows other controllers of the same name to run at the same time;
	// their metrics add up under that name. Both have to set it.
	SharedName bool

	// Logger is what the controller and its reconciler log to. Default:
	// controller-runtime's log.Log, which discards until log.SetLogger is called.
	Logger logr.Logger

	// Registerer is where the metrics of the controller go. Collectors of the same
	// names that are registered there already are shared. Default:
	// controller-runtime's metrics.Registry, which a manager serves and where the
	// metrics of the queue are unless Queue.MetricsProvider has another place.
	Registerer prometheus.Registerer
}

// withDefaults returns a copy that has no field left to guess.
func (o Options[R]) withDefaults() Options[R] {
	if o.Workers == 0 {
		o.Workers = 1
	}
	if o.SyncTimeout == 0 {
		o.SyncTimeout = DefaultSyncTimeout
	}
	if o.Queue.Name == "" {
		o.Queue.Name = o.Name
	}
	if o.Queue.RateLimiter == nil {
		o.Queue.RateLimiter = clientgo.NewTypedItemExponentialFailureRateLimiter[R](minBackoff, maxBackoff)
	}
	if o.Logger.GetSink() == nil {
		o.Logger = log.Log
	}
	if o.Registerer == nil {
		o.Registerer = metrics.Registry
	}
	return o
}

// validate returns an error that says what to change, or nil.
func (o Options[R]) validate() error {
	if o.Name == "" {
		return ErrNameRequired
	}
	if o.Reconciler == nil {
		return ErrReconcilerRequired
	}
	if o.Workers < 0 {
		return fmt.Errorf("%w: Workers is %d: pass how many, or zero for one", ErrInvalidOption, o.Workers)
	}
	for name, d := range map[string]time.Duration{
		"ReconcileTimeout": o.ReconcileTimeout,
		"SyncTimeout":      o.SyncTimeout,
		"DrainTimeout":     o.DrainTimeout,
	} {
		if d < 0 {
			return fmt.Errorf("%w: %s is %v: pass a time that is not negative", ErrInvalidOption, name, d)
		}
	}
	return o.validateSources()
}

func (o Options[R]) validateSources() error {
	if len(o.Sources) == 0 {
		return fmt.Errorf("%w: Options.Sources is empty", ErrSourceRequired)
	}
	for i, s := range o.Sources {
		if s == nil {
			return fmt.Errorf("%w: Options.Sources[%d] is nil", ErrSourceRequired, i)
		}
		if v, ok := s.(interface{ validate() error }); ok {
			if err := v.validate(); err != nil {
				return fmt.Errorf("Options.Sources[%d]: %w", i, err)
			}
		}
	}
	return nil
}
