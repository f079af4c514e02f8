package controller_test

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/controller"
	"github.com/larder-dev/larder/pkg/informer"
)

// A controller of Deployments that also looks at their ReplicaSets, run without a
// manager.
func Example() {
	runUntilDone := func(ctx context.Context, cfg *rest.Config) error {
		deployments, err := informer.New(cfg, informer.Options[*appsv1.Deployment]{})
		if err != nil {
			return err
		}
		replicaSets, err := informer.New(cfg, informer.Options[*appsv1.ReplicaSet]{})
		if err != nil {
			return err
		}
		c, err := controller.New(controller.Options[reconcile.Request]{
			Name: "rollouts",
			Reconciler: reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
				d, ok := deployments.Get(req.Namespace, req.Name)
				if !ok {
					return reconcile.Result{}, nil // deleted
				}
				log.FromContext(ctx).Info("Seen", "replicas", d.Status.Replicas)
				return reconcile.Result{}, nil
			}),
			Sources: []controller.Source[reconcile.Request]{
				controller.From(deployments, controller.EnqueueObject,
					predicate.TypedGenerationChangedPredicate[*appsv1.Deployment]{}),
				controller.From(replicaSets,
					controller.EnqueueOwner[*appsv1.ReplicaSet](schema.GroupKind{Group: "apps", Kind: "Deployment"})),
			},
			Workers: 4,
		})
		if err != nil {
			return err
		}
		return controller.Run(ctx, deployments, replicaSets, c)
	}
	_ = runUntilDone
}

// Inside a controller-runtime manager informers and controllers are added like
// anything else. The manager runs informers on every replica, and controllers on the
// leader.
func ExampleController() {
	addTo := func(mgr manager.Manager, r reconcile.Reconciler) error {
		configMaps, err := informer.New(mgr.GetConfig(), informer.Options[*corev1.ConfigMap]{})
		if err != nil {
			return err
		}
		c, err := controller.New(controller.Options[reconcile.Request]{
			Name:       "config",
			Reconciler: r, // as written for controller-runtime
			Sources:    []controller.Source[reconcile.Request]{controller.From(configMaps, controller.EnqueueObject)},
			Logger:     mgr.GetLogger(),
		})
		if err != nil {
			return err
		}
		for _, runnable := range []manager.Runnable{configMaps, c} {
			if err := mgr.Add(runnable); err != nil {
				return err
			}
		}
		return nil
	}
	_ = addTo
}

// Requests can be of any comparable type, here the names of teams, and a mapping can
// return as many as it likes.
func ExampleFrom() {
	type team string
	source := func(namespaces *informer.Informer[*corev1.Namespace]) controller.Source[team] {
		return controller.From(namespaces, func(_ context.Context, ns *corev1.Namespace) []team {
			if name, ok := ns.Labels["team"]; ok {
				return []team{team(name)}
			}
			return nil
		})
	}
	_, err := controller.New(controller.Options[team]{
		Name:       "teams",
		Reconciler: reconcile.TypedFunc[team](func(context.Context, team) (reconcile.Result, error) { return reconcile.Result{}, nil }),
		Sources:    []controller.Source[team]{source(nil)},
	})
	fmt.Println(err)
	// Output: controller "teams": Options.Sources[0]: invalid source: the informer is nil
}
