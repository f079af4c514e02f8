package core_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is a logger that says nothing, unlike the zero logger.
func quiet() logr.Logger { return funcr.New(func(_, _ string) {}, funcr.Options{}) }

// storages are the ways to hold objects.
var storages = map[string]func() core.Storage{
	"plain":      func() core.Storage { return core.Storage{} },
	"packed":     func() core.Storage { return core.Storage{Budget: core.NewBudget(0)} },
	"all packed": func() core.Storage { return core.Storage{Budget: core.NewBudget(core.AllPacked)} },
}

// bed is an informer of a server's ConfigMaps.
type bed struct {
	*testing.T
	*apitest.Server
	*core.Informer
}

// inBubbles runs a test in virtual time, for each way to hold objects, with streamed lists and without. The bubble
// fails a test that leaves a goroutine behind.
func inBubbles(t *testing.T, test func(t *testing.T, s core.Storage)) {
	t.Helper()
	for name, streams := range map[string]bool{"list": false, "streamed list": true} {
		for how, storage := range storages {
			t.Run(how+" "+name, func(t *testing.T) {
				clientfeaturestesting.SetFeatureDuringTest(t, clientfeatures.WatchListClient, streams)
				synctest.Test(t, func(t *testing.T) { test(t, storage()) })
			})
		}
	}
}

// options are those of an informer of a server's ConfigMaps, which are asked for in a form first.
func options(server *apitest.Server, f core.Form, s core.Storage) core.Options {
	return core.Options{
		Name: "configmaps", Kind: core.Kind{GroupVersionKind: apitest.GVK, Scheme: scheme.Scheme}, Form: f,
		Remote: core.Remote{Config: server.Config(), Mapper: server.Mapper()}, Storage: s, Logger: quiet(),
	}
}

func newBed(t *testing.T, f core.Form, s core.Storage, change func(*core.Options)) *bed {
	t.Helper()
	server := apitest.NewServer()
	opts := options(server, f, s)
	if change != nil {
		change(&opts)
	}
	inf, err := core.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return &bed{t, server, inf}
}

// run runs the informer until stop, which the end of the test calls too. It returns when everything that can happen
// at once has.
func (b *bed) run() (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(klog.NewContext(b.Context(), quiet()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.Informer.Run(ctx); err != nil {
			b.Errorf("Run: %v", err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	b.Cleanup(stop)
	synctest.Wait()
	return stop
}

// open returns an object in a form.
func (b *bed) open(name string, f core.Form) any {
	b.Helper()
	v, ok := b.Objects().Get("default/" + name)
	if !ok {
		b.Fatalf("there is no %s", name)
	}
	obj, err := b.Objects().Open(v, f)
	if err != nil {
		b.Fatalf("%s as %v: %v", name, f, err)
	}
	return obj
}

// expectRequests checks what the server was asked for since the last call.
func (b *bed) expectRequests(want ...string) {
	b.Helper()
	if got := b.Requests(); !slices.Equal(got, want) {
		b.Errorf("the requests are %q, want %q", got, want)
	}
}

// describe returns what an object is, in a form, for comparisons: "typed a=1", with the field that the Go type lacks.
func describe(obj any) string {
	switch o := obj.(type) {
	case *metav1.PartialObjectMetadata:
		return fmt.Sprintf("metadata %s@%s", o.Name, o.Kind)
	case *corev1.ConfigMap:
		return fmt.Sprintf("typed %s=%s@%s", o.Name, o.Data["value"], o.Kind)
	case *unstructured.Unstructured:
		value, _, _ := unstructured.NestedString(o.Object, "data", "value")
		if newer, ok := o.Object["newer"]; ok {
			value += fmt.Sprint("+", newer)
		}
		return fmt.Sprintf("unstructured %s=%s@%s", o.GetName(), value, o.GetKind())
	case nil:
		return "nothing"
	}
	return fmt.Sprintf("a %T", obj)
}

// recorder is a handler in one form.
type recorder struct {
	bed  *bed
	form core.Form

	mu    sync.Mutex
	calls []string
}

func (r *recorder) tell(n core.Notice) {
	obj, err := r.bed.Objects().Open(n.Object, r.form)
	if err != nil {
		r.bed.Report(n.Name, err)
		return
	}
	call := fmt.Sprint(n.EventType, " ", describe(obj))
	switch {
	case n.Initial:
		call = "initial " + call
	case n.Resync:
		call = "resync " + call
	}
	if n.EventType == store.EventTypeUpdate && !n.Resync && n.Object.Same(n.Old) {
		call += " unchanged"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call)
}

// recorded adds a handler that records.
func (b *bed) recorded(f core.Form, opts core.HandlerOptions) (*recorder, *core.Registration) {
	b.Helper()
	r := &recorder{bed: b, form: f}
	opts.Buffer = 1000
	opts.Logger = quiet()
	reg, err := b.AddHandler(r.tell, opts)
	if err != nil {
		b.Fatal(err)
	}
	return r, reg
}

// expect checks what the handler was told since the last call.
func (r *recorder) expect(want ...string) {
	r.bed.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.calls, want) {
		r.bed.Errorf("the handler was told %q, want %q", r.calls, want)
	}
	r.calls = nil
}
