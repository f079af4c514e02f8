package ctrlruntime

import (
	clientgo "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// NewQueue makes a controller's queue larder's. It is a full
// [priorityqueue.PriorityQueue], so that handlers keep their priorities, and it has
// controller-runtime's metrics.
//
//	controller.Options{NewQueue: ctrlruntime.NewQueue[reconcile.Request]}
//
// For fairness among tenants or a limit of retries, call [workqueue.New] with its
// options in a function of your own.
func NewQueue[R comparable](controllerName string, rateLimiter clientgo.TypedRateLimiter[R]) clientgo.TypedRateLimitingInterface[R] {
	return workqueue.New(workqueue.Options[R]{Name: controllerName, RateLimiter: rateLimiter})
}

var _ priorityqueue.PriorityQueue[string] = (*workqueue.Queue[string])(nil)
