package controller_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	ctrlsource "sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/larder-dev/larder/pkg/controller"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/workqueue"
)

// drainQueue takes everything that is ready, with its priority.
func drainQueue[R comparable](q *workqueue.Queue[R]) []string {
	var got []string
	for q.Len() > 0 {
		item, priority, _ := q.GetWithPriority()
		q.Done(item)
		got = append(got, fmt.Sprintf("%v@%d", item, priority))
	}
	slices.Sort(got)
	return got
}

// A source maps the new object of a creation, both of an update and the last of a
// deletion, and gives low priority to what was there before and to resyncs. It stops
// with its context.
func TestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "one"))
		running(t, b.informer)
		q := workqueue.New(workqueue.Options[string]{})
		ctx, cancel := context.WithCancel(t.Context())
		values := func(_ context.Context, cm *corev1.ConfigMap) []string {
			return []string{cm.Data["value"], cm.Data["value"]}
		}
		src := controller.From(b.informer, values)
		if err := src.Start(ctx, q); err != nil {
			t.Fatal(err)
		}
		if err := src.(ctrlsource.TypedSyncingSource[string]).WaitForSync(ctx); err != nil {
			t.Fatal(err)
		}
		expect := func(what string, want ...string) {
			t.Helper()
			synctest.Wait()
			if got := drainQueue(q); !slices.Equal(got, want) {
				t.Errorf("after %s the queue has %q, want %q", what, got, want)
			}
		}
		expect("the list", "one@-100")
		b.server.Add(configMap("b", "two"))
		expect("a creation", "two@0")
		b.server.Modify(configMap("b", "three"))
		expect("an update", "three@0", "two@0")
		b.server.Delete(configMap("b", "three"))
		expect("a deletion", "three@0")
		cancel()
		synctest.Wait()
		b.server.Modify(configMap("a", "four"))
		expect("the end")
	})
}

// A source of keys names each changed object, and gives low priority to what was there
// before.
func TestFromKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "one"))
		running(t, b.informer)
		q := workqueue.New(workqueue.Options[reconcile.Request]{})
		ctx, cancel := context.WithCancel(t.Context())
		src := controller.FromKeys(b.informer)
		if err := src.Start(ctx, q); err != nil {
			t.Fatal(err)
		}
		if err := src.(ctrlsource.SyncingSource).WaitForSync(ctx); err != nil {
			t.Fatal(err)
		}
		namespace := configMap("a", "").Namespace
		expect := func(what string, want ...string) {
			t.Helper()
			for i := range want {
				want[i] = namespace + "/" + want[i]
			}
			synctest.Wait()
			if got := drainQueue(q); !slices.Equal(got, want) {
				t.Errorf("after %s the queue has %q, want %q", what, got, want)
			}
		}
		expect("the list", "a@-100")
		b.server.Add(configMap("b", "two"))
		b.server.Modify(configMap("a", "three"))
		expect("a creation and an update", "a@0", "b@0")
		b.server.Delete(configMap("b", "two"))
		expect("a deletion", "b@0")
		if err := src.Start(ctx, q); !errors.Is(err, controller.ErrSourceInUse) {
			t.Errorf("started twice: %v", err)
		}
		cancel()
		synctest.Wait()
		b.server.Modify(configMap("a", "four"))
		expect("the end")
	})
	var none *informer.Informer[*corev1.ConfigMap]
	if err := controller.FromKeys(none).Start(t.Context(), nil); !errors.Is(err, controller.ErrInvalidSource) {
		t.Errorf("without an informer: %v", err)
	}
}

// When a controller has ended, no mapping of its sources runs any more, and what they
// returned in the end was drained.
func TestEndWaitsForMappings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		running(t, b.informer)
		slow, ended, reconciled := false, false, false
		opts := b.options(reconcilerFunc(func(context.Context, string) error {
			reconciled = true
			return nil
		}))
		opts.DrainTimeout = time.Second
		opts.Sources = []source{controller.From(b.informer, func(ctx context.Context, cm *corev1.ConfigMap) []reconcile.Request {
			if !slow {
				return nil
			}
			time.Sleep(time.Minute)
			ended = true
			return controller.EnqueueObject(ctx, cm)
		})}
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- mustNew(t, opts).Start(ctx) }()
		synctest.Wait()
		slow = true
		b.server.Modify(configMap("a", "2"))
		synctest.Wait()
		cancel()
		if err := <-result; err != nil || !ended || !reconciled {
			t.Errorf("Start returned %v; the mapping has ended: %v, its request was reconciled: %v", err, ended, reconciled)
		}
	})
}

// What a resync repeats has a low priority too.
func TestSourceResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		inf, err := informer.NewFromListerWatcher(b.server, informer.Options[*corev1.ConfigMap]{Resync: time.Minute, Logger: b.log.logger()})
		if err != nil {
			t.Fatal(err)
		}
		b.server.Add(configMap("a", "1"))
		running(t, inf)
		q := workqueue.New(workqueue.Options[reconcile.Request]{})
		if err := controller.From(inf, controller.EnqueueObject).Start(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		drainQueue(q)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := drainQueue(q); !slices.Equal(got, []string{"default/a@-100"}) {
			t.Errorf("a resync brought %q", got)
		}
	})
}

// Handlers and sources of controller-runtime feed a controller as ours do, and
// requests need not be reconcile.Requests.
func TestForeignSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		outside := make(chan event.TypedGenericEvent[int])
		calls := make(chan string, 10)
		named := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, cm *corev1.ConfigMap) []string { return []string{cm.Name} })
		numbered := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, n int) []string { return []string{fmt.Sprint(n)} })
		c := mustNew(t, controller.Options[string]{
			Name: "typed",
			Reconciler: reconcile.TypedFunc[string](func(_ context.Context, s string) (reconcile.Result, error) {
				calls <- s
				return reconcile.Result{}, errTest
			}),
			Sources: []controller.Source[string]{
				controller.FromHandler(b.informer, named),
				ctrlsource.TypedChannel(outside, numbered),
			},
			Logger:     b.log.logger(),
			Registerer: b.registry,
		})
		running(t, b.informer, c)
		if got := <-calls; got != "a" {
			t.Errorf("the first call is for %q", got)
		}
		outside <- event.TypedGenericEvent[int]{Object: 7}
		for got := range calls {
			if got == "7" {
				break
			}
		}
		synctest.Wait()
		b.log.expect(t, 1, "Reconciler error", `"request"="7"`)
	})
}

// The helpers map to the object, or to its owners of a kind in any version.
func TestRequests(t *testing.T) {
	cm := configMap("a", "1")
	cm.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "Deployment", Name: "d1"},
		{APIVersion: "apps/v2", Kind: "Deployment", Name: "d2"},
		{APIVersion: "extensions/v1", Kind: "Deployment", Name: "no"},
		{APIVersion: "v1", Kind: "Node", Name: "n"},
	}
	deployment := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	for _, test := range []struct {
		mapping func(context.Context, *corev1.ConfigMap) []reconcile.Request
		want    string
	}{
		{controller.EnqueueObject[*corev1.ConfigMap], "[default/a]"},
		{controller.EnqueueOwner[*corev1.ConfigMap](deployment), "[default/d1 default/d2]"},
		{controller.EnqueueClusterOwner[*corev1.ConfigMap](schema.GroupKind{Kind: "Node"}), "[/n]"},
		{controller.EnqueueOwner[*corev1.ConfigMap](schema.GroupKind{Kind: "Pod"}), "[]"},
	} {
		if got := fmt.Sprint(test.mapping(t.Context(), cm)); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
