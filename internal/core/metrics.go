package core

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// The metrics are read when somebody scrapes them, from what the informer knows
// anyway: a change on its way to a handler pays for two atomic operations.

// The labels of the metrics.
const (
	labelInformer = "informer"
	labelHandler  = "handler"
)

var (
	objectsDesc = describe("objects", "Objects in the informer.", labelInformer)
	packedDesc  = describe("packed_objects", "Objects that are held packed.", labelInformer)
	packedBytes = describe("packed_bytes", "Memory of the packed objects.", labelInformer)
	dictBytes   = describe("dictionary_bytes", "Memory of what the packed objects share.", labelInformer)
	decodedDesc = describe("decoded_objects", "Objects that are kept decoded beside the packed ones.", labelInformer)
	decodedSize = describe("decoded_bytes", "Memory of the objects that are kept decoded, estimated.", labelInformer)
	decodesDesc = describe("decodes_total", "Times that an object was decoded.", labelInformer)
	syncedDesc  = describe("synced", "Whether the informer has its first list, 0 or 1.", labelInformer)
	versionDesc = describe("resource_version", "The resourceVersion up to which the informer has seen everything, 0 before the first list.", labelInformer)
	listsDesc   = describe("lists_total", "Lists that the informer has stored; each after the first is a relist.", labelInformer)
	watchesDesc = describe("watches_total", "Watches that the server has accepted; each after the first is a restart.", labelInformer)
	errorsDesc  = describe("errors_total", "Attempts to list and watch that failed. A watch that expired is none.", labelInformer)
	callsDesc   = describe("handler_calls_total", "Calls of the handler that have returned.", labelInformer, labelHandler)
	lagDesc     = describe("handler_lag_changes", "Changes of the informer that are newer than the one the handler was given last.", labelInformer, labelHandler)
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("larder", "informer", name), help, labels, nil)
}

// meters is the collector of all informers that share a registry.
type meters struct {
	mu      sync.Mutex
	running map[*meter]struct{}
}

// common is the collector of all informers that have no registry of their own.
var common = &meters{running: map[*meter]struct{}{}}

// Collector is a [prometheus.Collector] of all informers that run and have no registry of
// their own.
type Collector struct{}

// Describe implements [prometheus.Collector].
func (Collector) Describe(descs chan<- *prometheus.Desc) { common.Describe(descs) }

// Collect implements [prometheus.Collector].
func (Collector) Collect(metrics chan<- prometheus.Metric) { common.Collect(metrics) }

// newMeters returns the collector that r has, or registers one. Without r it is common.
func newMeters(r prometheus.Registerer) (*meters, error) {
	if r == nil {
		return common, nil
	}
	m := &meters{running: map[*meter]struct{}{}}
	err := r.Register(m)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(*meters); ok {
			return existing, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: Registerer has other metrics under the names larder_informer_…: pass one of its own: %w", ErrInvalidOption, err)
	}
	return m, nil
}

// Describe implements [prometheus.Collector].
func (m *meters) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		objectsDesc, packedDesc, packedBytes, dictBytes, decodedDesc, decodedSize, decodesDesc, syncedDesc, versionDesc, listsDesc, watchesDesc, errorsDesc, callsDesc, lagDesc,
	} {
		descs <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *meters) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	running := maps.Clone(m.running)
	m.mu.Unlock()

	byName := map[string]reading{}
	for meter := range running {
		r, name := meter.read(), meter.informer.Name()
		if other, ok := byName[name]; ok {
			r = r.plus(other)
		}
		byName[name] = r
	}
	for name, r := range byName {
		r.send(metrics, name)
	}
}

func (m *meters) add(meter *meter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running[meter] = struct{}{}
}

func (m *meters) remove(meter *meter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, meter)
}

// meter is what there is to be measured of one informer.
type meter struct{ informer *Informer }

func (m *meter) read() reading {
	i := m.informer
	r := reading{progress: i.status.progress(), stats: i.objects.Stats(), handlers: map[string]handlerReading{}}
	for _, h := range i.handlers.all() {
		one := handlerReading{calls: h.calls.Load(), lag: uint64(h.Lag())}
		r.handlers[h.opts.Name] = one.plus(r.handlers[h.opts.Name])
	}
	return r
}

// reading is what the meters of one name show.
type reading struct {
	progress
	stats    Stats
	handlers map[string]handlerReading // by name
}

type handlerReading struct{ calls, lag uint64 }

// plus returns the reading of two informers: all that they have and did, and how
// far the one has come that is behind.
func (r reading) plus(other reading) reading {
	handlers := maps.Clone(r.handlers)
	for name, h := range other.handlers {
		handlers[name] = h.plus(handlers[name])
	}
	return reading{progress: r.progress.plus(other.progress), stats: r.stats.Plus(other.stats), handlers: handlers}
}

func (h handlerReading) plus(other handlerReading) handlerReading {
	return handlerReading{calls: h.calls + other.calls, lag: max(h.lag, other.lag)}
}

func (r reading) send(metrics chan<- prometheus.Metric, name string) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	synced := 0.0
	if r.synced {
		synced = 1
	}
	gauge(objectsDesc, float64(r.stats.Objects), name)
	gauge(packedDesc, float64(r.stats.Packed), name)
	gauge(packedBytes, float64(r.stats.PackedBytes), name)
	gauge(dictBytes, float64(r.stats.DictionaryBytes), name)
	gauge(decodedDesc, float64(r.stats.Decoded), name)
	gauge(decodedSize, float64(r.stats.DecodedBytes), name)
	counter(decodesDesc, r.stats.Decodes, name)
	gauge(syncedDesc, synced, name)
	gauge(versionDesc, r.version, name)
	counter(listsDesc, r.lists, name)
	counter(watchesDesc, r.watches, name)
	counter(errorsDesc, r.failures, name)
	for handler, h := range r.handlers {
		counter(callsDesc, h.calls, name, handler)
		gauge(lagDesc, float64(h.lag), name, handler)
	}
}
