package controller_test

import (
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	_ "sigs.k8s.io/controller-runtime/pkg/controller" // registers its metrics
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Every series exists before the first call, under controller-runtime's names.
func TestMetricsBegin(t *testing.T) {
	b := newBed(t)
	mustNew(t, b.options(doNothing))
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, f := range families {
		got[f.GetName()] = len(f.GetMetric())
	}
	for name, series := range map[string]int{
		"controller_runtime_reconcile_total":                 4,
		"controller_runtime_reconcile_errors_total":          1,
		"controller_runtime_terminal_reconcile_errors_total": 1,
		"controller_runtime_reconcile_panics_total":          1,
		"controller_runtime_reconcile_timeouts_total":        1,
		"controller_runtime_reconcile_time_seconds":          1,
		"controller_runtime_max_concurrent_reconciles":       1,
		"controller_runtime_active_workers":                  1,
	} {
		if got[name] != series {
			t.Errorf("%s has %d series, want %d", name, got[name], series)
		}
	}
}

// In the registry where controller-runtime's own metrics are, the collectors are
// shared; the queue's metrics are there too.
func TestMetricsShareControllerRuntimesCollectors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		opts := b.options(doNothing)
		opts.Name = "shares-metrics"
		opts.Registerer = nil
		suffixes := []string{"_reconcile_total", "_reconcile_time_seconds", "workqueue_adds_total", "workqueue_work_duration_seconds"}
		before := make(map[string]float64) // the registry is the process's: it remembers earlier runs of the test
		for _, suffix := range suffixes {
			before[suffix] = counts(t, ctrlmetrics.Registry, suffix, "controller")["shares-metrics"]
		}
		stop := b.run(t, opts)
		synctest.Wait()
		for _, suffix := range suffixes {
			if n := counts(t, ctrlmetrics.Registry, suffix, "controller")["shares-metrics"] - before[suffix]; n != 1 {
				t.Errorf("%s has grown by %v, want 1", suffix, n)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// One registry with labels of its own for each of two clusters keeps them apart.
func TestMetricsWithLabels(t *testing.T) {
	b := newBed(t)
	for _, cluster := range []string{"north", "south", "north"} { // also again
		opts := b.options(doNothing)
		opts.Registerer = prometheus.WrapRegistererWith(prometheus.Labels{"cluster": cluster}, b.registry)
		mustNew(t, opts)
	}
	if got := b.counts(t, "_active_workers", "cluster"); len(got) != 2 {
		t.Errorf("active_workers has series for %v, want north and south", got)
	}
}
