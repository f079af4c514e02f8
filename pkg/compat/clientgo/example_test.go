package clientgo_test

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamiclister"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer"
)

func podInformer(client kubernetes.Interface) cache.SharedIndexInformer {
	lw := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll, fields.Everything())
	return clientgo.NewSharedIndexInformer(lw, &corev1.Pod{}, 0, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
	})
}

// Here was cache.NewSharedIndexInformer; nothing else changes.
func ExampleNewSharedIndexInformer() {
	client := kubernetes.NewForConfigOrDie(&rest.Config{Host: "https://example.com"})
	inf := podInformer(client)
	fmt.Println(inf.HasSyncedChecker().Name(), inf.HasSynced()) // it does not run
	// Output: SharedIndexInformer *v1.Pod false
}

func podsOfFactory(client kubernetes.Interface) informers.SharedInformerFactory {
	factory := informers.NewSharedInformerFactory(client, 0)
	factory.InformerFor(&corev1.Pod{}, func(client kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
		lw := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll, fields.Everything())
		return clientgo.NewSharedIndexInformer(lw, &corev1.Pod{}, resync, cache.Indexers{
			cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
		})
	})
	return factory // its Core().V1().Pods() is larder's from now on
}

// A factory uses the informer that it is given first for a type.
func ExampleNewSharedIndexInformer_factory() {
	client := kubernetes.NewForConfigOrDie(&rest.Config{Host: "https://example.com"})
	pods := podsOfFactory(client).Core().V1().Pods()
	handlers, err := clientgo.Handlers(pods.Informer())
	fmt.Println(len(handlers), err) // an informer of client-go's would be an error
	// Output: 0 <nil>
}

func dynamicInformer(client dynamic.Interface, gvr schema.GroupVersionResource) (cache.SharedIndexInformer, dynamiclister.Lister) {
	inf := clientgo.NewSharedIndexInformer(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			return client.Resource(gvr).List(ctx, opts)
		},
		WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			return client.Resource(gvr).Watch(ctx, opts)
		},
	}, client), &unstructured.Unstructured{}, 0, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
	})
	return inf, dynamiclister.New(inf.GetIndexer(), gvr)
}

// The dynamic client's objects are as good as typed ones.
func ExampleNewSharedIndexInformer_dynamic() {
	client := dynamic.NewForConfigOrDie(&rest.Config{Host: "https://example.com"})
	_, lister := dynamicInformer(client, corev1.SchemeGroupVersion.WithResource("pods"))
	_, err := lister.Namespace("default").Get("web-0")
	fmt.Println(err)
	// Output: pods "web-0" not found
}

func packedPods(client kubernetes.Interface) (informers.SharedInformerFactory, error) {
	lw := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll, fields.Everything())
	pods, err := clientgo.Options{Budget: informer.DefaultBudget}.NewSharedIndexInformer(lw, &corev1.Pod{}, 0, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
		"labels":             clientgo.LabelIndex,
	})
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	factory.InformerFor(&corev1.Pod{}, func(kubernetes.Interface, time.Duration) cache.SharedIndexInformer { return pods })
	return factory, nil
}

func podsOfApp(pods cache.Indexer, namespace, app string) ([]*corev1.Pod, error) {
	found, err := pods.(clientgo.Selector).Select(
		gomap.Is(cache.NamespaceIndex, namespace), gomap.LabelIs("labels", "app", app))
	if err != nil {
		return nil, err
	}
	var list []*corev1.Pod
	for _, obj := range found {
		list = append(list, obj.(*corev1.Pod))
	}
	return list, nil
}

// An informer that holds its Pods packed; what is selected by indexes is all that is
// decoded.
func ExampleOptions() {
	client := kubernetes.NewForConfigOrDie(&rest.Config{Host: "https://example.com"})
	factory, err := packedPods(client)
	if err != nil {
		fmt.Println(err)
		return
	}
	pods := factory.Core().V1().Pods().Informer().GetIndexer()
	for _, app := range []string{"web", "db", "web"} { // in earnest the informer does this
		err := pods.Add(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: fmt.Sprint(app, "-", len(pods.ListKeys())), Labels: map[string]string{"app": app},
		}})
		if err != nil {
			fmt.Println(err)
		}
	}
	found, err := podsOfApp(pods, "default", "db")
	fmt.Println(found[0].Name, err)
	stats, err := clientgo.Stats(pods)
	fmt.Println(stats.Packed, "packed,", stats.Decodes, "decoded,", err)
	// Output:
	// db-1 <nil>
	// 3 packed, 1 decoded, <nil>
}

// A lister for a unit test, without an informer.
func ExampleNewIndexer() {
	indexer := clientgo.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
	})
	if err := indexer.Add(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-0"}}); err != nil {
		fmt.Println(err)
	}
	pods, err := corelisters.NewPodLister(indexer).Pods("default").List(labels.Everything())
	fmt.Println(len(pods), pods[0].Name, err)
	// Output: 1 web-0 <nil>
}

func tooFarBehind(inf cache.SharedInformer) error {
	handlers, err := clientgo.Handlers(inf)
	if err != nil {
		return err
	}
	for _, h := range handlers {
		if h.Lag > 10_000 {
			return fmt.Errorf("handler %s is %d changes behind", h.Name, h.Lag)
		}
	}
	return nil
}

// How far behind the handlers are, for a health check and for Prometheus.
func ExampleHandlers() {
	registry := prometheus.NewRegistry()
	registry.MustRegister(clientgo.Collector{})

	inf := clientgo.NewSharedIndexInformer(&cache.ListWatch{}, &corev1.Pod{}, 0, nil)
	fmt.Println(tooFarBehind(inf))
	// Output: <nil>
}
