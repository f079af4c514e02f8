package workqueue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	clientgo "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// A worker gets an item, processes it, and says that it is done. What fails is retried with back-off, what
// succeeds is forgotten.
func Example() {
	q := workqueue.New(workqueue.Options[string]{})
	q.Add("default/web")
	q.Add("default/db")
	q.Add("default/web") // pending already: comes once

	reconcile := func(item string) error {
		fmt.Println("reconcile", item)
		if item == "default/web" && q.NumRequeues(item) == 0 {
			return errors.New("not yet")
		}
		return nil
	}
	for range 3 {
		item, shutdown := q.Get()
		if shutdown {
			return
		}
		if err := reconcile(item); err != nil {
			q.AddRateLimited(item)
		} else {
			q.Forget(item)
		}
		q.Done(item)
	}
	q.ShutDown()
	// Output:
	// reconcile default/web
	// reconcile default/db
	// reconcile default/web
}

// A tenant with many items does not keep another one waiting: they take turns.
func ExampleOptions_fairness() {
	q := workqueue.New(workqueue.Options[string]{
		FairBy: []func(string) string{func(item string) string {
			namespace, _, _ := strings.Cut(item, "/")
			return namespace
		}},
	})
	for i := range 1000 {
		q.Add(fmt.Sprintf("noisy/%d", i))
	}
	q.Add("quiet/0")

	for range 3 {
		item, _ := q.Get()
		fmt.Println(item)
		q.Done(item)
	}
	// Output:
	// noisy/0
	// quiet/0
	// noisy/1
}

// Higher priorities come first; an add can raise an item.
func ExampleQueue_AddWithOpts() {
	q := workqueue.New(workqueue.Options[string]{})
	q.AddWithOpts(workqueue.AddOpts{Priority: new(-100)}, "from the first list", "changed since")
	q.Add("changed since")

	for range 2 {
		item, priority, _ := q.GetWithPriority()
		fmt.Println(item, priority)
		q.Done(item)
	}
	// Output:
	// changed since 0
	// from the first list -100
}

// A producer that can slow down asks with TryAdd.
func ExampleQueue_TryAdd() {
	q := workqueue.New(workqueue.Options[int]{Capacity: 2})
	for i := range 3 {
		if err := q.TryAdd(i); errors.Is(err, workqueue.ErrFull) {
			fmt.Println(err)
		}
	}
	// Output: workqueue: the queue is full: 2 of 2 items pending; add the item again later
}

// A drain processes what is ready, and tells what is left.
func ExampleQueue_Drain() {
	q := workqueue.New(workqueue.Options[string]{})
	q.Add("ready")
	q.AddAfter("delayed", time.Hour)

	go func() {
		for {
			item, err := q.GetContext(context.Background())
			if err != nil {
				return // workqueue.ErrShutDown
			}
			fmt.Println("processed", item)
			q.Done(item)
		}
	}()
	left, err := q.Drain(context.Background())
	for _, p := range left {
		fmt.Println("left", p.Item)
	}
	fmt.Println(err)
	// Output:
	// processed ready
	// left delayed
	// <nil>
}

// A program that is written for client-go's queue keeps its workers: only the constructor changes.
func Example_clientGo() {
	var queue clientgo.TypedRateLimitingInterface[string] = workqueue.New(workqueue.Options[string]{
		Name:        "backups",
		RateLimiter: clientgo.DefaultTypedControllerRateLimiter[string](),
	})
	queue.Add("default/web")
	item, _ := queue.Get()
	queue.Done(item)
	queue.ShutDownWithDrain()
	fmt.Println(item)
	// Output: default/web
}

// A controller of controller-runtime is given the queue by its options. It uses the priorities too.
func Example_controllerRuntime() {
	options := controller.Options{
		NewQueue: func(name string, limiter clientgo.TypedRateLimiter[reconcile.Request]) clientgo.TypedRateLimitingInterface[reconcile.Request] {
			return workqueue.New(workqueue.Options[reconcile.Request]{
				Name:        name,
				RateLimiter: limiter,
				FairBy:      []func(reconcile.Request) string{func(r reconcile.Request) string { return r.Namespace }},
				AgeAfter:    time.Minute,
			})
		},
	}
	queue := options.NewQueue("backups", clientgo.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	fmt.Println(queue.Len())
	// Output: 0
}
