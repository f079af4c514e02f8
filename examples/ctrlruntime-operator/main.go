// Command ctrlruntime-operator is an operator as kubebuilder generates it: a CRD, a
// reconciler with Owns and Watches, a field index, predicates and a finalizer. One line
// decides whether its cache is larder's or controller-runtime's, and its tests run with
// both.
//
//	kubectl apply -f examples/ctrlruntime-operator/crd.yaml
//	go run ./examples/ctrlruntime-operator
package main

import (
	"context"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/larder-dev/larder/examples/ctrlruntime-operator/api"
	"github.com/larder-dev/larder/examples/ctrlruntime-operator/controller"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

func main() {
	ctrl.SetLogger(zap.New())
	config, err := ctrl.GetConfig()
	if err == nil {
		err = run(ctrl.SetupSignalHandler(), config, ctrlruntime.NewCache) // the one line
	}
	if err != nil {
		log.Log.Error(err, "stopped")
		os.Exit(1)
	}
}

// run runs the operator with a cache until ctx is done.
func run(ctx context.Context, config *rest.Config, newCache cache.NewCacheFunc) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, api.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:   scheme,
		NewCache: newCache,
		Metrics:  server.Options{BindAddress: "0"},
	})
	if err != nil {
		return err
	}
	if err := (&controller.Reconciler{Client: mgr.GetClient()}).SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
