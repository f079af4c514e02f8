package ctrlruntime_test

import (
	"log"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
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
