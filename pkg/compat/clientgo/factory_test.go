package clientgo_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

// nowhere is the configuration of a server that nobody asks.
func nowhere() *rest.Config { return &rest.Config{Host: "https://192.0.2.1"} }

// isOurs tells whether an informer is of this package.
func isOurs(t *testing.T, inf cache.SharedIndexInformer) bool {
	t.Helper()
	_, err := clientgo.Stats(inf.GetIndexer())
	return err == nil
}

// generated returns the results of all methods like Core().V1().Pods() of a factory, by
// "Core/V1/Pods".
func generated(f informers.SharedInformerFactory) map[string]reflect.Value {
	found := map[string]reflect.Value{}
	groups := reflect.ValueOf(&f).Elem()
	for method, group := range groups.Methods() {
		t := group.Type()
		if t.NumIn() != 0 || t.NumOut() != 1 || t.Out(0).Kind() != reflect.Interface {
			continue
		}
		for version, versions := range group.Call(nil)[0].Methods() {
			for resource, resources := range versions.Call(nil)[0].Methods() {
				found[method.Name+"/"+version.Name+"/"+resource.Name] = resources.Call(nil)[0]
			}
		}
	}
	return found
}

// Whatever client-go has a generated informer of, the factory has one of its own of, that is
// the same one each time.
func TestFactoryGenerated(t *testing.T) {
	f := must(clientgo.NewSharedInformerFactory(nowhere(), 0))
	all := generated(f)
	for name, accessor := range all {
		inf := accessor.MethodByName("Informer").Call(nil)[0].Interface().(cache.SharedIndexInformer)
		if !isOurs(t, inf) {
			t.Errorf("%s is client-go's", name)
		}
		if indexers := inf.GetIndexer().GetIndexers(); indexers[cache.NamespaceIndex] == nil || len(indexers) != 1 {
			t.Errorf("%s has the indexes %v", name, indexers)
		}
		again := accessor.MethodByName("Informer").Call(nil)[0].Interface().(cache.SharedIndexInformer)
		if again.GetIndexer() != inf.GetIndexer() {
			t.Errorf("%s is another informer each time", name)
		}
		lister := accessor.MethodByName("Lister").Call(nil)[0]
		listed := lister.MethodByName("List").Call([]reflect.Value{reflect.ValueOf(labels.Everything())})
		if listed[0].Len() != 0 || !listed[1].IsNil() {
			t.Errorf("%s lists %v", name, listed)
		}
	}
	if len(all) < 50 {
		t.Errorf("there are only %d", len(all))
	}
}

// ForResource has all that client-go's has, each of them ours and the one of its typed
// sibling.
func TestFactoryForResource(t *testing.T) {
	theirs := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	var known []schema.GroupVersionResource
	for gvk := range scheme.Scheme.AllKnownTypes() {
		gvr, _ := meta.UnsafeGuessKindToResource(gvk)
		if _, err := theirs.ForResource(gvr); err == nil {
			known = append(known, gvr)
		}
	}
	f := must(clientgo.NewSharedInformerFactory(nowhere(), 0))
	if all := len(generated(f)); len(known) != all {
		t.Errorf("client-go has %d informers, of which %d are looked at", all, len(known))
	}
	for _, gvr := range known {
		inf, err := f.ForResource(gvr)
		if err != nil {
			t.Errorf("%v: %v", gvr, err)
			continue
		}
		if !isOurs(t, inf.Informer()) {
			t.Errorf("%v is client-go's", gvr)
		}
		if list, err := inf.Lister().List(labels.Everything()); len(list) != 0 || err != nil {
			t.Errorf("%v lists %v, %v", gvr, list, err)
		}
	}
	pods := must(f.ForResource(corev1.SchemeGroupVersion.WithResource("pods")))
	if pods.Informer().GetIndexer() != f.Core().V1().Pods().Informer().GetIndexer() {
		t.Error("the informer of Pods is another one")
	}
	for _, gvr := range []schema.GroupVersionResource{
		{Version: "v1", Resource: "bindings"}, {Group: "example.com", Version: "v1", Resource: "jars"}, {},
	} {
		if inf, err := f.ForResource(gvr); err == nil {
			t.Errorf("%v has the informer %v", gvr, inf)
		}
	}
}

// InformerFor has what a function makes of a client that works, with the resync of the
// objects, and ours if that is there already.
func TestFactoryInformerFor(t *testing.T) {
	f := must(clientgo.Options{
		CustomResync: map[metav1.Object]time.Duration{&corev1.Secret{}: time.Hour},
	}.NewSharedInformerFactory(nowhere(), time.Minute))
	var calls []time.Duration
	newFunc := func(client kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
		calls = append(calls, resync)
		return cache.NewSharedIndexInformer(clientgo.ListWatch(client.CoreV1().Secrets("")), &corev1.Secret{}, resync, nil)
	}
	if isOurs(t, f.InformerFor(&corev1.Secret{}, newFunc)) || isOurs(t, f.Core().V1().Secrets().Informer()) {
		t.Error("the factory does not have the informer that it was given")
	}
	if !isOurs(t, f.Core().V1().Pods().Informer()) || !isOurs(t, f.InformerFor(&corev1.Pod{}, newFunc)) {
		t.Error("the factory has an informer that is not its own")
	}
	if want := []time.Duration{time.Hour}; !slices.Equal(calls, want) {
		t.Errorf("the function was called with %v, want %v", calls, want)
	}
}

