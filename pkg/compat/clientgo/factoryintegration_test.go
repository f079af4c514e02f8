package clientgo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

var configMapsGVR = corev1.SchemeGroupVersion.WithResource("configmaps")

// asked is what a server was asked.
type asked struct {
	mu       sync.Mutex
	requests []request
}

type request struct {
	path, accept string
	query        url.Values
}

// observed returns the configuration of the cluster, and what it is asked by it.
func (c *cluster) observed() (*rest.Config, *asked) {
	a := &asked{}
	config := rest.CopyConfig(c.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return observer{next, a} })
	return config, a
}

type observer struct {
	next http.RoundTripper
	*asked
}

// RoundTrip implements [http.RoundTripper].
func (o observer) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	o.requests = append(o.requests, request{r.URL.Path, r.Header.Get("Accept"), r.URL.Query()})
	o.mu.Unlock()
	return o.next.RoundTrip(r)
}

// of returns the requests for a resource.
func (a *asked) of(resource string) []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []request
	for _, r := range a.requests {
		if strings.HasSuffix(r.path, "/"+resource) {
			found = append(found, r)
		}
	}
	return found
}

// starter is what the factories have in common.
type starter[K comparable] interface {
	Start(stopCh <-chan struct{})
	WaitForCacheSync(stopCh <-chan struct{}) map[K]bool
	Shutdown()
}

// start starts what a factory has, until the end of the test, and waits until it is synced.
// stop returns when all has ended.
func start[K comparable](t *testing.T, f starter[K]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stop = func() {
		cancel()
		f.Shutdown()
	}
	t.Cleanup(stop)
	f.Start(ctx.Done())
	waitSynced(t, f)
	return stop
}

// restart starts what a factory has, and returns what it has started so far.
func restart[K comparable](t *testing.T, f starter[K]) map[K]bool {
	t.Helper()
	f.Start(t.Context().Done())
	closed := make(chan struct{})
	close(closed)
	return f.WaitForCacheSync(closed)
}

func waitSynced[K comparable](t *testing.T, f starter[K]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for key, synced := range f.WaitForCacheSync(ctx.Done()) {
		if !synced {
			t.Fatalf("%v is not synced", key)
		}
	}
}

