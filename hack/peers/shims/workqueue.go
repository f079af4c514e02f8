//go:build peers

package larder_test

import (
	clientgo "k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// Type is what tests call a queue that New returns.
type Type = workqueue.Queue[any]

func New() *Type { return workqueue.New(workqueue.Options[any]{}) }

func NewDelayingQueueWithConfig(config clientgo.DelayingQueueConfig) clientgo.DelayingInterface {
	return workqueue.New(workqueue.Options[any]{
		Name:            config.Name,
		MetricsProvider: config.MetricsProvider,
		Clock:           config.Clock.(clock.WithDelayedExecution),
	})
}

// waitForWaitingQueueToFill has nothing to wait for: a delayed item is in larder's queue when AddAfter returns.
func waitForWaitingQueueToFill(clientgo.DelayingInterface) error { return nil }
