package controller_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	cachetesting "k8s.io/client-go/tools/cache/testing"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/controller"
	"github.com/larder-dev/larder/pkg/informer"
)

// bed is what a test of a controller needs: a server of ConfigMaps, an informer on
// it, metrics and a log of the test's own. It is made for use inside a synctest
// bubble, where all time is the test's.
type bed struct {
	server   *cachetesting.FakeControllerSource
	informer *informer.Informer[*corev1.ConfigMap]
	registry *prometheus.Registry
	log      *logLines
}

func newBed(t *testing.T) *bed {
	t.Helper()
	server := cachetesting.NewFakeControllerSource()
	return newBedOn(t, server, server)
}

// newBedOn is newBed with another way to the server.
func newBedOn(t *testing.T, server *cachetesting.FakeControllerSource, lw cache.ListerWatcher) *bed {
	t.Helper()
	b := &bed{server: server, registry: prometheus.NewRegistry(), log: &logLines{}}
	inf, err := informer.NewFromListerWatcher(lw, informer.Options[*corev1.ConfigMap]{Logger: b.log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	b.informer = inf
	t.Cleanup(server.Shutdown)
	return b
}

// options are those of a controller for the bed's ConfigMaps.
func (b *bed) options(r reconcile.Reconciler) controller.Options[reconcile.Request] {
	return controller.Options[reconcile.Request]{
		Name:       "test",
		Reconciler: r,
		Sources:    []controller.Source[reconcile.Request]{controller.From(b.informer, controller.EnqueueObject[*corev1.ConfigMap])},
		Logger:     b.log.logger(),
		Registerer: b.registry,
	}
}

// run runs a controller and the bed's informer until stop is called, which returns
// what Run did.
func (b *bed) run(t *testing.T, opts controller.Options[reconcile.Request]) (stop func() error) {
	t.Helper()
	return running(t, b.informer, mustNew(t, opts))
}

// running runs runnables until stop is called, or else the test ends.
func running(t *testing.T, runnables ...manager.Runnable) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- controller.Run(ctx, runnables...) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

func mustNew[R comparable](t *testing.T, opts controller.Options[R]) *controller.Controller[R] {
	t.Helper()
	c, err := controller.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// counts are the bed's metrics whose name ends so, by their value of a label.
func (b *bed) counts(t *testing.T, suffix, label string) map[string]float64 {
	t.Helper()
	return counts(t, b.registry, suffix, label)
}

func counts(t *testing.T, g prometheus.Gatherer, suffix, label string) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]float64)
	for _, f := range families {
		if !strings.HasSuffix(f.GetName(), suffix) {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == label {
					found[l.GetValue()] += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	return found
}

// expectCounts compares a metric by the label "controller" and, for the total, by
// the result.
func (b *bed) expectCounts(t *testing.T, suffix string, want float64) {
	t.Helper()
	if got := b.counts(t, suffix, "controller")["test"]; got != want {
		t.Errorf("%s is %v, want %v", suffix, got, want)
	}
}

func (b *bed) expectResults(t *testing.T, want map[string]float64) {
	t.Helper()
	got := b.counts(t, "_reconcile_total", "result")
	maps.DeleteFunc(got, func(_ string, n float64) bool { return n == 0 })
	if !maps.Equal(got, want) {
		t.Errorf("reconcile_total is %v, want %v", got, want)
	}
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Data:       map[string]string{"value": value},
	}
}

// logLines collects what is logged, one string a line, errors with the prefix
// "error".
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) logger() logr.Logger {
	return funcr.New(func(_, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, args)
	}, funcr.Options{Verbosity: 1})
}

// find returns the lines that contain all the parts.
func (l *logLines) find(parts ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
next:
	for _, line := range l.lines {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

func (l *logLines) expect(t *testing.T, n int, parts ...string) {
	t.Helper()
	if got := l.find(parts...); len(got) != n {
		l.mu.Lock()
		defer l.mu.Unlock()
		t.Errorf("%d log lines have %q, want %d; the log is\n%s", len(got), parts, n, strings.Join(l.lines, "\n"))
	}
}

// reconcilerFunc is a reconciler that only fails.
func reconcilerFunc(f func(ctx context.Context, name string) error) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
		return reconcile.Result{}, f(ctx, req.Name)
	})
}

var errTest = fmt.Errorf("test error")
