package clientgo_test

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	cachetesting "k8s.io/client-go/tools/cache/testing"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(controlplane.Main(m)) }

// newInformer is the type of the constructors that are compared.
type newInformer func(cache.ListerWatcher, runtime.Object, time.Duration, cache.Indexers) cache.SharedIndexInformer

// form is a way to hold objects.
type form struct {
	name    string
	options clientgo.Options
}

// forms are all there are: what holds for the one has to hold for the others.
var forms = []form{
	{"plain", clientgo.Options{}},
	{"packed", clientgo.Options{Budget: informer.DefaultBudget}},
	{"all packed", clientgo.Options{Budget: informer.AllPacked, Compression: codec.Zstd}},
}

// plain tells that it is what the constructors without options make.
func (f form) plain() bool { return reflect.ValueOf(f.options).IsZero() }

func (f form) newInformer(lw cache.ListerWatcher, example runtime.Object, resync time.Duration, indexers cache.Indexers) cache.SharedIndexInformer {
	if f.plain() {
		return clientgo.NewSharedIndexInformer(lw, example, resync, indexers)
	}
	return must(f.options.NewSharedIndexInformer(lw, example, resync, indexers))
}

func (f form) newInformerWithOptions(lw cache.ListerWatcher, example runtime.Object, options cache.SharedIndexInformerOptions) cache.SharedIndexInformer {
	if f.plain() {
		return clientgo.NewSharedIndexInformerWithOptions(lw, example, options)
	}
	return must(f.options.NewSharedIndexInformerWithOptions(lw, example, options))
}

func (f form) newIndexer(keyFunc cache.KeyFunc, indexers cache.Indexers) cache.Indexer {
	if f.plain() {
		return clientgo.NewIndexer(keyFunc, indexers)
	}
	return must(f.options.NewIndexer(keyFunc, indexers))
}

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

// inForms runs a test for each form.
func inForms(t *testing.T, test func(t *testing.T, f form)) {
	t.Helper()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) { test(t, f) })
	}
}

// inBubbles runs a test in virtual time against our informer, in each form. The bubble
// fails a test that leaves a goroutine behind.
func inBubbles(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Helper()
	inForms(t, func(t *testing.T, f form) {
		synctest.Test(t, func(t *testing.T) { test(t, newBed(t, f.newInformer)) })
	})
}

// inBoth is inBubbles against client-go's informer too: what holds for that one has to
// hold for ours.
func inBoth(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Helper()
	t.Run("client-go", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newBed(t, cache.NewSharedIndexInformer)) })
	})
	inBubbles(t, test)
}

// bed is a source of Pods, and the informers that a test makes of it.
type bed struct {
	*cachetesting.FakeControllerSource
	t         *testing.T
	construct newInformer
}

func newBed(t *testing.T, construct newInformer) *bed {
	b := &bed{FakeControllerSource: cachetesting.NewFakeControllerSource(), t: t, construct: construct}
	t.Cleanup(b.Shutdown)
	return b
}

// IsWatchListSemanticsUnSupported tells a reflector not to ask for streamed lists.
func (b *bed) IsWatchListSemanticsUnSupported() bool { return true }

// informer makes an informer of the bed's Pods.
func (b *bed) informer(resync time.Duration) cache.SharedIndexInformer {
	return b.construct(b, &corev1.Pod{}, resync, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
}

// run runs an informer until stop, which the end of the test calls too, and returns
// when everything that can happen at once has. stop returns when Run has.
func (b *bed) run(inf cache.SharedInformer) (stop func()) {
	return run(b.t, inf)
}

func run(t *testing.T, inf cache.SharedInformer) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		inf.RunWithContext(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	synctest.Wait()
	return stop
}

// recorded makes a handler that records, and adds it.
func (b *bed) recorded(inf cache.SharedInformer, options cache.HandlerOptions) (*recorder, cache.ResourceEventHandlerRegistration) {
	b.t.Helper()
	r := &recorder{}
	reg, err := inf.AddEventHandlerWithOptions(r, options)
	if err != nil {
		b.t.Fatal(err)
	}
	return r, reg
}

// pod returns a Pod. A source sets the resourceVersion: 1, 2, 3 and so on.
func pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}}
}
