package informer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

// The Pods of a cluster, found by the node that they run on.
func ExampleNew() {
	config, err := rest.InClusterConfig()
	if err != nil {
		fmt.Println(err)
		return
	}
	pods, err := informer.New(config, informer.Options[*corev1.Pod]{
		FieldSelector: "status.phase=Running",
		Indexes: map[string]informer.IndexFunc[*corev1.Pod]{
			"node": func(pod *corev1.Pod) []string { return []string{pod.Spec.NodeName} },
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go pods.Start(ctx)
	if err := pods.WaitSynced(ctx); err != nil {
		fmt.Println(err)
		return
	}
	onNode, err := pods.ByIndex("node", "worker-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	for key, pod := range onNode {
		fmt.Println(key, pod.Status.PodIP)
	}
}

// The metadata alone is enough to know the owners of every Job.
func ExampleNew_metadataOnly() {
	jobs, err := informer.New(&rest.Config{Host: "https://127.0.0.1:6443"}, informer.Options[*metav1.PartialObjectMetadata]{
		GVK: schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(jobs.Name())
	// Output: jobs.batch
}

func ExampleInformer_AddHandler() {
	configMaps, stop := exampleInformer()
	defer stop()
	registration, err := configMaps.AddHandler(informer.HandlerFuncs[*corev1.ConfigMap]{
		AddFunc: func(obj *corev1.ConfigMap, _ bool) { fmt.Println("new:", obj.Name) },
		UpdateFunc: func(oldObj, newObj *corev1.ConfigMap) {
			fmt.Println("changed:", newObj.Name, "from", oldObj.Data["value"], "to", newObj.Data["value"])
		},
		DeleteFunc: func(obj *corev1.ConfigMap) { fmt.Println("gone:", obj.Name) },
	}, informer.HandlerOptions{Resync: 10 * time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-registration.Synced()
	fmt.Println("the initial list is complete")
	registration.Remove()
	// Output:
	// new: settings
	// the initial list is complete
}

func ExampleInformer_Watch() {
	configMaps, stop := exampleInformer()
	defer stop()
	events, cancel, err := configMaps.Watch(store.WithInitialReplay[*corev1.ConfigMap]())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cancel()
	event := <-events
	fmt.Println(event.EventType, event.Name, event.Object.Data["value"])
	// Output: create default/settings 1
}

// Whoever waits learns what is in the way.
func ExampleInformer_WaitSynced() {
	configMaps, stop := exampleInformer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := configMaps.WaitSynced(ctx)
	var syncError *informer.SyncError
	switch {
	case err == nil:
		fmt.Println("synced")
	case apierrors.IsForbidden(err):
		fmt.Println("no permission:", err)
	case errors.As(err, &syncError):
		fmt.Println("cannot sync because of", syncError.Err)
	default:
		fmt.Println("not synced in time:", err)
	}
	// Output: synced
}

// A program that has written reads what it has written.
func ExampleInformer_WaitFor() {
	update := func(ctx context.Context, clients kubernetes.Interface, configMaps *informer.Informer[*corev1.ConfigMap]) error {
		cached, ok := configMaps.Get("default", "settings")
		if !ok {
			return nil
		}
		changed := cached.DeepCopy()
		changed.Data = map[string]string{"value": "2"}
		written, err := clients.CoreV1().ConfigMaps("default").Update(ctx, changed, metav1.UpdateOptions{})
		if err != nil {
			return err
		}
		return configMaps.WaitFor(ctx, written.ResourceVersion)
	}
	_ = update
}

// exampleInformer returns a running, synced informer of one ConfigMap.
func exampleInformer() (configMaps *informer.Informer[*corev1.ConfigMap], stop func()) {
	server := newServer(true)
	server.put("settings", "1")
	configMaps, err := informer.NewFromListerWatcher(server, informer.Options[*corev1.ConfigMap]{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go configMaps.Start(ctx)
	<-configMaps.Synced()
	return configMaps, stop
}
