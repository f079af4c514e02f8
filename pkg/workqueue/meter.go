package workqueue

import (
	"reflect"
	"time"

	clientgo "k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// A meter keeps the metrics of a queue. All its methods are called with the queue locked.
type meter[T comparable] struct {
	items      *items[T]
	depth      priorityGauge
	adds       clientgo.CounterMetric
	wait       clientgo.HistogramMetric
	work       clientgo.HistogramMetric
	unfinished clientgo.SettableGaugeMetric
	longest    clientgo.SettableGaugeMetric
	retries    clientgo.CounterMetric
	breakdown  *breakdown // by priority and tenant; nil if the provider has no such metrics

	flight  list[T]     // what is being processed, oldest first
	timer   clock.Timer // runs measure; nil until first needed
	running bool        // timer is to fire
}

// measurePeriod is how often the metrics of work in progress are brought up to date, as in client-go.
const measurePeriod = 500 * time.Millisecond

// newMeter makes the metrics of a queue called name with these items. A nil provider means the default one.
func newMeter[T comparable](name string, provider clientgo.MetricsProvider, items *items[T]) *meter[T] {
	if provider == nil {
		provider = defaultProvider()
	}
	return &meter[T]{
		items:      items,
		depth:      newPriorityGauge(provider, name),
		adds:       provider.NewAddsMetric(name),
		wait:       provider.NewLatencyMetric(name),
		work:       provider.NewWorkDurationMetric(name),
		unfinished: provider.NewUnfinishedWorkSecondsMetric(name),
		longest:    provider.NewLongestRunningProcessorSecondsMetric(name),
		retries:    provider.NewRetriesMetric(name),
		breakdown:  newBreakdown(provider, name),
		flight:     list[T]{items: items, kind: inFlight},
	}
}

// joined counts an entry in that is ready, at its priority.
func (m *meter[T]) joined(e *entry[T], path []string) {
	m.depth.Inc(e.priority)
	if m.breakdown != nil {
		stats := m.breakdown.of(e.priority, path)
		stats.depth.Inc()
		m.items.extra(e).stats = stats
	}
}

// left counts out what joined counted in.
func (m *meter[T]) left(e *entry[T]) {
	m.depth.Dec(e.priority)
	if m.breakdown != nil {
		m.items.extra(e).stats.depth.Dec()
	}
}

// begun starts to measure the work on an entry.
func (m *meter[T]) begun(e *entry[T], now time.Duration) {
	x := m.items.extra(e)
	waited := (now - x.since).Seconds()
	m.wait.Observe(waited)
	if m.breakdown != nil {
		x.stats.wait.Observe(waited)
	}
	x.begun = now
	m.flight.pushBack(e)
}

// done ends what begun started.
func (m *meter[T]) done(e *entry[T], now time.Duration) {
	m.work.Observe((now - m.items.extra(e).begun).Seconds())
	m.flight.remove(e)
}

// update sets the metrics of work in progress.
func (m *meter[T]) update(now time.Duration) {
	var total, longest time.Duration
	for e := m.flight.first(); e != nil; e = m.flight.after(e) {
		age := now - m.items.extra(e).begun
		total += age
		longest = max(longest, age)
	}
	m.unfinished.Set(total.Seconds())
	m.longest.Set(longest.Seconds())
}

// stop ends the measuring of work in progress, whose metrics stay as they are.
func (m *meter[T]) stop() {
	if m.timer != nil {
		m.timer.Stop()
	}
}

// measureSoon makes sure that measure runs while something is being processed.
func (q *Queue[T]) measureSoon() {
	m := q.meter
	if m.running || q.shutDown {
		return
	}
	m.running = true
	if m.timer == nil {
		m.timer = q.afterFunc(measurePeriod, q.measure)
	} else {
		reset(m.timer, measurePeriod)
	}
}

// measure is run by the meter's timer. The last time it runs nothing is being processed, and it says so.
func (q *Queue[T]) measure() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutDown {
		return
	}
	q.meter.update(q.now())
	q.meter.running = false
	if !q.meter.flight.empty() {
		q.measureSoon()
	}
}

// A priorityGauge is a depth metric that tells priorities apart.
type priorityGauge interface {
	Inc(priority int)
	Dec(priority int)
}

// newPriorityGauge returns the best depth metric that provider has. controller-runtime keeps the type of
// its depth by priority in an internal package: no interface can be written down here that its provider
// satisfies, so its constructor is found by name.
func newPriorityGauge(provider clientgo.MetricsProvider, name string) priorityGauge {
	if constructor := reflect.ValueOf(provider).MethodByName("NewDepthMetricWithPriority"); constructor.IsValid() {
		if f := constructor.Type(); f.NumIn() == 1 && f.In(0).Kind() == reflect.String && f.NumOut() == 1 {
			result := constructor.Call([]reflect.Value{reflect.ValueOf(name)})[0]
			if gauge, ok := reflect.TypeAssert[priorityGauge](result); ok {
				return gauge
			}
		}
	}
	return plainGauge{provider.NewDepthMetric(name)}
}

// A plainGauge does not tell priorities apart.
type plainGauge struct {
	gauge clientgo.GaugeMetric
}

func (g plainGauge) Inc(int) { g.gauge.Inc() }
func (g plainGauge) Dec(int) { g.gauge.Dec() }
