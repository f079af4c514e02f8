package controller_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	cachetesting "k8s.io/client-go/tools/cache/testing"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/controller"
	"github.com/larder-dev/larder/pkg/informer"
)

type (
	options = controller.Options[reconcile.Request]
	source  = controller.Source[reconcile.Request]
)

var doNothing = reconcilerFunc(func(context.Context, string) error { return nil })

// Options that make no sense are refused by New, with an error that says which.
func TestNewRejectsOptions(t *testing.T) {
	b := newBed(t)
	var none *informer.Informer[*corev1.ConfigMap]
	other := prometheus.NewRegistry()
	other.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "controller_runtime_reconcile_total", Help: "not this one"}))
	for name, test := range map[string]struct {
		change func(*options)
		want   error
		text   string
	}{
		"no name":       {func(o *options) { o.Name = "" }, controller.ErrNameRequired, "Options.Name"},
		"no reconciler": {func(o *options) { o.Reconciler = nil }, controller.ErrReconcilerRequired, "Options.Reconciler"},
		"no sources":    {func(o *options) { o.Sources = nil }, controller.ErrSourceRequired, "Options.Sources is empty"},
		"nil source":    {func(o *options) { o.Sources = append(o.Sources, nil) }, controller.ErrSourceRequired, "Sources[1]"},
		"nil informer":  {func(o *options) { o.Sources = []source{controller.From(none, controller.EnqueueObject)} }, controller.ErrInvalidSource, "informer is nil"},
		"nil mapping": {func(o *options) {
			o.Sources = []source{controller.From[*corev1.ConfigMap, reconcile.Request](b.informer, nil)}
		}, controller.ErrInvalidSource, "mapping"},
		"nil predicate":     {func(o *options) { o.Sources = []source{controller.From(b.informer, controller.EnqueueObject, nil)} }, controller.ErrInvalidSource, "predicate 0"},
		"negative workers":  {func(o *options) { o.Workers = -1 }, controller.ErrInvalidOption, "Workers is -1"},
		"negative timeout":  {func(o *options) { o.SyncTimeout = -time.Second }, controller.ErrInvalidOption, "SyncTimeout is -1s"},
		"taken metric name": {func(o *options) { o.Registerer = other }, controller.ErrInvalidOption, "controller_runtime_reconcile_total"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := b.options(doNothing)
			test.change(&opts)
			_, err := controller.New(opts)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v with %q", err, test.want, test.text)
			}
		})
	}
	if p := controller.Predicate[*corev1.ConfigMap](nil); p != nil {
		t.Error("a nil predicate became one that is not nil, which New cannot see")
	}
}

// A request is reconciled again when it failed, with a back-off; a panic is a
// failure, which is logged with its stack.
func TestFailuresAndPanicsAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		var calls atomic.Int32
		ids := make([]string, 0, 4)
		b.run(t, b.options(reconcilerFunc(func(ctx context.Context, _ string) error {
			ids = append(ids, string(controller.ReconcileID(ctx)))
			switch calls.Add(1) {
			case 1:
				panic("the roof is on fire")
			case 2:
				panic(errTest)
			case 3:
				return errTest
			}
			return nil
		})))
		time.Sleep(4 * time.Millisecond)
		synctest.Wait()
		if n := calls.Load(); n != 1 {
			t.Fatalf("%d calls before the back-off is over, want 1", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := calls.Load(); n != 4 {
			t.Fatalf("%d calls, want 4", n)
		}
		b.expectCounts(t, "_panics_total", 2)
		b.expectCounts(t, "_reconcile_errors_total", 3)
		b.expectCounts(t, "_terminal_reconcile_errors_total", 0)
		b.expectCounts(t, "_time_seconds", 4)
		b.expectCounts(t, "_max_concurrent_reconciles", 1)
		b.expectCounts(t, "_active_workers", 0)
		b.expectResults(t, map[string]float64{"error": 3, "success": 1})

		b.log.expect(t, 1, "the roof is on fire", `"stack"="goroutine`, "controller_test.go", `"reconcileID"="`+ids[0], `"controller"="test"`, `"namespace"="default"`, `"name"="a"`)
		b.log.expect(t, 3, "Reconciler error")
		if ids[0] == "" || ids[0] == ids[1] {
			t.Errorf("the calls' IDs are %q", ids)
		}
		if id := controller.ReconcileID(t.Context()); id != "" {
			t.Errorf("a context of nobody's has the ID %q", id)
		}
	})
}

