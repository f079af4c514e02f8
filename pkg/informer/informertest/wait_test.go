package informertest_test

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	fakesource "k8s.io/client-go/tools/cache/testing"

	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/informer/informertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failing is a testing.TB that records how it was failed.
type failing struct {
	testing.TB
	message string
}

func (f *failing) Helper() {}

func (f *failing) Fatal(args ...any) {
	f.message = fmt.Sprint(args...)
	goruntime.Goexit()
}

// failureOf returns the message with which a wait failed, or "".
func failureOf(t *testing.T, wait func(t testing.TB)) string {
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait(f)
	}()
	<-done
	return f.message
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:     "default",
			Name:          name,
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "somebody"}},
		},
		Data: map[string]string{"value": value},
	}
}

func valueIs(value string) func(*corev1.ConfigMap) bool {
	return func(obj *corev1.ConfigMap) bool { return obj.Data["value"] == value }
}

func newInformer(t *testing.T, lw cache.ListerWatcher) *informer.Informer[*corev1.ConfigMap] {
	t.Helper()
	inf, err := informer.NewFromListerWatcher(lw, informer.Options[*corev1.ConfigMap]{
		Logger: funcr.New(func(_, _ string) {}, funcr.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return inf
}

// start runs an informer until stop.
func start(t *testing.T, inf *informer.Informer[*corev1.ConfigMap]) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- inf.Start(ctx) }()
	return func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
}

// inBubble runs a test in virtual time, with a source and an informer of its
// ConfigMaps. ctx ends after a minute.
func inBubble(t *testing.T, test func(ctx context.Context, t *testing.T, source *fakesource.FakeControllerSource, inf *informer.Informer[*corev1.ConfigMap])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		source := fakesource.NewFakeControllerSource()
		defer source.Broadcaster.Shutdown()
		inf := newInformer(t, unstreamed{source})
		defer start(t, inf)()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		test(ctx, t, source, inf)
	})
}

// unstreamed keeps reflectors from asking the source for streamed lists, which it
// does not have.
type unstreamed struct{ cache.ListerWatcher }

func (unstreamed) IsWatchListSemanticsUnSupported() bool { return true }

