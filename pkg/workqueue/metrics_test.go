package workqueue_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientgo "k8s.io/client-go/util/workqueue"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// A ledger is a metrics provider that keeps the last value, or the sum, of every metric by its name.
type ledger struct {
	mu     sync.Mutex
	values map[string]float64
}

func newLedger() *ledger { return &ledger{values: map[string]float64{}} }

// read returns a copy of the values that are not zero.
func (l *ledger) read() map[string]float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	values := maps.Clone(l.values)
	maps.DeleteFunc(values, func(_ string, value float64) bool { return value == 0 })
	return values
}

// is checks what the ledger reads; what is not mentioned is zero.
func (l *ledger) is(t *testing.T, want map[string]float64) {
	t.Helper()
	if got := l.read(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// An account is one metric of a ledger.
type account struct {
	ledger *ledger
	name   string
}

func (a account) add(v float64) {
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	a.ledger.values[a.name] += v
}

func (a account) Inc()              { a.add(1) }
func (a account) Dec()              { a.add(-1) }
func (a account) Observe(v float64) { a.add(v) }

func (a account) Set(v float64) {
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	a.ledger.values[a.name] = v
}

func (l *ledger) NewDepthMetric(string) clientgo.GaugeMetric { return account{l, "depth"} }

func (l *ledger) NewAddsMetric(string) clientgo.CounterMetric { return account{l, "adds"} }

func (l *ledger) NewLatencyMetric(string) clientgo.HistogramMetric { return account{l, "wait"} }

func (l *ledger) NewWorkDurationMetric(string) clientgo.HistogramMetric { return account{l, "work"} }

func (l *ledger) NewRetriesMetric(string) clientgo.CounterMetric { return account{l, "retries"} }

func (l *ledger) NewUnfinishedWorkSecondsMetric(string) clientgo.SettableGaugeMetric {
	return account{l, "unfinished"}
}

func (l *ledger) NewLongestRunningProcessorSecondsMetric(string) clientgo.SettableGaugeMetric {
	return account{l, "longest"}
}

// A tenantLedger breaks down by priority and tenant too.
type tenantLedger struct{ *ledger }

func (l tenantLedger) NewTenantDepthMetric(_, priority, tenant string) clientgo.GaugeMetric {
	return account{l.ledger, fmt.Sprintf("depth/%s/%s", priority, tenant)}
}

func (l tenantLedger) NewTenantWaitMetric(_, priority, tenant string) clientgo.HistogramMetric {
	return account{l.ledger, fmt.Sprintf("wait/%s/%s", priority, tenant)}
}

// Invariant: the metrics mean what client-go's mean, at every moment of an item's life.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		q := workqueue.New(workqueue.Options[string]{Name: "q", MetricsProvider: l})
		defer q.ShutDown()

		q.AddAfter("a", time.Second)
		l.is(t, map[string]float64{"retries": 1})
		time.Sleep(time.Second)
		synctest.Wait()
		l.is(t, map[string]float64{"retries": 1, "adds": 1, "depth": 1})

		q.Add("a")
		time.Sleep(2 * time.Second)
		q.Get()
		l.is(t, map[string]float64{"retries": 1, "adds": 1, "wait": 2})

		q.Add("a")
		q.Add("b")
		q.Get()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		l.is(t, map[string]float64{"retries": 1, "adds": 3, "wait": 2, "depth": 1, "unfinished": 6, "longest": 3})

		q.Done("b")
		time.Sleep(time.Second)
		synctest.Wait()
		l.is(t, map[string]float64{"retries": 1, "adds": 3, "wait": 2, "depth": 1, "work": 3, "unfinished": 4, "longest": 4})

		q.Done("a")
		q.Get()
		q.Done("a")
		time.Sleep(time.Second)
		synctest.Wait()
		l.is(t, map[string]float64{"retries": 1, "adds": 3, "wait": 6, "work": 7})
	})
}