// heard adds a handler to an informer.
func heard(t *testing.T, inf cache.SharedIndexInformer) *story {
	t.Helper()
	s := newStory()
	if _, err := inf.AddEventHandler(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// wantPacked checks that so many objects are in a store, and that they are packed.
func wantPacked(t *testing.T, store cache.Store, objects int) {
	t.Helper()
	if stats, err := clientgo.Stats(store); err != nil || stats.Objects != objects || stats.Packed != objects {
		t.Errorf("the store is %+v, %v, want %d objects packed", stats, err, objects)
	}
}

func (c *cluster) labelled(name, app string) {
	c.t.Helper()
	_, err := c.configMaps().Create(c.t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": app}},
	}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) pod(name string) {
	c.t.Helper()
	_, err := c.clients.CoreV1().Pods(c.namespace).Create(c.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
}

// The generated informers and listers of a factory have what the server has, in the namespace
// of the factory, packed from protobuf. What is not in namespaces they have whole.
func TestFactory(t *testing.T) {
	c := newCluster(t)
	c.labelled("a", "web")
	c.labelled("b", "db")
	c.pod("web-0")
	config, asked := c.observed()
	f := must(clientgo.Options{Namespace: c.namespace}.NewSharedInformerFactory(config, 0))
	configMaps := f.Core().V1().ConfigMaps()
	pods := must(f.ForResource(podsGVR))
	namespaces := f.Core().V1().Namespaces().Lister()
	s, podStory := heard(t, configMaps.Informer()), heard(t, pods.Informer())
	start(t, f)
	f.Start(t.Context().Done()) // starts nothing twice
	s.waitFor(t, c.namespace+"/a", "add a")
	podStory.waitFor(t, c.namespace+"/web-0", "add web-0")

	lister := configMaps.Lister().ConfigMaps(c.namespace)
	if obj, err := lister.Get("a"); err != nil || obj.Labels["app"] != "web" || obj.Kind != "" {
		t.Errorf("the lister has %v, %v", obj, err)
	}
	list, err := lister.List(labels.SelectorFromSet(labels.Set{"app": "db"}))
	if err != nil || len(list) != 1 || list[0].Name != "b" {
		t.Errorf("the lister selects %v, %v", list, err)
	}
	if obj, err := pods.Lister().ByNamespace(c.namespace).Get("web-0"); err != nil || obj.(*corev1.Pod).Spec.Containers[0].Name != "main" {
		t.Errorf("the generic lister has %v, %v", obj, err)
	}
	if _, err := namespaces.Get(c.namespace); err != nil {
		t.Error(err)
	}
	if _, err := f.Core().V1().Pods().Lister().Pods("kube-system").Get("web-0"); err == nil {
		t.Error("a Pod is in another namespace")
	}
	c.update("a", "1")
	s.waitFor(t, c.namespace+"/a", "update")
	c.delete("b")
	s.waitFor(t, c.namespace+"/b", "delete")
	wantPacked(t, configMaps.Informer().GetStore(), 1)
	wantPacked(t, pods.Informer().GetStore(), 1)

	for _, resource := range []string{"configmaps", "pods"} {
		requests := asked.of(resource)
		if len(requests) == 0 {
			t.Errorf("nobody asked for %s", resource)
		}
		for _, r := range requests {
			if !strings.HasPrefix(r.accept, "application/vnd.kubernetes.protobuf,") || !strings.Contains(r.path, "/namespaces/"+c.namespace+"/") {
				t.Errorf("%s was asked for as %s", r.path, r.accept)
			}
		}
	}

	// An informer that comes later is started by another call.
	secrets := f.Core().V1().Secrets().Informer()
	f.StartWithContext(t.Context())
	waitSynced(t, f)
	if !secrets.HasSynced() {
		t.Error("the Secrets are not synced")
	}
}

// After Shutdown nothing runs any more, and nothing can be started.
func TestFactoryShutdown(t *testing.T) {
	c := newCluster(t)
	typed := must(clientgo.NewSharedInformerFactory(c.config, 0))
	dynamic := must(clientgo.NewDynamicSharedInformerFactory(c.config, 0))
	metadata := must(clientgo.NewMetadataSharedInformerFactory(c.config, 0))
	heard(t, typed.Core().V1().ConfigMaps().Informer())
	heard(t, dynamic.ForResource(configMapsGVR).Informer())
	heard(t, metadata.ForResource(configMapsGVR).Informer())
	stops := []func(){start(t, typed), start(t, dynamic), start(t, metadata)}
	for _, stop := range stops {
		stop()
	}
	typed.Core().V1().Pods().Informer()
	dynamic.ForResource(podsGVR)
	metadata.ForResource(podsGVR)
	for n, started := range []int{len(restart(t, typed)), len(restart(t, dynamic)), len(restart(t, metadata))} {
		if started != 1 {
			t.Errorf("factory %d has started %d informers", n, started)
		}
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "larder/internal/core.") || strings.Contains(stack, "client-go/tools/cache.") {
			t.Errorf("still running:\n%s", stack)
		}
	}
}

// The selectors and the tweaks reach every request, and each object the transform.
func TestFactoryOptions(t *testing.T) {
	c := newCluster(t)
	c.labelled("a", "web")
	c.labelled("b", "web")
	c.labelled("c", "db")
	config, asked := c.observed()
	o := clientgo.Options{
		Budget:            informer.AllPacked,
		Namespace:         c.namespace,
		LabelSelector:     "app=web",
		FieldSelector:     "metadata.name!=b",
		TweakListOptions:  func(opts *metav1.ListOptions) { opts.FieldSelector += ",metadata.name!=z" },
		DropManagedFields: true,
		Transform: func(obj any) (any, error) {
			m, err := meta.Accessor(obj)
			if err != nil {
				return nil, err
			}
			if len(m.GetManagedFields()) > 0 {
				return nil, errors.New("it has managedFields")
			}
			m.SetAnnotations(map[string]string{"transformed": "true"})
			return obj, nil
		},
	}
	typed := must(o.NewSharedInformerFactory(config, 0))
	dynamic := must(o.NewDynamicSharedInformerFactory(config, 0))
	metadata := must(o.NewMetadataSharedInformerFactory(config, 0))
	all := []cache.SharedIndexInformer{
		typed.Core().V1().ConfigMaps().Informer(),
		dynamic.ForResource(configMapsGVR).Informer(),
		metadata.ForResource(configMapsGVR).Informer(),
	}
	start(t, typed)
	start(t, dynamic)
	start(t, metadata)
	for _, inf := range all {
		wantPacked(t, inf.GetStore(), 1)
		for _, obj := range inf.GetStore().List() {
			m, err := meta.Accessor(obj)
			if err != nil || m.GetName() != "a" || m.GetAnnotations()["transformed"] != "true" {
				t.Errorf("the store has %v, %v", obj, err)
			}
		}
	}
	for _, r := range asked.of("configmaps") {
		if r.query.Get("labelSelector") != "app=web" || r.query.Get("fieldSelector") != "metadata.name!=b,metadata.name!=z" {
			t.Errorf("the server was asked with %v", r.query)
		}
		if !strings.Contains(r.accept, ";drop=metadata.managedFields") {
			t.Errorf("the server was asked for %s", r.accept)
		}
	}
}

// One budget is shared by all informers of a factory: what the one decodes leaves no room for
// what the other does.
func TestFactoryBudget(t *testing.T) {
	c := newCluster(t)
	for i := range 20 {
		c.create(fmt.Sprint("object-", i))
		c.pod(fmt.Sprint("pod-", i))
	}
	const budget = 20_000
	f := must(clientgo.Options{Namespace: c.namespace, Budget: budget}.NewSharedInformerFactory(c.config, 0))
	stores := []cache.Store{f.Core().V1().ConfigMaps().Informer().GetStore(), f.Core().V1().Pods().Informer().GetStore()}
	start(t, f)
	var decoded int64
	for _, store := range stores {
		for range 3 {
			for _, key := range store.ListKeys() {
				if _, ok, err := store.GetByKey(key); !ok || err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, store := range stores {
		stats := must(clientgo.Stats(store))
		decoded += stats.DecodedBytes
	}
	if decoded == 0 || decoded > budget {
		t.Errorf("%d bytes are decoded of a budget of %d", decoded, budget)
	}
}

// With the budget Plain nothing is packed, and all else is the same.
func TestFactoryPlain(t *testing.T) {
	c := newCluster(t)
	c.create("a")
	o := clientgo.Options{Namespace: c.namespace, Budget: informer.Plain}
	typed := must(o.NewSharedInformerFactory(c.config, 0))
	dynamic := must(o.NewDynamicSharedInformerFactory(c.config, 0))
	metadata := must(o.NewMetadataSharedInformerFactory(c.config, 0))
	all := []cache.GenericLister{
		must(typed.ForResource(configMapsGVR)).Lister(), dynamic.ForResource(configMapsGVR).Lister(), metadata.ForResource(configMapsGVR).Lister(),
	}
	start(t, typed)
	start(t, dynamic)
	start(t, metadata)
	for _, lister := range all {
		if obj, err := lister.ByNamespace(c.namespace).Get("a"); err != nil {
			t.Errorf("the lister has %v, %v", obj, err)
		}
	}
	obj := must(metadata.ForResource(configMapsGVR).Lister().ByNamespace(c.namespace).Get("a"))
	if kind := obj.GetObjectKind().GroupVersionKind().Kind; kind != "ConfigMap" {
		t.Errorf("the metadata is of a %q", kind)
	}
	if stats := must(clientgo.Stats(dynamic.ForResource(configMapsGVR).Informer().GetStore())); stats.Packed != 0 || stats.Objects != 1 {
		t.Errorf("the store is %+v", stats)
	}
}

// jars returns the definition of a custom resource. Each call is for one installation.
func jars(kind string) envtest.CRDInstallOptions {
	return envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{{
		ObjectMeta: metav1.ObjectMeta{Name: "jars.test.larder.dev"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "test.larder.dev",
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "jars", Kind: kind},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"}},
			}},
		},
	}}}
}

var jarsGVR = schema.GroupVersionResource{Group: "test.larder.dev", Version: "v1", Resource: "jars"}

func (c *cluster) jar(name, kind string) {
	c.t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(jarsGVR.GroupVersion().WithKind(kind))
	u.SetName(name)
	_, err := must(dynamic.NewForConfig(c.config)).Resource(jarsGVR).Namespace(c.namespace).Create(c.t.Context(), u, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
}

// A dynamic informer has built-in resources and custom ones, which it waits for, and takes as
// they come back: also under another kind.
func TestDynamicFactory(t *testing.T) {
	c := newCluster(t)
	c.create("a")
	config, asked := c.observed()
	dynamic := must(clientgo.Options{Namespace: c.namespace}.NewDynamicSharedInformerFactory(config, 0))
	metadata := must(clientgo.Options{Namespace: c.namespace}.NewMetadataSharedInformerFactory(config, 0))
	configMaps, known := dynamic.ForResource(configMapsGVR), dynamic.ForResource(jarsGVR)
	partial := metadata.ForResource(jarsGVR)
	failed := make(chan error, 100)
	for _, inf := range []cache.SharedIndexInformer{known.Informer(), partial.Informer()} {
		err := inf.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { failed <- err })
		if err != nil {
			t.Fatal(err)
		}
	}
	s, jarStory, partialStory := heard(t, configMaps.Informer()), heard(t, known.Informer()), heard(t, partial.Informer())
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() {
		cancel()
		dynamic.Shutdown()
		metadata.Shutdown()
	})
	dynamic.Start(ctx.Done())
	metadata.Start(ctx.Done())
	s.waitFor(t, c.namespace+"/a", "add a")
	for range 2 {
		if err := <-failed; !meta.IsNoMatchError(err) {
			t.Errorf("without a definition: %v", err)
		}
	}
	for _, kind := range []string{"Jar", "Pot"} {
		if _, err := envtest.InstallCRDs(c.config, jars(kind)); err != nil {
			t.Fatal(err)
		}
		c.jar("x", kind)
		jarStory.waitFor(t, c.namespace+"/x", "add x")
		partialStory.waitFor(t, c.namespace+"/x", "add x")
		obj, err := known.Lister().ByNamespace(c.namespace).Get("x")
		if err != nil || obj.GetObjectKind().GroupVersionKind() != jarsGVR.GroupVersion().WithKind(kind) {
			t.Errorf("the lister has %v, %v", obj, err)
		}
		wantPacked(t, known.Informer().GetStore(), 1)
		wantPacked(t, partial.Informer().GetStore(), 1)
		if err := envtest.UninstallCRDs(c.config, jars(kind)); err != nil {
			t.Fatal(err)
		}
		jarStory.waitFor(t, c.namespace+"/x", "delete")
		partialStory.waitFor(t, c.namespace+"/x", "delete")
	}

	obj := must(configMaps.Lister().ByNamespace(c.namespace).Get("a")).(*unstructured.Unstructured)
	if obj.GetKind() != "ConfigMap" || obj.GetAPIVersion() != "v1" {
		t.Errorf("the lister has %v", obj)
	}
	c.update("a", "1")
	s.waitFor(t, c.namespace+"/a", "update")
	wantPacked(t, configMaps.Informer().GetStore(), 1)
	for _, r := range asked.of("configmaps") {
		if r.accept != "application/json" {
			t.Errorf("ConfigMaps were asked for as %s", r.accept)
		}
	}
}