// The waits end when the state is there, before or after they begin.
func TestWaits(t *testing.T) {
	inBubble(t, func(ctx context.Context, t *testing.T, source *fakesource.FakeControllerSource, inf *informer.Informer[*corev1.ConfigMap]) {
		source.Add(configMap("a", "1"))
		began := time.Now()
		if obj := informertest.WaitKey(ctx, t, inf, "default", "a", "exists", nil); obj.Name != "a" {
			t.Errorf("WaitKey returned %v", obj)
		}
		informertest.WaitGone(ctx, t, inf, "default", "b")
		if took := time.Since(began); took > 0 {
			t.Errorf("waiting for what was there took %v", took)
		}

		go func() {
			time.Sleep(time.Second)
			source.Modify(configMap("a", "2"))
			source.Modify(configMap("a", "3"))
			source.Add(configMap("b", "1"))
			time.Sleep(time.Second)
			source.Delete(configMap("a", "3"))
		}()
		// The state in between is seen, however short.
		obj := informertest.WaitKey(ctx, t, inf, "default", "a", "is 2", valueIs("2"))
		if obj.Data["value"] != "2" {
			t.Errorf("WaitKey returned %v", obj.Data)
		}
		objs := informertest.Eventually(ctx, t, inf, "there are two", func(objs []*corev1.ConfigMap) bool { return len(objs) == 2 })
		if objs[0].Name != "a" || objs[1].Name != "b" {
			t.Errorf("Eventually returned %v", objs)
		}
		informertest.WaitGone(ctx, t, inf, "default", "a")
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A wait in vain says what it waited for, and what it saw instead.
func TestFailureShowsLastState(t *testing.T) {
	inBubble(t, func(ctx context.Context, t *testing.T, source *fakesource.FakeControllerSource, inf *informer.Informer[*corev1.ConfigMap]) {
		source.Add(configMap("a", "1"))
		source.Add(configMap("other", "1"))
		synctest.Wait()
		go func() {
			time.Sleep(time.Second)
			source.Modify(configMap("a", "2"))
			source.Modify(configMap("other", "2"))
			source.Modify(configMap("a", "3"))
		}()
		got := failureOf(t, func(t testing.TB) {
			informertest.WaitKey(ctx, t, inf, "default", "a", "is 4", valueIs("4"))
		})
		want := `configmaps default/a: "is 4" did not come true: context deadline exceeded
changes seen: 2, the latest: update of default/a at resourceVersion 5
last state seen:
--- # default/a
data:
  value: "3"
metadata:
  name: a
  namespace: default
  resourceVersion: "5"`
		if got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
		if obj, _ := inf.Get("default", "a"); len(obj.ManagedFields) == 0 {
			t.Error("the report took the managedFields from the informer's object")
		}
	})
}

// The report of a kind shows its first objects in full, and names the others.
func TestFailureOfKind(t *testing.T) {
	inBubble(t, func(ctx context.Context, t *testing.T, source *fakesource.FakeControllerSource, inf *informer.Informer[*corev1.ConfigMap]) {
		for n := range 12 {
			source.Add(configMap(fmt.Sprintf("a%02d", n), "1"))
		}
		synctest.Wait()
		got := failureOf(t, func(t testing.TB) {
			informertest.Eventually(ctx, t, inf, "there are none", func(objs []*corev1.ConfigMap) bool { return len(objs) == 0 })
		})
		for _, part := range []string{
			`configmaps: "there are none" did not come true: context deadline exceeded`,
			"no change was seen",
			"--- # default/a00\ndata:\n",
			"--- # default/a09\ndata:\n",
			"--- # default/a10\n# not shown\n",
			"--- # default/a11\n# not shown",
		} {
			if !strings.Contains(got, part) {
				t.Errorf("%q is missing in:\n%s", part, got)
			}
		}
	})
}

// A wait in vain says so when nothing was there, when the informer has no access,
// and when it was stopped.
func TestFailureCauses(t *testing.T) {
	inBubble(t, func(ctx context.Context, t *testing.T, source *fakesource.FakeControllerSource, inf *informer.Informer[*corev1.ConfigMap]) {
		got := failureOf(t, func(t testing.TB) {
			informertest.WaitKey(ctx, t, inf, "default", "a", "exists", nil)
		})
		want := `configmaps default/a: "exists" did not come true: context deadline exceeded
no change was seen
last state seen: nothing is there`
		if got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		lw := &cache.ListWatch{
			ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
				return nil, errors.New("no connection")
			},
			WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
				return nil, errors.New("no connection")
			},
		}
		inf := newInformer(t, lw)
		failure := func() string {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return failureOf(t, func(t testing.TB) { informertest.WaitGone(ctx, t, inf, "default", "a") })
		}
		if got := failure(); !strings.Contains(got, informer.ErrNotStarted.Error()) {
			t.Errorf("not started: %s", got)
		}
		stop := start(t, inf)
		if got := failure(); strings.Count(got, "no connection") != 1 {
			t.Errorf("no connection: %s", got)
		}
		stop()
		if got := failure(); !strings.Contains(got, "no connection") {
			t.Errorf("stopped before it was synced: %s", got)
		}
	})
}

// A wait ends when the informer does.
func TestFailureStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := fakesource.NewFakeControllerSource()
		defer source.Broadcaster.Shutdown()
		source.Add(configMap("a", "1"))
		inf := newInformer(t, unstreamed{source})
		stop := start(t, inf)
		go func() {
			time.Sleep(time.Second)
			stop()
		}()
		for _, when := range []string{"while waiting", "before"} {
			got := failureOf(t, func(t testing.TB) { informertest.WaitGone(t.Context(), t, inf, "default", "a") })
			if !strings.Contains(got, informer.ErrStopped.Error()) {
				t.Errorf("stopped %s: %s", when, got)
			}
		}
	})
}
