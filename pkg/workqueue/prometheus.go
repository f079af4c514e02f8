package workqueue

import (
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	clientgo "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// PrometheusProvider returns a provider of all the metrics a queue can have. Those which other queues have
// as well are controller-runtime's, by its names and in its registry:
//
//	workqueue_depth{name,controller,priority}                 ready items
//	workqueue_adds_total{name,controller}                     items that became ready
//	workqueue_queue_duration_seconds{name,controller}         from ready to handed out
//	workqueue_work_duration_seconds{name,controller}          from handed out to done
//	workqueue_unfinished_work_seconds{name,controller}        sum over the items being processed
//	workqueue_longest_running_processor_seconds{name,controller}
//	workqueue_retries_total{name,controller}                  adds with a delay
//
// The breakdown by priority and tenant goes to registry:
//
//	larder_workqueue_tenant_depth{name,priority,tenant}         ready items
//	larder_workqueue_tenant_wait_seconds{name,priority,tenant}  from ready to handed out
//
// It can be called again with the same registry. The error is the registry's, if that has other metrics
// of these names.
func PrometheusProvider(registry prometheus.Registerer) (TenantMetricsProvider, error) {
	labels := []string{"name", "priority", "tenant"}
	depth, depthErr := register(registry, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "larder", Subsystem: ctrlmetrics.WorkQueueSubsystem, Name: "tenant_depth",
		Help: "Ready items by workqueue, priority and tenant",
	}, labels))
	wait, waitErr := register(registry, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "larder", Subsystem: ctrlmetrics.WorkQueueSubsystem, Name: "tenant_wait_seconds",
		Help:    "How long in seconds items were ready before they were handed out, by workqueue, priority and tenant",
		Buckets: prometheus.ExponentialBuckets(100e-6, 10, 8),
	}, labels))
	if err := errors.Join(depthErr, waitErr); err != nil {
		return nil, fmt.Errorf("workqueue: registering metrics: %w", err)
	}
	return &prometheusProvider{MetricsProvider: controllerRuntimeProvider(), depth: depth, wait: wait}, nil
}

// register registers a collector, and returns it or its equal that was there before.
func register[C prometheus.Collector](registry prometheus.Registerer, collector C) (C, error) {
	err := registry.Register(collector)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	return collector, err
}

type prometheusProvider struct {
	clientgo.MetricsProvider
	depth *prometheus.GaugeVec
	wait  *prometheus.HistogramVec
}

// NewDepthMetricWithPriority hands controller-runtime's depth by priority through.
func (p *prometheusProvider) NewDepthMetricWithPriority(name string) priorityGauge {
	return newPriorityGauge(p.MetricsProvider, name)
}

func (p *prometheusProvider) NewTenantDepthMetric(queue, priority, tenant string) clientgo.GaugeMetric {
	return p.depth.WithLabelValues(queue, priority, tenant)
}

func (p *prometheusProvider) NewTenantWaitMetric(queue, priority, tenant string) clientgo.HistogramMetric {
	return p.wait.WithLabelValues(queue, priority, tenant)
}

// defaultProvider counts everything in controller-runtime's registry. If that has other metrics by the names of
// the breakdown, it goes without.
var defaultProvider = sync.OnceValue(func() clientgo.MetricsProvider {
	if p, err := PrometheusProvider(ctrlmetrics.Registry); err == nil {
		return p
	}
	return controllerRuntimeProvider()
})

// controllerRuntimeProvider returns controller-runtime's metrics provider. It is not exported, and client-go
// keeps the globally registered one to itself; but controller-runtime's queue fills the default in where
// its options can see it. That queue has no name, so it makes no metrics, and is shut down at once.
func controllerRuntimeProvider() clientgo.MetricsProvider {
	var seen *priorityqueue.Opts[struct{}]
	priorityqueue.New("", func(o *priorityqueue.Opts[struct{}]) { seen = o }).ShutDown()
	return seen.MetricProvider
}