// An informer of metadata asks for nothing else, and says what it is the metadata of.
func TestMetadataFactory(t *testing.T) {
	c := newCluster(t)
	c.labelled("a", "web")
	c.update("a", "1")
	config, asked := c.observed()
	f := must(clientgo.NewMetadataSharedInformerFactory(config, 0))
	configMaps := f.ForResource(configMapsGVR)
	s := heard(t, configMaps.Informer())
	start(t, f)
	s.waitFor(t, c.namespace+"/a", "add a")
	c.labelled("b", "web")
	s.waitFor(t, c.namespace+"/b", "add b")
	list, err := configMaps.Lister().ByNamespace(c.namespace).List(labels.SelectorFromSet(labels.Set{"app": "web"}))
	if err != nil || len(list) != 1 {
		t.Errorf("the lister selects %v, %v", list, err)
	}
	for _, obj := range list {
		partial, ok := obj.(*metav1.PartialObjectMetadata)
		if !ok || partial.GroupVersionKind() != corev1.SchemeGroupVersion.WithKind("ConfigMap") {
			t.Errorf("the lister has %v", obj)
		}
	}
	stats := must(clientgo.Stats(configMaps.Informer().GetStore()))
	if stats.Packed == 0 || stats.Packed != stats.Objects {
		t.Errorf("the store is %+v", stats)
	}
	requests := asked.of("configmaps")
	if !slices.ContainsFunc(requests, func(r request) bool { return strings.Contains(r.accept, ";as=PartialObjectMetadata") }) {
		t.Errorf("the server was asked %v", requests)
	}
	for _, r := range requests {
		if !strings.HasPrefix(r.accept, "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata") {
			t.Errorf("the server was asked for %s", r.accept)
		}
	}
}