// A terminal error is counted and logged, but not retried; a change still is, and its
// back-off begins anew.
func TestTerminalErrorIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		begun := time.Now()
		at := make(chan time.Duration, 10)
		b.run(t, b.options(reconcilerFunc(func(context.Context, string) error {
			at <- time.Since(begun)
			if len(at)%2 == 1 {
				return errTest
			}
			return reconcile.TerminalError(errTest)
		})))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		b.expectCounts(t, "_terminal_reconcile_errors_total", 1)
		b.expectResults(t, map[string]float64{"error": 2})
		b.log.expect(t, 2, "Reconciler error", "test error")
		b.log.expect(t, 1, "Reconciler error", "test error", `"retry"=false`)

		b.server.Modify(configMap("a", "2"))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		close(at)
		var calls []time.Duration
		for call := range at {
			calls = append(calls, call)
		}
		const day, first = 24 * time.Hour, 5 * time.Millisecond
		if want := []time.Duration{0, first, day, day + first}; !slices.Equal(calls, want) {
			t.Errorf("calls at %v, want at %v", calls, want)
		}
	})
}

// RequeueAfter comes exactly then and ends the back-off; Requeue comes with the
// back-off; with an error both are ignored, which is said.
func TestResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		var at []time.Duration
		begun := time.Now()
		outcomes := []struct {
			result reconcile.Result
			err    error
		}{
			{result: reconcile.Result{Requeue: true}},                         //nolint:staticcheck // deprecated, but supported
			{result: reconcile.Result{Requeue: true}},                         //nolint:staticcheck // deprecated, but supported
			{result: reconcile.Result{RequeueAfter: time.Hour}},               // 10 ms later
			{result: reconcile.Result{RequeueAfter: time.Hour}, err: errTest}, // 1 h later
			{}, // 5 ms later: forgotten in between
		}
		b.run(t, b.options(reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
			o := outcomes[len(at)]
			at = append(at, time.Since(begun))
			return o.result, o.err
		})))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		const ms = time.Millisecond
		want := []time.Duration{0, 5 * ms, 15 * ms, time.Hour + 15*ms, time.Hour + 20*ms}
		if !slices.Equal(at, want) {
			t.Errorf("calls at %v, want at %v", at, want)
		}
		b.expectResults(t, map[string]float64{"requeue": 2, "requeue_after": 1, "error": 1, "success": 1})
		b.log.expect(t, 1, "the result is ignored")
	})
}

// A call that takes longer than ReconcileTimeout sees its context end, with the cause.
func TestReconcileTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		opts := b.options(reconcilerFunc(func(ctx context.Context, _ string) error {
			if _, again := ctx.Deadline(); !again {
				t.Error("the context has no deadline")
			}
			<-ctx.Done()
			return reconcile.TerminalError(context.Cause(ctx))
		}))
		opts.ReconcileTimeout = time.Minute
		b.run(t, opts)
		time.Sleep(time.Minute)
		synctest.Wait()
		b.expectCounts(t, "_reconcile_timeouts_total", 1)
		b.log.expect(t, 1, controller.ErrReconcileTimeout.Error())
	})
}

// refusing is a ListerWatcher that may not list.
type refusing struct{ err error }

func (r refusing) List(metav1.ListOptions) (runtime.Object, error)   { return nil, r.err }
func (r refusing) Watch(metav1.ListOptions) (watch.Interface, error) { return nil, r.err }

var errForbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", errors.New("not you"))

// When a source cannot be synced, Start says so, which and why: at once if the server
// refuses, else when the time is over. It leaves nothing behind.
func TestSyncFailure(t *testing.T) {
	start := func(t *testing.T, lw cache.ListerWatcher, startInformer bool) (*controller.SyncError, time.Duration) {
		b := newBedOn(t, cachetesting.NewFakeControllerSource(), lw)
		if startInformer {
			running(t, b.informer)
		}
		begun := time.Now()
		err := mustNew(t, b.options(doNothing)).Start(t.Context())
		sync, ok := errors.AsType[*controller.SyncError](err)
		if !ok {
			t.Fatalf("Start returned %v, want a *SyncError", err)
		}
		if sync.Controller != "test" || sync.Source != "informer configmaps" || !strings.Contains(err.Error(), sync.Source) {
			t.Errorf("the error is about controller %q, source %q and says %q", sync.Controller, sync.Source, err)
		}
		return sync, time.Since(begun)
	}
	t.Run("forbidden", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			err, after := start(t, refusing{errForbidden}, true)
			if !apierrors.IsForbidden(err) || after > time.Second {
				t.Errorf("got %v after %v, want Forbidden at once", err, after)
			}
		})
	})
	t.Run("unreachable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			err, after := start(t, refusing{errTest}, true)
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errTest) || after != controller.DefaultSyncTimeout {
				t.Errorf("got %v after %v, want the deadline and the last failure after %v", err, after, controller.DefaultSyncTimeout)
			}
		})
	})
	t.Run("informer not started", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			err, _ := start(t, refusing{errTest}, false)
			if !errors.Is(err, informer.ErrNotStarted) {
				t.Errorf("got %v, want ErrNotStarted", err)
			}
		})
	})
	t.Run("stopped meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBedOn(t, cachetesting.NewFakeControllerSource(), refusing{errTest})
			if err := b.run(t, b.options(doNothing))(); err != nil {
				t.Errorf("a controller that was stopped while it synced returned %v", err)
			}
		})
	})
}

