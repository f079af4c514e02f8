package informer

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

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
	sharedBytes = describe("dictionary_bytes", "Memory of what the packed objects share.", labelInformer)
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

// newMeters returns the collector that r has, or registers one. Without r, it is
// one that nobody reads.
func newMeters(r prometheus.Registerer) (*meters, error) {
	m := &meters{running: map[*meter]struct{}{}}
	if r == nil {
		return m, nil
	}
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
		objectsDesc, packedDesc, packedBytes, sharedBytes, decodedDesc, decodedSize, decodesDesc, syncedDesc, versionDesc, listsDesc, watchesDesc, errorsDesc, callsDesc, lagDesc,
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
		r := meter.read()
		if other, ok := byName[meter.name]; ok {
			r = r.plus(other)
		}
		byName[meter.name] = r
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
type meter struct {
	name     string
	stats    func() Stats
	revision func() uint64 // of the newest change
	status   *status

	mu       sync.Mutex
	handlers map[*handlerMeter]struct{}
}

// handlerMeter is what there is to be measured of one handler, set by its delivery.
type handlerMeter struct {
	name      string
	calls     atomic.Uint64 // that have returned
	delivered atomic.Uint64 // the revision up to which the handler was told
}

// handler begins to measure a handler.
func (m *meter) handler(name string) *handlerMeter {
	h := &handlerMeter{name: name}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.handlers == nil {
		m.handlers = map[*handlerMeter]struct{}{}
	}
	m.handlers[h] = struct{}{}
	return h
}

// forget ends what handler began.
func (m *meter) forget(h *handlerMeter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.handlers, h)
}

func (m *meter) read() reading {
	r := reading{progress: m.status.progress(), stats: m.stats(), handlers: map[string]handlerReading{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	for h := range m.handlers {
		// What was delivered is read first: the difference cannot be negative.
		delivered := h.delivered.Load()
		one := handlerReading{calls: h.calls.Load(), lag: m.revision() - delivered}
		r.handlers[h.name] = one.plus(r.handlers[h.name])
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
	return reading{progress: r.progress.plus(other.progress), stats: r.stats.plus(other.stats), handlers: handlers}
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
	gauge(sharedBytes, float64(r.stats.DictionaryBytes), name)
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

// progress is how far an informer has come.
type progress struct {
	synced                   bool
	version                  float64 // 0: unknown
	lists, watches, failures uint64
}

func (p progress) plus(other progress) progress {
	return progress{
		synced:   p.synced && other.synced,
		version:  min(p.version, other.version),
		lists:    p.lists + other.lists,
		watches:  p.watches + other.watches,
		failures: p.failures + other.failures,
	}
}

// progress returns how far the informer has come.
func (s *status) progress() progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	version, _ := strconv.ParseFloat(s.resourceVersion, 64) // 0 for one that is no number
	return progress{
		synced:   s.isSynced,
		version:  version,
		lists:    s.lists,
		watches:  s.watches,
		failures: s.failures,
	}
}