// Handlers of a factory resync in its period, except those of types with another.
func TestFactoryResync(t *testing.T) {
	c := newCluster(t)
	c.create("a")
	c.pod("web-0")
	f := must(clientgo.Options{
		Namespace:    c.namespace,
		CustomResync: map[metav1.Object]time.Duration{&corev1.ConfigMap{}: time.Second},
	}.NewSharedInformerFactory(c.config, time.Hour))
	s, podStory := heard(t, f.Core().V1().ConfigMaps().Informer()), heard(t, f.Core().V1().Pods().Informer())
	start(t, f)
	s.waitFor(t, c.namespace+"/a", "update") // nobody has updated it
	podStory.mu.Lock()
	defer podStory.mu.Unlock()
	if calls := podStory.calls[c.namespace+"/web-0"]; len(calls) > 1 {
		t.Errorf("the handler of Pods was told %q", calls)
	}
}

// The limits of the configuration are those of all informers together.
func TestFactoryRateLimit(t *testing.T) {
	c := newCluster(t)
	config := rest.CopyConfig(c.config)
	config.QPS, config.Burst = 4, 1
	f := must(clientgo.NewSharedInformerFactory(config, 0))
	for _, inf := range []cache.SharedIndexInformer{
		f.Core().V1().ConfigMaps().Informer(), f.Core().V1().Pods().Informer(), f.Core().V1().Secrets().Informer(),
	} {
		heard(t, inf)
	}
	began := time.Now()
	start(t, f)
	// Each looks up its resource; client-go does not limit watches, which stream the lists.
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("three requests took %v", took)
	}
}
