package clientgo_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamiclister"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

// patience is how long the integration tests wait for what must come.
const patience = time.Minute

// cluster is a real kube-apiserver, with a namespace of one test's own.
type cluster struct {
	t         *testing.T
	config    *rest.Config
	clients   *kubernetes.Clientset
	namespace string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	config := controlplane.Shared(t).Config()
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := clients.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "clientgo-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t: t, config: config, clients: clients, namespace: namespace.Name}
}

func (c *cluster) configMaps() typedcorev1.ConfigMapInterface {
	return c.clients.CoreV1().ConfigMaps(c.namespace)
}

func (c *cluster) create(name string) {
	c.t.Helper()
	_, err := c.configMaps().Create(c.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) update(name, value string) {
	c.t.Helper()
	_, err := c.configMaps().Update(c.t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"value": value},
	}, metav1.UpdateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) delete(name string) {
	c.t.Helper()
	if err := c.configMaps().Delete(c.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// run runs something until the end of the test.
func (c *cluster) run(what func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var running sync.WaitGroup
	running.Go(func() { what(ctx) })
	c.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// story is a handler that keeps what it was told of each object, and can be waited
// for.
type story struct {
	mu      sync.Mutex
	calls   map[string][]string
	changed chan struct{} // holds one
}

func newStory() *story { return &story{calls: map[string][]string{}, changed: make(chan struct{}, 1)} }

func (s *story) tell(obj any, call string) {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj)
	if err != nil {
		call = err.Error()
	}
	s.mu.Lock()
	s.calls[key] = append(s.calls[key], call)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *story) OnAdd(obj any, isInInitialList bool) {
	s.tell(obj, fmt.Sprint("add ", describe(obj), isInInitialList))
}

func (s *story) OnUpdate(oldObj, newObj any) {
	s.tell(newObj, "update "+describe(oldObj)+" "+describe(newObj))
}

func (s *story) OnDelete(obj any) { s.tell(obj, "delete "+describe(obj)) }

// waitFor waits until an object's latest call begins with a word.
func (s *story) waitFor(t *testing.T, key, word string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		calls := s.calls[key]
		s.mu.Unlock()
		if len(calls) > 0 && strings.HasPrefix(calls[len(calls)-1], word) {
			return
		}
		select {
		case <-s.changed:
		case <-timeout:
			t.Fatalf("%s: waited in vain for %q, was told %q", key, word, calls)
		}
	}
}

func stripManagedFields(obj any) (any, error) {
	obj.(*corev1.ConfigMap).ManagedFields = nil
	return obj, nil
}

// On a real server, with streamed lists, client-go's informer and ours tell the
// same story of each object, transformed, and end with the same content.
func TestSideBySide(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	c := newCluster(t)
	for n := range 20 {
		c.create(fmt.Sprint("initial-", n))
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stories := map[string]*story{}
	stores := map[string]cache.Store{}
	constructors := map[string]newInformer{"client-go": cache.NewSharedIndexInformer}
	for _, f := range forms {
		constructors[f.name] = f.newInformer
	}
	for name, construct := range constructors {
		lw := cache.NewListWatchFromClient(c.clients.CoreV1().RESTClient(), "configmaps", c.namespace, fields.Everything())
		inf := construct(lw, &corev1.ConfigMap{}, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
		if err := inf.SetTransform(stripManagedFields); err != nil {
			t.Fatal(err)
		}
		s := newStory()
		reg, err := inf.AddEventHandlerWithResyncPeriod(s, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.run(inf.RunWithContext)
		if !cache.WaitFor(ctx, "", inf.HasSyncedChecker(), reg.HasSyncedChecker()) {
			t.Fatalf("%s: not synced", name)
		}
		stories[name], stores[name] = s, inf.GetStore()
	}

	existing := map[string]bool{}
	for step := range 200 {
		name := fmt.Sprint("object-", rnd.IntN(10))
		switch {
		case !existing[name]:
			c.create(name)
			existing[name] = true
		case rnd.IntN(4) == 0:
			c.delete(name)
			existing[name] = false
		default:
			c.update(name, fmt.Sprint(step))
		}
	}
	c.create("last")
	for _, s := range stories {
		s.waitFor(t, c.namespace+"/last", "add")
	}
	for _, f := range forms {
		if theirs, ours := stories["client-go"].calls, stories[f.name].calls; !maps.EqualFunc(theirs, ours, slices.Equal) {
			t.Errorf("client-go told %q\nlarder, %s, told %q", theirs, f.name, ours)
		}
	}
	content := func(store cache.Store) []string {
		var all []string
		for _, obj := range store.List() {
			all = append(all, obj.(*corev1.ConfigMap).String())
			if fields := obj.(*corev1.ConfigMap).ManagedFields; len(fields) > 0 {
				t.Errorf("the transform has left %v", fields)
			}
		}
		return slices.Sorted(slices.Values(all))
	}
	for _, f := range forms {
		if theirs, ours := content(stores["client-go"]), content(stores[f.name]); !slices.Equal(theirs, ours) {
			t.Errorf("client-go has %q\nlarder, %s, has %q", theirs, f.name, ours)
		}
	}
}

// A shared informer factory that is given our informer of a type uses it for all
// that it hands out of that type.
func TestSharedInformerFactory(t *testing.T) { inForms(t, testSharedInformerFactory) }

func testSharedInformerFactory(t *testing.T, f form) {
	c := newCluster(t)
	c.create("a")
	factory := informers.NewSharedInformerFactoryWithOptions(c.clients, 0, informers.WithNamespace(c.namespace))
	ours := factory.InformerFor(&corev1.ConfigMap{}, func(client kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
		lw := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "configmaps", c.namespace, fields.Everything())
		return f.newInformer(lw, &corev1.ConfigMap{}, resync, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	})
	configMaps := factory.Core().V1().ConfigMaps()
	if configMaps.Informer().GetIndexer() != ours.GetIndexer() {
		t.Error("the factory has made another informer")
	}
	s := newStory()
	if _, err := configMaps.Informer().AddEventHandler(s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer factory.Shutdown()
	defer cancel()
	factory.StartWithContext(ctx)
	timeout, cancelTimeout := context.WithTimeout(t.Context(), patience)
	defer cancelTimeout()
	if err := factory.WaitForCacheSyncWithContext(timeout).AsError(); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, c.namespace+"/a", "add a")
	c.create("b")
	s.waitFor(t, c.namespace+"/b", "add b")
	if handlers, err := clientgo.Handlers(configMaps.Informer()); err != nil || len(handlers) != 1 || !handlers[0].Synced {
		t.Errorf("the handlers are %+v, %v", handlers, err)
	}
	list, err := configMaps.Lister().ConfigMaps(c.namespace).List(labels.Everything())
	if err != nil || len(list) != 2 {
		t.Errorf("the lister has %v, %v", list, err)
	}
}

// Objects of the dynamic client are as good as others, and so is its lister.
func TestDynamic(t *testing.T) { inForms(t, testDynamic) }

func testDynamic(t *testing.T, f form) {
	c := newCluster(t)
	c.create("a")
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	gvr := corev1.SchemeGroupVersion.WithResource("configmaps")
	objects := client.Resource(gvr).Namespace(c.namespace)
	inf := f.newInformer(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			return objects.List(ctx, opts)
		},
		WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			return objects.Watch(ctx, opts)
		},
	}, client), &unstructured.Unstructured{}, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	s := newStory()
	if _, err := inf.AddEventHandler(s); err != nil {
		t.Fatal(err)
	}
	c.run(inf.RunWithContext)
	s.waitFor(t, c.namespace+"/a", "add")
	c.update("a", "1")
	s.waitFor(t, c.namespace+"/a", "update")
	lister := dynamiclister.New(inf.GetIndexer(), gvr)
	obj, err := lister.Namespace(c.namespace).Get("a")
	if err != nil {
		t.Fatal(err)
	}
	if value, _, _ := unstructured.NestedString(obj.Object, "data", "value"); value != "1" || obj.GetKind() != "ConfigMap" {
		t.Errorf("the lister has %v", obj)
	}
	shim := dynamiclister.NewRuntimeObjectShim(lister)
	list, err := shim.ByNamespace(c.namespace).List(labels.Everything())
	if err != nil || len(list) != 1 {
		t.Errorf("the generic lister has %v, %v", list, err)
	}
	c.delete("a")
	s.waitFor(t, c.namespace+"/a", "delete")
}
