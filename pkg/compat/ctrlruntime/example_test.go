package ctrlruntime_test

import (
	"log"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

var config *rest.Config

// Larder's cache in a manager of controller-runtime.
func ExampleNewCache() {
	mgr, err := manager.New(config, manager.Options{NewCache: ctrlruntime.NewCache})
	if err != nil {
		log.Fatal(err)
	}
	err = mgr.AddReadyzCheck("cache", ctrlruntime.Readyz(mgr.GetCache()))
	if err != nil {
		log.Fatal(err)
	}
}

// Larder's informers in controller-runtime's cache.
func ExampleNewInformer() {
	mgr, err := manager.New(config, manager.Options{Cache: cache.Options{NewInformer: ctrlruntime.NewInformer}})
	if err != nil {
		log.Fatal(err)
	}
	_ = mgr
}

// Larder's queue in a controller of controller-runtime.
func ExampleNewQueue() {
	options := controller.Options{NewQueue: ctrlruntime.NewQueue[reconcile.Request]}
	_ = options
}

// A client that reads what it has just written.
func ExampleNewClient() {
	mgr, err := manager.New(config, manager.Options{NewCache: ctrlruntime.NewCache, NewClient: ctrlruntime.NewClient})
	if err != nil {
		log.Fatal(err)
	}
	_ = mgr
}

// A cache without a manager.
func ExampleNewCache_withoutManager() {
	c, err := ctrlruntime.NewCache(config, cache.Options{DefaultNamespaces: map[string]cache.Config{"shop": {}}})
	if err != nil {
		log.Fatal(err)
	}
	_ = c
}

// How much of a cache may be kept decoded.
func ExampleOptions_NewCache() {
	newCache := ctrlruntime.Options{Budget: 256 << 20, Compression: codec.Zstd}.NewCache
	mgr, err := manager.New(config, manager.Options{NewCache: newCache})
	if err != nil {
		log.Fatal(err)
	}
	_ = mgr
}

// A reader of what an informer has.
func ExampleNewReader() {
	deployments, err := informer.New(config, informer.Options[*appsv1.Deployment]{})
	if err != nil {
		log.Fatal(err)
	}
	reader := ctrlruntime.NewReader(deployments)
	_ = reader
}