// Invariant: the breakdown adds up to the whole, follows an item that is raised, and never has more than a
// hundred series and one for the rest.
func TestMetricsBreakdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := tenantLedger{newLedger()}
		q := workqueue.New(workqueue.Options[string]{
			Name: "q", MetricsProvider: l, FairBy: []func(string) string{tenant},
		})
		defer q.ShutDown()

		q.Add("x/1")
		q.Add("y/1")
		l.is(t, map[string]float64{"adds": 2, "depth": 2, "depth/0/x": 1, "depth/0/y": 1})
		q.AddWithOpts(workqueue.AddOpts{Priority: new(7)}, "y/1")
		l.is(t, map[string]float64{"adds": 2, "depth": 2, "depth/0/x": 1, "depth/7/y": 1})
		time.Sleep(time.Second)
		q.Get()
		l.is(t, map[string]float64{"adds": 2, "depth": 1, "depth/0/x": 1, "wait": 1, "wait/7/y": 1})

		for i := range 1000 {
			q.Add(fmt.Sprintf("tenant-%d/1", i))
		}
		var sum float64
		series := 0 // that count something; two are empty by now
		read := l.read()
		for name, depth := range read {
			if strings.HasPrefix(name, "depth/") {
				series++
				sum += depth
			}
		}
		if series != 99 || sum != read["depth"] || read["depth/other/other"] != 903 {
			t.Errorf("%d series with %v items, %v of them other", series, sum, read["depth/other/other"])
		}
	})
}

// Invariant: without a provider, a named queue counts where controller-runtime's queues do, by their names
// and with their labels, and breaks down by tenant beside them.
func TestMetricsDefault(t *testing.T) {
	name := fmt.Sprintf("q%d", rand.Uint64()) // the registry outlives the test
	q := workqueue.New(workqueue.Options[string]{Name: name, FairBy: []func(string) string{tenant}})
	defer q.ShutDown()
	q.AddWithOpts(workqueue.AddOpts{Priority: new(3)}, "x/1", "x/2")
	q.AddAfter("y/1", time.Hour)
	item, _ := q.Get()
	q.Done(item)

	got := gather(t, ctrlmetrics.Registry, name)
	want := []string{
		"larder_workqueue_tenant_depth{priority=3,tenant=x} 1",
		"larder_workqueue_tenant_wait_seconds{priority=3,tenant=x} 1",
		"workqueue_adds_total{} 2",
		"workqueue_depth{priority=3} 1",
		"workqueue_longest_running_processor_seconds{} 0",
		"workqueue_queue_duration_seconds{} 1",
		"workqueue_retries_total{} 1",
		"workqueue_unfinished_work_seconds{} 0",
		"workqueue_work_duration_seconds{} 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// gather returns the values of the series of a queue, or how many observations they have.
func gather(t *testing.T, registry prometheus.Gatherer, queue string) []string {
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["name"] != queue {
				continue
			}
			delete(labels, "name")
			delete(labels, "controller")
			var pairs []string
			for _, label := range slices.Sorted(maps.Keys(labels)) {
				pairs = append(pairs, label+"="+labels[label])
			}
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			lines = append(lines, fmt.Sprintf("%s{%s} %v", family.GetName(), strings.Join(pairs, ","), value))
		}
	}
	slices.Sort(lines)
	return lines
}

// Invariant: a registry can be used again, and one with other metrics of the same name is an error, which says so.
func TestPrometheusProvider(t *testing.T) {
	registry := prometheus.NewRegistry()
	for range 2 {
		if _, err := workqueue.PrometheusProvider(registry); err != nil {
			t.Error(err)
		}
	}
	taken := prometheus.NewRegistry()
	taken.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "larder_workqueue_tenant_depth"}))
	if _, err := workqueue.PrometheusProvider(taken); err == nil || !strings.Contains(err.Error(), "tenant_depth") {
		t.Errorf("got %v for a name that is taken", err)
	}
}
