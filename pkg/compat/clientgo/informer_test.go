package clientgo_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

// What these tests say holds for our informer only.

// A handler that hangs holds up neither the store nor another handler; what it has
// missed meanwhile is coalesced, with the exact old state and the last, and every
// deletion; and its lag is there to be seen.
func TestSlowHandler(t *testing.T) {
	inBubbles(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		b.Add(pod("gone"))
		inf := b.informer(0)
		slow := &recorder{block: make(chan struct{})}
		if _, err := inf.AddEventHandler(slow); err != nil {
			t.Fatal(err)
		}
		var updates atomic.Int64
		if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: func(_, _ any) { updates.Add(1) }}); err != nil {
			t.Fatal(err)
		}
		b.run(inf)
		slow.block <- struct{}{}
		slow.block <- struct{}{}
		synctest.Wait()
		expectLag(t, inf, 0)

		const n = 5000
		for i := range n {
			b.Modify(pod("a"))
			if i%100 == 0 {
				synctest.Wait() // the quick handler is to keep up, on a busy machine too
			}
		}
		b.Delete(pod("gone"))
		synctest.Wait()
		if got := updates.Load(); got != n {
			t.Errorf("the quick handler got %d updates, want %d", got, n)
		}
		if rv := inf.LastSyncResourceVersion(); rv != fmt.Sprint(n+3) {
			t.Errorf("the informer is at %s", rv)
		}
		expectLag(t, inf, n+1) // with the update that it hangs in
		want := map[string]float64{
			"*v1.Pod *clientgo_test.recorder": n + 1,
			"*v1.Pod github.com/larder-dev/larder/pkg/compat/clientgo_test.TestSlowHandler.func1": 0,
		}
		if got := series(t); !maps.Equal(got, want) {
			t.Errorf("the metric is %v, want %v", got, want)
		}

		close(slow.block)
		synctest.Wait()
		expectLag(t, inf, 0)
		calls := slow.take()
		if len(calls) > 2000 {
			t.Errorf("%d calls after %d changes: nothing was coalesced", len(calls), n)
		}
		last := ""
		for _, call := range calls {
			if strings.HasPrefix(call, "update") && strings.HasSuffix(call, fmt.Sprintf(" a@%d", n+2)) {
				last = call
			}
		}
		if last == "" {
			t.Errorf("the last state was not delivered: %q", calls[len(calls)-1])
		}
		if !strings.Contains(strings.Join(calls, ","), fmt.Sprintf("delete gone@%d", n+3)) {
			t.Error("the deletion was not delivered")
		}
	})
}

// expectLag checks the lag of the slowest handler.
func expectLag(t *testing.T, inf cache.SharedInformer, want int) {
	t.Helper()
	handlers, err := clientgo.Handlers(inf)
	if err != nil {
		t.Fatal(err)
	}
	lag := 0
	for _, h := range handlers {
		lag = max(lag, h.Lag)
	}
	if lag != want {
		t.Errorf("the lag is %d, want %d: %+v", lag, want, handlers)
	}
}

