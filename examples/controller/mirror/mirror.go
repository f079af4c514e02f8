package mirror

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/controller"
	"github.com/larder-dev/larder/pkg/workqueue"
)

// Options configure a Mirror. The zero value is good.
type Options struct {
	// Workers is how many sources are worked on at the same time. Default: 4.
	Workers int
	// Logger is what everything logs to. Default: controller-runtime's log.Log.
	Logger logr.Logger
}

const (
	// reconcileTimeout is how long one turn for one source may take: thousands of
	// copies, but not for ever.
	reconcileTimeout = time.Minute
	// drainTimeout is how long turns may go on when the program ends, rather than be
	// broken off between a copy and the report about it. It is well below the 15 s
	// that pass until another replica can be the leader.
	drainTimeout = 3 * time.Second
)

// A Mirror is the controller with all that it needs.
type Mirror struct {
	cache      *cache
	controller *controller.Controller[reconcile.Request]
	events     *eventLog
}

// New returns a mirror for the cluster that cfg leads to. It talks to no server
// before it is run. See [Mirror.Runnables].
func New(cfg *rest.Config, opts Options) (*Mirror, error) {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if opts.Workers == 0 {
		opts.Workers = 4
	}
	if opts.Logger.GetSink() == nil {
		opts.Logger = log.Log
	}
	cache, err := newCache(cfg, opts.Logger)
	if err != nil {
		return nil, err
	}
	events := newEventLog(client.EventsV1(), opts.Logger)
	c, err := controller.New(controller.Options[reconcile.Request]{
		Name:       Name,
		Reconciler: &reconciler{cache: cache, client: client, events: events},
		Sources: []controller.Source[reconcile.Request]{
			controller.From(cache.configMaps, cache.concernedByConfigMap),
			controller.From(cache.namespaces, cache.concernedByNamespace, namespaceChanged()),
		},
		// A namespace full of sources does not keep those of others waiting.
		Queue: workqueue.Options[reconcile.Request]{
			FairBy: []func(reconcile.Request) string{func(source reconcile.Request) string { return source.Namespace }},
		},
		Workers:          opts.Workers,
		ReconcileTimeout: reconcileTimeout,
		DrainTimeout:     drainTimeout,
		Logger:           opts.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &Mirror{cache: cache, controller: c, events: events}, nil
}

// Runnables returns the parts to be run, for controller.Run or for a manager's Add.
// In a manager the controller waits to be elected while the informers fill.
func (m *Mirror) Runnables() []manager.Runnable {
	return []manager.Runnable{m.cache.configMaps, m.cache.namespaces, m.events, m.controller}
}

// Ready returns an error while the cache is not synced. It is a healthz.Checker.
func (m *Mirror) Ready(*http.Request) error {
	for _, synced := range []<-chan struct{}{m.cache.configMaps.Synced(), m.cache.namespaces.Synced()} {
		select {
		case <-synced:
		default:
			return errors.Join(errors.New("the cache is not synced"), m.cache.configMaps.Err(), m.cache.namespaces.Err())
		}
	}
	return nil
}
