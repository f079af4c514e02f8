package clientgo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/informer"
)

// HandlerStatus is how far the delivery to a handler is.
type HandlerStatus struct {
	// Registration is what AddEventHandler returned.
	Registration cache.ResourceEventHandlerRegistration
	// Name is the handler's type or, of one made of functions, where these are.
	Name string
	// Synced tells whether the handler was given the whole initial list.
	Synced bool
	// Lag is how many changes the handler has not been told of: what is left of the
	// initial list, and the store's writes since. Those that change nothing for the
	// handler count too.
	Lag int
}

// Handlers returns the status of every handler that an informer of this package
// has, sorted by name. It may be wrapped, as the generated factories do. It returns
// [ErrForeign] for any other informer.
func Handlers(inf cache.SharedInformer) ([]HandlerStatus, error) {
	x, ok := inf.GetStore().(*indexer)
	if !ok || x.shared == nil {
		return nil, fmt.Errorf("informer %T: %w", inf, ErrForeign)
	}
	var all []HandlerStatus
	for _, r := range x.shared.resyncs.all() {
		if r.isDone() {
			continue
		}
		all = append(all, HandlerStatus{Registration: r, Name: r.name, Synced: r.HasSynced(), Lag: r.Lag()})
	}
	slices.SortFunc(all, func(a, b HandlerStatus) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Stats returns what an indexer of this package holds, packed and decoded. The store of
// an informer is one. It returns [ErrForeign] for any other store.
func Stats(s cache.Store) (informer.Stats, error) {
	x, ok := s.(*indexer)
	if !ok {
		return informer.Stats{}, fmt.Errorf("store %T: %w", s, ErrForeign)
	}
	return x.objects.Stats(), nil
}

// Collector is a [prometheus.Collector] of the informers that run, of this package and of all
// others in the process that have no registry of their own. Its metrics are those that package
// informer documents. The informer is its ObjectDescription or type, the handler as in
// HandlerStatus.
//
//	prometheus.MustRegister(clientgo.Collector{})
type Collector = core.Collector

// meters are client-go's metrics of one informer.
type meters struct {
	enabled         bool
	queued          cache.GaugeMetric
	latency         cache.HistogramMetric
	resourceVersion cache.GaugeMetric
}

// newMeters returns the metrics of an informer, which do nothing if it has no name
// or nobody wants them.
func newMeters(id cache.InformerNameAndResource, provider cache.InformerMetricsProvider) meters {
	if provider == nil || !id.Reserved() {
		return noMeters
	}
	return meters{
		enabled:         true,
		queued:          provider.NewQueuedItemMetric(id),
		latency:         provider.NewProcessingLatencyMetric(id),
		resourceVersion: provider.NewStoreResourceVersionMetric(id),
	}
}

// noMeters are metrics that nobody reads.
var noMeters = meters{queued: noMetric{}, latency: noMetric{}, resourceVersion: noMetric{}}

// reached sets the metric of the resourceVersion.
func (m meters) reached(resourceVersion string) {
	if number, ok := versionNumber(resourceVersion); ok {
		m.resourceVersion.Set(number)
	}
}

type noMetric struct{}

func (noMetric) Set(float64)     {}
func (noMetric) Observe(float64) {}

// versionNumber returns a resourceVersion as a number: as with client-go its last 15
// digits, which a float64 represents exactly.
func versionNumber(resourceVersion string) (float64, bool) {
	if resourceVersion == "" {
		return 0, true
	}
	digits := resourceVersion[max(0, len(resourceVersion)-15):]
	n, err := strconv.ParseInt(digits, 10, 64)
	return float64(n), err == nil
}
