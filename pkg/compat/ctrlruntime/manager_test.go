package ctrlruntime_test

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

// A manager with our informers in controller-runtime's cache, and one with our cache,
// hand every object to a reconciler by way of our queue.
func TestManager(t *testing.T) {
	for name, opts := range map[string]manager.Options{
		"NewInformer": {Cache: cache.Options{NewInformer: ctrlruntime.NewInformer}},
		"NewCache":    {NewCache: ctrlruntime.NewCache, NewClient: ctrlruntime.NewClient},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			opts.Metrics = server.Options{BindAddress: "0"}
			opts.Cache.DefaultNamespaces = map[string]cache.Config{b.namespace: {}}
			mgr, err := ctrl.NewManager(b.config, opts)
			b.must(err)
			seen := make(chan string, 100)
			isPriority := false
			err = ctrl.NewControllerManagedBy(mgr).Named(name).For(&corev1.ConfigMap{}).WithOptions(controller.Options{
				SkipNameValidation: new(true), // the test may run twice
				NewQueue: func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
					q := ctrlruntime.NewQueue(name, limiter)
					_, isPriority = q.(priorityqueue.PriorityQueue[reconcile.Request])
					return q
				},
			}).Complete(reconcile.Func(func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
				var cm corev1.ConfigMap
				if err := mgr.GetClient().Get(ctx, req.NamespacedName, &cm); err != nil {
					return reconcile.Result{}, err
				}
				seen <- cm.Name
				return reconcile.Result{}, nil
			}))
			b.must(err)
			b.create("0", nil)
			b.run(mgr.Start)
			missing := map[string]bool{"0": true}
			for i := 1; i < 10; i++ {
				missing[fmt.Sprint(i)] = true
				b.create(fmt.Sprint(i), nil)
			}
			for len(missing) > 0 {
				delete(missing, <-seen)
			}
			if !isPriority {
				t.Error("the queue has no priorities")
			}
		})
	}
}