// series returns the collector's series of the handlers' lag, by informer and handler.
func series(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(clientgo.Collector{})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "larder_informer_handler_lag_changes" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := m.GetLabel() // sorted by name
			all[labels[1].GetValue()+" "+labels[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	return all
}

// Handlers tells of the handlers that there are, and of this package's only.
func TestHandlers(t *testing.T) {
	inBubbles(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		b.Add(pod("b"))
		inf := b.informer(0)
		slow := &recorder{block: make(chan struct{})}
		defer close(slow.block)
		reg, err := inf.AddEventHandler(slow)
		if err != nil {
			t.Fatal(err)
		}
		expectLag(t, inf, 0)
		stop := b.run(inf)
		expectLag(t, inf, 2)
		slow.block <- struct{}{}
		synctest.Wait()
		expectLag(t, inf, 1)
		handlers, err := clientgo.Handlers(inf)
		if err != nil || len(handlers) != 1 || handlers[0].Registration != reg || handlers[0].Synced || handlers[0].Name != "*clientgo_test.recorder" {
			t.Errorf("got %+v, %v", handlers, err)
		}
		slow.block <- struct{}{}
		synctest.Wait()
		if handlers, _ := clientgo.Handlers(inf); !handlers[0].Synced {
			t.Errorf("got %+v", handlers)
		}
		stop()
		if handlers, err := clientgo.Handlers(inf); err != nil || len(handlers) != 0 {
			t.Errorf("after the end: %+v, %v", handlers, err)
		}
		if got := series(t); len(got) != 0 {
			t.Errorf("the metric after the end is %v", got)
		}
		theirs := cache.NewSharedIndexInformer(b, &corev1.Pod{}, 0, nil)
		if _, err := clientgo.Handlers(theirs); !errors.Is(err, clientgo.ErrForeign) {
			t.Errorf("an informer of client-go's: %v", err)
		}
		if err := inf.RemoveEventHandler(foreign{}); !errors.Is(err, clientgo.ErrForeign) {
			t.Errorf("a foreign registration: %v", err)
		}
		if _, err := inf.AddEventHandler(nil); !errors.Is(err, clientgo.ErrHandlerRequired) {
			t.Errorf("a nil handler: %v", err)
		}
		if _, err := inf.AddEventHandler(slow); !errors.Is(err, clientgo.ErrStopped) {
			t.Errorf("a handler after the end: %v", err)
		}
		if err := inf.SetTransform(nil); !errors.Is(err, clientgo.ErrStarted) {
			t.Errorf("a transform after the end: %v", err)
		}
	})
}

// What a handler made of functions is called is where they are.
func TestHandlerNames(t *testing.T) {
	const here = "github.com/larder-dev/larder/pkg/compat/clientgo_test.TestHandlerNames"
	funcs := cache.ResourceEventHandlerFuncs{DeleteFunc: func(any) {}}
	detailed := cache.ResourceEventHandlerDetailedFuncs{UpdateFunc: func(_, _ any) {}}
	inf := clientgo.NewSharedIndexInformer(&cache.ListWatch{}, &corev1.Pod{}, 0, nil)
	for _, test := range []struct {
		handler cache.ResourceEventHandler
		want    string
	}{
		{funcs, here},
		{&funcs, here},
		{detailed, here},
		{&detailed, here},
		{cache.FilteringResourceEventHandler{Handler: funcs}, here},
		{cache.ResourceEventHandlerFuncs{}, "cache.ResourceEventHandlerFuncs"},
		{(*cache.ResourceEventHandlerFuncs)(nil), "*cache.ResourceEventHandlerFuncs"},
		{(*cache.ResourceEventHandlerDetailedFuncs)(nil), "*cache.ResourceEventHandlerDetailedFuncs"},
		{&recorder{}, "*clientgo_test.recorder"},
	} {
		reg, err := inf.AddEventHandler(test.handler)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := reg.HasSyncedChecker().Name(), "SharedIndexInformer *v1.Pod + event handler "+test.want; got != want {
			t.Errorf("%T is called %q, want %q", test.handler, got, want)
		}
	}
}

// An object that cannot be stored is not stepped over: the watch error handler is
// told, and the informer lists again until it can.
func TestObjectThatCannotBeStored(t *testing.T) {
	broken := errors.New("broken")
	for name, prepare := range map[string]func(cache.SharedIndexInformer, *atomic.Bool) error{
		"index": func(inf cache.SharedIndexInformer, bad *atomic.Bool) error {
			return inf.AddIndexers(cache.Indexers{"some": func(obj any) ([]string, error) {
				if bad.Load() && obj.(*corev1.Pod).Name == "bad" {
					return nil, broken
				}
				return nil, nil
			}})
		},
		"transform": func(inf cache.SharedIndexInformer, bad *atomic.Bool) error {
			return inf.SetTransform(func(obj any) (any, error) {
				if bad.Load() && obj.(*corev1.Pod).Name == "bad" {
					return nil, broken
				}
				return obj, nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubbles(t, func(t *testing.T, b *bed) {
				var bad atomic.Bool
				bad.Store(true)
				b.Add(pod("bad"))
				inf := b.informer(0)
				if err := prepare(inf, &bad); err != nil {
					t.Fatal(err)
				}
				var failures []error
				if err := inf.SetWatchErrorHandler(func(_ *cache.Reflector, err error) { failures = append(failures, err) }); err != nil {
					t.Fatal(err)
				}
				r, _ := b.recorded(inf, cache.HandlerOptions{})
				b.run(inf)
				if inf.HasSynced() {
					t.Error("synced although an object could not be stored")
				}
				bad.Store(false)
				time.Sleep(time.Minute)
				synctest.Wait()
				r.expect(t, "healed", "initial bad@1")
				bad.Store(true)
				b.Modify(pod("bad"))
				b.Add(pod("good"))
				time.Sleep(time.Second / 2)
				synctest.Wait()
				r.expect(t, "an update that cannot be stored")
				bad.Store(false)
				time.Sleep(time.Minute)
				synctest.Wait()
				r.expect(t, "healed again", "update bad@1 bad@2", "add good@3")
				if len(failures) < 2 {
					t.Fatalf("the watch error handler was told %v", failures)
				}
				for _, err := range failures {
					if refusal, ok := errors.AsType[*informer.ObjectError](err); !ok || refusal.Key != "default/bad" || !errors.Is(err, broken) {
						t.Errorf("the watch error handler was told %v", err)
					}
				}
			})
		})
	}
}

// Run returns at once when its context is done, also while the server is away.
func TestStopWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		lw := &cache.ListWatch{
			ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
				return &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, nil
			},
			WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) { return nil, refused },
		}
		for _, lw := range []cache.ListerWatcher{lw, withoutStreams{lw}} {
			stop := run(t, clientgo.NewSharedIndexInformer(lw, &corev1.Pod{}, 0, nil))
			time.Sleep(time.Minute)
			began := time.Now()
			stop()
			if took := time.Since(began); took > 0 {
				t.Errorf("it took %v to stop", took)
			}
		}
	})
}