// The first source that fails ends the wait for the others.
func TestSyncFailureDoesNotWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newBedOn(t, cachetesting.NewFakeControllerSource(), refusing{errTest})
		bad := newBedOn(t, cachetesting.NewFakeControllerSource(), refusing{errForbidden})
		running(t, slow.informer, bad.informer)
		opts := slow.options(doNothing)
		opts.Sources = append(opts.Sources, controller.From(bad.informer, controller.EnqueueObject))
		begun := time.Now()
		err := mustNew(t, opts).Start(t.Context())
		if !apierrors.IsForbidden(err) || time.Since(begun) > time.Second {
			t.Errorf("got %v after %v, want Forbidden at once", err, time.Since(begun))
		}
	})
}

// At the end, a call under way sees its context cancelled, nothing else begins, and
// Start returns when it has returned. An error then is no failure.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		b.server.Add(configMap("b", "1"))
		calls, ended := 0, false
		stop := b.run(t, b.options(reconcilerFunc(func(ctx context.Context, _ string) error {
			calls++
			<-ctx.Done()
			time.Sleep(time.Minute) // and takes its time
			ended = true
			return ctx.Err()
		})))
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if calls != 1 || !ended {
			t.Errorf("%d calls, ended: %v; want 1 that has ended", calls, ended)
		}
		b.expectResults(t, map[string]float64{})
		b.log.expect(t, 0, "Reconciler error")
	})
}

// With a DrainTimeout, what is under way or ready at the end is reconciled, with a
// context that is alive, as long as the time lasts; what is delayed is left.
func TestDrain(t *testing.T) {
	const objects = 10
	drain := func(t *testing.T, timeout time.Duration) (done int) {
		b := newBed(t)
		for i := range objects {
			b.server.Add(configMap(string(rune('a'+i)), "1"))
		}
		opts := b.options(reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			select {
			case <-time.After(time.Second):
				done++
				return reconcile.Result{RequeueAfter: time.Millisecond}, nil
			case <-ctx.Done():
				return reconcile.Result{}, ctx.Err()
			}
		}))
		opts.DrainTimeout = timeout
		stop := b.run(t, opts)
		synctest.Wait()
		begun := time.Now()
		if err := stop(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(begun); took > timeout {
			t.Errorf("the end took %v, with %v to drain", took, timeout)
		}
		b.log.expect(t, map[bool]int{true: 0, false: 1}[done == objects], "Not all that was ready")
		return done
	}
	t.Run("in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if done := drain(t, time.Minute); done != objects {
				t.Errorf("%d reconciled, want %d", done, objects)
			}
		})
	})
	t.Run("too late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if done := drain(t, 3500*time.Millisecond); done != 3 {
				t.Errorf("%d reconciled, want 3", done)
			}
		})
	})
}

// Two controllers of one name do not run at the same time, unless both say that they
// share it; one after the other they do. A controller and a source are used once.
func TestNamesAndReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		running(t, b.informer)
		first, second := mustNew(t, b.options(doNothing)), mustNew(t, b.options(doNothing))
		stop := running(t, first)
		synctest.Wait()
		if err := second.Start(t.Context()); !errors.Is(err, controller.ErrNameInUse) {
			t.Errorf("a second controller of the name returned %v, want ErrNameInUse", err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := first.Start(t.Context()); !errors.Is(err, controller.ErrStarted) {
			t.Errorf("the second Start returned %v, want ErrStarted", err)
		}

		opts := b.options(doNothing)
		opts.SharedName = true
		stop = running(t, mustNew(t, opts))
		again := b.options(doNothing)
		again.SharedName = true
		stopAgain := running(t, mustNew(t, again))
		synctest.Wait()
		if err := errors.Join(stop(), stopAgain()); err != nil {
			t.Errorf("two that share the name returned %v", err)
		}

		reused := b.options(doNothing)
		reused.Sources = opts.Sources
		if err := mustNew(t, reused).Start(t.Context()); !errors.Is(err, controller.ErrSourceInUse) {
			t.Errorf("a controller with a used source returned %v, want ErrSourceInUse", err)
		}
	})
}

