package main

import (
	"context"
	"maps"
	"runtime"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// updatesPerSecond is how many Pods change while caches are in use.
const updatesPerSecond = 200

// A podController is the least that most controllers do: it is told of all Pods, sees for itself which changes are any
// of its business, and reads the Pod when it reconciles.
type podController struct {
	client     client.Client
	reconciled atomic.Int64
}

// changed tells whether a Pod's annotations or its phase have changed. It reads both states, as predicates do.
func changed(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*corev1.Pod), e.ObjectNew.(*corev1.Pod)
	return before.Status.Phase != after.Status.Phase || !maps.Equal(before.Annotations, after.Annotations)
}

// nodesOf is the index that everybody has who looks at the Pods of a node.
func nodesOf(obj client.Object) []string { return []string{obj.(*corev1.Pod).Spec.NodeName} }

// Reconcile implements [reconcile.Reconciler].
func (c *podController) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	err := c.client.Get(ctx, req.NamespacedName, &corev1.Pod{})
	c.reconciled.Add(1)
	return reconcile.Result{}, err
}

// settle waits until it has reconciled so often, and then until there has been nothing more to do for a while. It
// gives up if nothing comes.
func (c *podController) settle(times int64) {
	const enough, tooLong = time.Second, 30 * time.Second
	seen, since := c.reconciled.Load(), time.Now()
	for {
		time.Sleep(enough / 20)
		if now := c.reconciled.Load(); now != seen {
			seen, since = now, time.Now()
		}
		if idle := time.Since(since); idle >= tooLong || idle >= enough && seen >= times {
			return
		}
	}
}

// control runs a controller with a cache, once over all Pods and then under load.
func control(ctx context.Context, t task, c liveCache, answer func(Footprint) error, loaded func() error) error {
	log.SetLogger(quiet)
	f := Footprint{Objects: t.Count, LiveHeap: float64(liveHeap())}
	mgr, err := manager.New(t.config(), manager.Options{
		Scheme:   scheme.Scheme,
		NewCache: c.runtime.newCache,
		Cache:    ctrlcache.Options{NewInformer: c.runtime.newInformer},
		Metrics:  server.Options{BindAddress: "0"},
	})
	must(err)
	must(mgr.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, "spec.nodeName", nodesOf))
	controller := &podController{client: mgr.GetClient()}
	must(builder.ControllerManagedBy(mgr).
		For(&corev1.Pod{}, builder.WithPredicates(predicate.Funcs{UpdateFunc: changed})).
		Complete(controller))
	go func() { must(mgr.Start(ctx)) }()
	controller.settle(int64(t.Count))
	f.PeakRSS = statusBytes("VmHWM")
	runtime.GC()
	before, cpu := controller.reconciled.Load(), cpuTime()
	if err := answer(f); err != nil {
		return err
	}
	if err := loaded(); err != nil {
		return err
	}
	controller.settle(before + int64(t.Updates))
	f.LoadCPU, f.Reconciled = cpuTime()-cpu, float64(controller.reconciled.Load()-before)
	f.LiveHeap = (float64(liveHeap()) - f.LiveHeap) / float64(t.Count)
	return answer(f)
}