// The pause after a panic does not hold up the end.
func TestStopDuringThePauseAfterAPanic(t *testing.T) {
	defer func(crash bool) { utilruntime.ReallyCrash = crash }(utilruntime.ReallyCrash)
	utilruntime.ReallyCrash = false
	inBubbles(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		inf := b.informer(0)
		if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) { panic("on purpose") }}); err != nil {
			t.Fatal(err)
		}
		stop := b.run(inf)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v to stop", took)
		}
	})
}

// What is written into the store by hand is told like everything else.
func TestWritesByHand(t *testing.T) {
	inBubbles(t, func(t *testing.T, b *bed) {
		inf := b.informer(0)
		r, _ := b.recorded(inf, cache.HandlerOptions{})
		b.run(inf)
		if err := inf.GetStore().Add(pod("a")); err != nil {
			t.Fatal(err)
		}
		if err := inf.GetStore().Delete(pod("a")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.expectInOrder(t, "by hand", "add a@", "delete a@")
	})
}

// With a name and a provider an informer has client-go's metrics.
func TestClientGoMetrics(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		name, err := cache.NewInformerName("larder-test")
		if err != nil {
			t.Fatal(err)
		}
		defer name.Release()
		synctest.Test(t, func(t *testing.T) {
			p := &provider{}
			b := newBed(t, func(lw cache.ListerWatcher, example runtime.Object, resync time.Duration, indexers cache.Indexers) cache.SharedIndexInformer {
				return f.newInformerWithOptions(lw, example, cache.SharedIndexInformerOptions{
					ResyncPeriod:            resync,
					Indexers:                indexers,
					Identifier:              name.WithResource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}),
					InformerMetricsProvider: p,
				})
			})
			testClientGoMetrics(t, b, p)
		})
	})
}

func testClientGoMetrics(t *testing.T, b *bed, p *provider) {
	b.Add(pod("a"))
	inf := b.informer(0)
	slow := &recorder{block: make(chan struct{})}
	if _, err := inf.AddEventHandler(slow); err != nil {
		t.Fatal(err)
	}
	b.run(inf)
	b.Modify(pod("a"))
	b.Modify(pod("a"))
	synctest.Wait()
	if p.queued.Load() != 3 || p.version.Load() != 3 || p.writes.Load() != 3 {
		t.Errorf("queued %d, at version %d, %d writes measured", p.queued.Load(), p.version.Load(), p.writes.Load())
	}
	close(slow.block)
	synctest.Wait()
	if p.queued.Load() != 0 {
		t.Errorf("queued %d when the handler has caught up", p.queued.Load())
	}
}

// provider is a metrics provider that keeps the last values.
type provider struct{ queued, version, writes atomic.Int64 }

type gauge struct{ *atomic.Int64 }

func (g gauge) Set(v float64) { g.Store(int64(v)) }

type counter struct{ *atomic.Int64 }

func (c counter) Observe(float64) { c.Add(1) }

func (p *provider) NewQueuedItemMetric(cache.InformerNameAndResource) cache.GaugeMetric {
	return gauge{&p.queued}
}

func (p *provider) NewProcessingLatencyMetric(cache.InformerNameAndResource) cache.HistogramMetric {
	return counter{&p.writes}
}

func (p *provider) NewStoreResourceVersionMetric(cache.InformerNameAndResource) cache.GaugeMetric {
	return gauge{&p.version}
}
