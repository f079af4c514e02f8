package workqueue

import (
	"strconv"

	clientgo "k8s.io/client-go/util/workqueue"
)

// A TenantMetricsProvider is a MetricsProvider that also breaks depth and wait down by priority and tenant.
// The tenant is the outermost key of Options.FairBy, and empty without fairness. A queue makes these metrics
// when it first needs them, at most 100 of each; what comes later is counted under priority and tenant
// "other". PrometheusProvider returns one.
type TenantMetricsProvider interface {
	clientgo.MetricsProvider

	// NewTenantDepthMetric returns the number of ready items.
	NewTenantDepthMetric(queue, priority, tenant string) clientgo.GaugeMetric
	// NewTenantWaitMetric returns how many seconds items were ready before they were handed out.
	NewTenantWaitMetric(queue, priority, tenant string) clientgo.HistogramMetric
}

// maxSeries is how many series a breakdown has, beside the one for the others.
const maxSeries = 100

// otherSeries is the label of all series beyond that.
const otherSeries = "other"

// A breakdown has the metrics of a queue by priority and tenant.
type breakdown struct {
	provider TenantMetricsProvider
	queue    string
	series   map[seriesKey]*series
	other    *series // nil until first needed
}

type seriesKey struct {
	priority int
	tenant   string
}

// A series is what is measured of one priority and tenant.
type series struct {
	depth clientgo.GaugeMetric
	wait  clientgo.HistogramMetric
}

// newBreakdown returns nil if provider has no such metrics.
func newBreakdown(provider clientgo.MetricsProvider, queue string) *breakdown {
	p, ok := provider.(TenantMetricsProvider)
	if !ok {
		return nil
	}
	return &breakdown{provider: p, queue: queue, series: make(map[seriesKey]*series)}
}

// of returns the series of a priority and the outermost key of path.
func (b *breakdown) of(priority int, path []string) *series {
	key := seriesKey{priority: priority}
	if len(path) > 0 {
		key.tenant = path[0]
	}
	if s := b.series[key]; s != nil {
		return s
	}
	if len(b.series) < maxSeries {
		s := b.make(strconv.Itoa(priority), key.tenant)
		b.series[key] = s
		return s
	}
	if b.other == nil {
		b.other = b.make(otherSeries, otherSeries)
	}
	return b.other
}

func (b *breakdown) make(priority, tenant string) *series {
	return &series{
		depth: b.provider.NewTenantDepthMetric(b.queue, priority, tenant),
		wait:  b.provider.NewTenantWaitMetric(b.queue, priority, tenant),
	}
}