// NeedLeaderElection is yes unless the controller is to run on every replica.
func TestNeedLeaderElection(t *testing.T) {
	b := newBed(t)
	opts := b.options(doNothing)
	if !mustNew(t, opts).NeedLeaderElection() {
		t.Error("a controller runs without election by default")
	}
	opts.EveryReplica = true
	if mustNew(t, opts).NeedLeaderElection() {
		t.Error("a controller for every replica wants an election")
	}
}

// With a limit on retries a request is given up, which is logged, until it changes.
func TestRetriesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		opts := b.options(reconcilerFunc(func(context.Context, string) error { return errTest }))
		opts.Queue.MaxRetries = 3
		b.run(t, opts)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		b.expectResults(t, map[string]float64{"error": 4})
		b.log.expect(t, 1, "Request given up", `"name"="a"`)
		b.server.Modify(configMap("a", "2"))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		b.expectResults(t, map[string]float64{"error": 8})
	})
}

// With fairness by namespace, one with a single object waits for one of another that has many.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		for i := range 20 {
			b.server.Add(configMap(string(rune('a'+i)), "1"))
		}
		quiet := configMap("z", "1")
		quiet.Namespace = "quiet"
		b.server.Add(quiet)
		var calls []string // one worker makes them
		opts := b.options(reconcile.Func(func(_ context.Context, req reconcile.Request) (reconcile.Result, error) {
			calls = append(calls, req.Namespace)
			return reconcile.Result{}, nil
		}))
		opts.Queue.FairBy = []func(reconcile.Request) string{func(req reconcile.Request) string { return req.Namespace }}
		b.run(t, opts)
		synctest.Wait()
		if at := slices.Index(calls, "quiet"); len(calls) != 21 || at > 1 {
			t.Errorf("the quiet namespace came as number %d of %d", at+1, len(calls))
		}
	})
}

// Never more than Workers calls run at once, and so many do.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		for i := range 20 {
			b.server.Add(configMap(string(rune('a'+i)), "1"))
		}
		var mu sync.Mutex
		active, most := 0, 0
		opts := b.options(reconcilerFunc(func(context.Context, string) error {
			mu.Lock()
			active++
			most = max(most, active)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			active--
			mu.Unlock()
			return nil
		}))
		opts.Workers = 5
		b.run(t, opts)
		synctest.Wait()
		b.expectCounts(t, "_active_workers", 5)
		time.Sleep(time.Minute)
		synctest.Wait()
		if most != 5 {
			t.Errorf("%d calls at once, want 5", most)
		}
		b.expectResults(t, map[string]float64{"success": 20})
	})
}

// Predicates of controller-runtime filter the events, typed ones and others.
func TestPredicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("ours", "1"))
		b.server.Add(configMap("theirs", "1"))
		var calls []string
		opts := b.options(reconcilerFunc(func(_ context.Context, name string) error {
			calls = append(calls, name)
			return nil
		}))
		ours := predicate.NewTypedPredicateFuncs(func(cm *corev1.ConfigMap) bool { return cm.Name == "ours" })
		annotated := controller.Predicate[*corev1.ConfigMap](predicate.AnnotationChangedPredicate{})
		opts.Sources = []source{controller.From(b.informer, controller.EnqueueObject, ours, annotated)}
		b.run(t, opts)
		synctest.Wait()
		b.server.Modify(configMap("ours", "2")) // but not its annotations
		synctest.Wait()
		annotatedOnce := configMap("ours", "2")
		annotatedOnce.Annotations = map[string]string{"a": "b"}
		b.server.Modify(annotatedOnce.DeepCopy())
		synctest.Wait()
		b.server.Delete(annotatedOnce.DeepCopy())
		b.server.Delete(configMap("theirs", "1"))
		synctest.Wait()
		if got := strings.Join(calls, " "); got != "ours ours ours" {
			t.Errorf("calls for %q, want one each for the creation, the annotation and the deletion of ours", got)
		}
	})
}
