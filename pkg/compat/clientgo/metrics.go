package clientgo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/cache"

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
	if !ok || x.handlers == nil {
		return nil, fmt.Errorf("informer %T: %w", inf, ErrForeign)
	}
	all := x.handlers.status()
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
	return x.shelf.stats(), nil
}

// Collector is a [prometheus.Collector] of this package's informers that run:
//
//	larder_informer_handler_lag{informer,handler}  changes that a handler has not been told of
//
// The informer is its ObjectDescription or type, the handler as in HandlerStatus.
// Of several by the same names it is the one that is furthest behind.
//
//	prometheus.MustRegister(clientgo.Collector{})
type Collector struct{}

var handlerLag = prometheus.NewDesc("larder_informer_handler_lag",
	"Changes that an event handler has not been told of, by informer and handler", []string{"informer", "handler"}, nil)

// Describe implements [prometheus.Collector].
func (Collector) Describe(descs chan<- *prometheus.Desc) { descs <- handlerLag }

// Collect implements [prometheus.Collector].
func (Collector) Collect(metrics chan<- prometheus.Metric) {
	type series struct{ informer, handler string }
	worst := map[series]int{}
	for _, i := range informers.all() {
		for _, h := range i.handlers.status() {
			s := series{i.name(), h.Name}
			worst[s] = max(worst[s], h.Lag)
		}
	}
	for s, lag := range worst {
		metrics <- prometheus.MustNewConstMetric(handlerLag, prometheus.GaugeValue, float64(lag), s.informer, s.handler)
	}
}

// informers are those that run.
var informers runningInformers

type runningInformers struct {
	mu  sync.Mutex
	set map[*sharedIndexInformer]struct{}
}

func (s *runningInformers) add(i *sharedIndexInformer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[*sharedIndexInformer]struct{}{}
	}
	s.set[i] = struct{}{}
}

func (s *runningInformers) forget(i *sharedIndexInformer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, i)
}

func (s *runningInformers) all() []*sharedIndexInformer {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*sharedIndexInformer, 0, len(s.set))
	for i := range s.set {
		all = append(all, i)
	}
	return all
}

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
		return meters{queued: noMetric{}, latency: noMetric{}, resourceVersion: noMetric{}}
	}
	return meters{
		enabled:         true,
		queued:          provider.NewQueuedItemMetric(id),
		latency:         provider.NewProcessingLatencyMetric(id),
		resourceVersion: provider.NewStoreResourceVersionMetric(id),
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
