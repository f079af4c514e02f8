// Command first is a first controller: it says which Deployments are rolling out.
// It runs against the cluster of your kubeconfig.
package main

import (
	"context"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/controller"
	"github.com/larder-dev/larder/pkg/informer"
)

func main() {
	log.SetLogger(zap.New())
	if err := run(ctrl.SetupSignalHandler()); err != nil {
		log.Log.Error(err, "stopped")
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	deployments, err := informer.New(cfg, informer.Options[*appsv1.Deployment]{})
	if err != nil {
		return err
	}
	rollouts, err := controller.New(controller.Options[reconcile.Request]{
		Name:    "rollouts",
		Workers: 4,
		Sources: []controller.Source[reconcile.Request]{
			controller.From(deployments, controller.EnqueueObject[*appsv1.Deployment]),
		},
		Reconciler: reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
			d, ok := deployments.Get(req.Namespace, req.Name) // from memory, without a lock
			if !ok || d.Status.UpdatedReplicas == d.Status.Replicas {
				return reconcile.Result{}, nil
			}
			log.FromContext(ctx).Info("rolling out", "updated", d.Status.UpdatedReplicas, "of", d.Status.Replicas)
			return reconcile.Result{}, nil
		}),
	})
	if err != nil {
		return err
	}
	return controller.Run(ctx, deployments, rollouts)
}
