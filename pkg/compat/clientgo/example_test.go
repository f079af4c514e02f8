package clientgo_test

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
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
	return clientgo.NewSharedIndexInformer(clientgo.ListWatch(client.CoreV1().Pods(metav1.NamespaceAll)), &corev1.Pod{}, 0, cache.Indexers{
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

func packedPods(client kubernetes.Interface) (informers.SharedInformerFactory, error) {
	lw := clientgo.ListWatch(client.CoreV1().Pods(metav1.NamespaceAll))
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
