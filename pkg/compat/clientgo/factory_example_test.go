package clientgo_test

import (
	"context"
	"fmt"
	"log"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

func listPods(ctx context.Context, config *rest.Config) error {
	factory, err := clientgo.NewSharedInformerFactory(config, 0)
	if err != nil {
		return err
	}
	defer factory.Shutdown()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pods := factory.Core().V1().Pods().Lister()
	factory.StartWithContext(ctx)
	if err := factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return err
	}
	list, err := pods.Pods("default").List(labels.SelectorFromSet(labels.Set{"app": "web"}))
	if err != nil {
		return err
	}
	for _, pod := range list {
		fmt.Println(pod.Name)
	}
	return nil
}

// Here was informers.NewSharedInformerFactory, with a clientset; nothing else changes.
func ExampleNewSharedInformerFactory() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := listPods(ctx, &rest.Config{Host: "https://example.com"}); err != nil {
		fmt.Println(err)
	}
}

// A factory for one namespace, whose objects are without what nobody reads.
func ExampleOptions_NewSharedInformerFactory() {
	factory, err := clientgo.Options{
		Namespace:         "shop",
		LabelSelector:     "app in (web, db)",
		DropManagedFields: true,
		Budget:            16 << 20,
	}.NewSharedInformerFactory(&rest.Config{Host: "https://example.com"}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	stats, err := clientgo.Stats(factory.Apps().V1().Deployments().Informer().GetStore())
	fmt.Println(stats.Objects, err)
	// Output: 0 <nil>
}

// Informers of custom resources, of which the program has no Go types.
func ExampleNewDynamicSharedInformerFactory() {
	factory, err := clientgo.NewDynamicSharedInformerFactory(&rest.Config{Host: "https://example.com"}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	jars := factory.ForResource(schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "jars"})
	_, err = jars.Lister().ByNamespace("default").Get("jam")
	fmt.Println(err)
	// Output: jars.example.com "jam" not found
}

// Informers of metadata alone, for owners, labels and finalizers.
func ExampleNewMetadataSharedInformerFactory() {
	factory, err := clientgo.NewMetadataSharedInformerFactory(&rest.Config{Host: "https://example.com"}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	secrets := factory.ForResource(corev1.SchemeGroupVersion.WithResource("secrets"))
	list, err := secrets.Lister().List(labels.Everything())
	fmt.Println(len(list), err)
	// Output: 0 <nil>
}

// An informer over a typed client, which may be a fake one.
func ExampleListWatch() {
	client := fake.NewClientset(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-0"}})
	pods := clientgo.NewSharedIndexInformer(clientgo.ListWatch(client.CoreV1().Pods("default")), &corev1.Pod{}, 0, nil)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		pods.RunWithContext(ctx)
	}()
	fmt.Println(cache.WaitForCacheSync(ctx.Done(), pods.HasSynced), pods.GetStore().ListKeys())
	cancel()
	<-done
	// Output: true [default/web-0]
}

// All three, with client-go's period of resync.
func ExampleOptions_factories() {
	config := &rest.Config{Host: "https://example.com"}
	factory, err := clientgo.NewSharedInformerFactory(config, 10*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	dynamic, err := clientgo.NewDynamicSharedInformerFactory(config, 10*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	metadata, err := clientgo.NewMetadataSharedInformerFactory(config, 10*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	ofShop, err := clientgo.Options{Namespace: "shop", LabelSelector: "app=web", Budget: 128 << 20}.NewSharedInformerFactory(config, 0)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range []interface{ Start(<-chan struct{}) }{factory, dynamic, metadata, ofShop} {
		f.Start(nil)
	}
}