// Dynamic informers are made of any resource, each once, without a server.
func TestFactoryOfResources(t *testing.T) {
	dynamic := must(clientgo.NewDynamicSharedInformerFactory(nowhere(), 0))
	metadata := must(clientgo.NewMetadataSharedInformerFactory(nowhere(), 0))
	for _, f := range []interface {
		ForResource(gvr schema.GroupVersionResource) informers.GenericInformer
		WaitForCacheSync(stopCh <-chan struct{}) map[schema.GroupVersionResource]bool
		Shutdown()
	}{dynamic, metadata} {
		for _, gvr := range []schema.GroupVersionResource{
			{Version: "v1", Resource: "pods"}, {Group: "example.com", Version: "v1", Resource: "jars"},
		} {
			i := f.ForResource(gvr)
			if !isOurs(t, i.Informer()) || f.ForResource(gvr).Informer() != i.Informer() {
				t.Errorf("%v has the informer %v", gvr, i)
			}
			if list, err := i.Lister().ByNamespace("default").List(labels.Everything()); len(list) != 0 || err != nil {
				t.Errorf("%v lists %v, %v", gvr, list, err)
			}
		}
		if synced := f.WaitForCacheSync(nil); len(synced) != 0 {
			t.Errorf("%v are waited for, that were not started", synced)
		}
		f.Shutdown()
	}
}

// An option that means nothing is an error, and no factory that is nil.
func TestFactoryInvalidOption(t *testing.T) {
	constructors := map[string]func(o clientgo.Options, config *rest.Config) (any, error){
		"typed": func(o clientgo.Options, config *rest.Config) (any, error) {
			return o.NewSharedInformerFactory(config, 0)
		},
		"dynamic": func(o clientgo.Options, config *rest.Config) (any, error) {
			return o.NewDynamicSharedInformerFactory(config, 0)
		},
		"metadata": func(o clientgo.Options, config *rest.Config) (any, error) {
			return o.NewMetadataSharedInformerFactory(config, 0)
		},
	}
	for name, construct := range constructors {
		for option, c := range map[string]struct {
			options clientgo.Options
			config  *rest.Config
		}{
			"no config":           {clientgo.Options{}, nil},
			"TLS files":           {clientgo.Options{}, &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: "/nowhere"}}},
			"host":                {clientgo.Options{}, &rest.Config{Host: "%"}},
			"LabelSelector":       {clientgo.Options{LabelSelector: "a=("}, nowhere()},
			"FieldSelector":       {clientgo.Options{FieldSelector: "a"}, nowhere()},
			"Budget":              {clientgo.Options{Budget: -5}, nowhere()},
			"Compression":         {clientgo.Options{Compression: "zip"}, nowhere()},
			"Compression, plain":  {clientgo.Options{Compression: codec.Zstd, Budget: informer.Plain}, nowhere()},
			"managedFields plain": {clientgo.Options{DropManagedFields: true, Budget: informer.Plain}, nowhere()},
		} {
			if f, err := construct(c.options, c.config); !errors.Is(err, informer.ErrInvalidOption) || f != nil {
				t.Errorf("%s, %s: %v, %v", name, option, f, err)
			}
		}
	}
	o := clientgo.Options{CustomResync: map[metav1.Object]time.Duration{&corev1.Pod{}: 1}}
	if f, err := o.NewDynamicSharedInformerFactory(nowhere(), 0); !errors.Is(err, informer.ErrInvalidOption) {
		t.Errorf("CustomResync: %v, %v", f, err)
	}
}

// What is for factories is for nothing else.
func TestFactoryOptionElsewhere(t *testing.T) {
	for name, o := range map[string]clientgo.Options{
		"Namespace":         {Namespace: "default"},
		"LabelSelector":     {LabelSelector: "a=b"},
		"FieldSelector":     {FieldSelector: "a=b"},
		"TweakListOptions":  {TweakListOptions: func(*metav1.ListOptions) {}},
		"Transform":         {Transform: func(obj any) (any, error) { return obj, nil }},
		"CustomResync":      {CustomResync: map[metav1.Object]time.Duration{}},
		"DropManagedFields": {DropManagedFields: true},
	} {
		_, err := o.NewSharedIndexInformer(&cache.ListWatch{}, &corev1.Pod{}, 0, nil)
		if !errors.Is(err, informer.ErrInvalidOption) {
			t.Errorf("%s of an informer: %v", name, err)
		}
		if _, err := o.NewIndexer(cache.MetaNamespaceKeyFunc, nil); !errors.Is(err, informer.ErrInvalidOption) {
			t.Errorf("%s of an indexer: %v", name, err)
		}
	}
}
