// Package greeting is a controller as one writes it with nothing but client-go:
// typed clients and listers, shared informers, a workqueue, a loop.
package greeting

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Controller keeps the ConfigMaps of Greetings.
type Controller struct {
	kube       kubernetes.Interface
	client     *Client
	factory    informers.SharedInformerFactory
	greetings  Lister
	configMaps corelisters.ConfigMapLister
	queue      workqueue.TypedRateLimitingInterface[cache.ObjectName]
	synced     []cache.DoneChecker
}

// NewController returns a controller that reads from informers.
func NewController(kube kubernetes.Interface, client *Client, informers Informers) (*Controller, error) {
	c := &Controller{
		kube:       kube,
		client:     client,
		factory:    informers.Factory,
		greetings:  NewLister(informers.Greetings.GetIndexer()),
		configMaps: informers.Factory.Core().V1().ConfigMaps().Lister(),
		queue:      workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]()),
	}
	ofGreetings, err := informers.Greetings.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueue,
		UpdateFunc: func(_, obj any) { c.enqueue(obj) },
	})
	if err != nil {
		return nil, err
	}
	ofConfigMaps, err := informers.ConfigMaps.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: c.enqueueOwner,
		UpdateFunc: func(prev, obj any) {
			if prev.(*corev1.ConfigMap).ResourceVersion != obj.(*corev1.ConfigMap).ResourceVersion {
				c.enqueueOwner(obj)
			}
		},
		DeleteFunc: c.enqueueOwner,
	})
	if err != nil {
		return nil, err
	}
	c.synced = []cache.DoneChecker{ofGreetings.HasSyncedChecker(), ofConfigMaps.HasSyncedChecker()}
	return c, nil
}

func (c *Controller) enqueue(obj any) {
	name, err := cache.ObjectToName(obj)
	if err != nil {
		utilruntime.HandleError(err)
		return
	}
	c.queue.Add(name)
}

// enqueueOwner enqueues the Greeting of a ConfigMap, also of a deleted one that is
// known by its tombstone only.
func (c *Controller) enqueueOwner(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	m, ok := obj.(metav1.Object)
	if !ok {
		utilruntime.HandleError(fmt.Errorf("a %T among the ConfigMaps", obj))
		return
	}
	if owner := metav1.GetControllerOf(m); owner != nil && owner.Kind == "Greeting" {
		c.queue.Add(cache.NewObjectName(m.GetNamespace(), owner.Name))
	}
}

// Run runs the informers and some workers until ctx is done. It returns an error
// when the informers cannot sync before that.
func (c *Controller) Run(ctx context.Context, workers int) error {
	ctx, cancel := context.WithCancel(ctx)
	c.factory.StartWithContext(ctx)
	defer c.factory.Shutdown()
	defer cancel()

	var running sync.WaitGroup
	defer running.Wait()
	defer c.queue.ShutDown()
	if !cache.WaitFor(ctx, "", c.synced...) {
		return fmt.Errorf("informers did not sync: %w", context.Cause(ctx))
	}
	for range workers {
		running.Go(func() {
			for c.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	return nil
}

// next deals with one Greeting, and tells whether to go on.
func (c *Controller) next(ctx context.Context) bool {
	name, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(name)
	if err := c.sync(ctx, name); err != nil {
		if ctx.Err() == nil {
			utilruntime.HandleErrorWithContext(ctx, err, "Will try again", "greeting", name.String())
		}
		c.queue.AddRateLimited(name)
		return true
	}
	c.queue.Forget(name)
	return true
}

// sync makes the ConfigMap of a Greeting what it should be, and says so in its
// status.
func (c *Controller) sync(ctx context.Context, name cache.ObjectName) error {
	greeting, err := c.greetings.Greetings(name.Namespace).Get(name.Name)
	if apierrors.IsNotFound(err) {
		return nil // its ConfigMap goes with it, by the garbage collector
	} else if err != nil {
		return err
	}
	problem := ""
	current, err := c.configMaps.ConfigMaps(name.Namespace).Get(name.Name)
	switch wanted := configMapOf(greeting); {
	case apierrors.IsNotFound(err):
		_, err = c.kube.CoreV1().ConfigMaps(name.Namespace).Create(ctx, wanted, metav1.CreateOptions{})
	case err != nil:
	case !metav1.IsControlledBy(current, greeting):
		problem = fmt.Sprintf("ConfigMap %s is somebody else's: rename the Greeting, or delete the ConfigMap", name)
	case current.Data["greeting"] != wanted.Data["greeting"]:
		next := current.DeepCopy() // what comes from a lister is shared
		next.Data = wanted.Data
		_, err = c.kube.CoreV1().ConfigMaps(name.Namespace).Update(ctx, next, metav1.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	status := Status{ObservedGeneration: greeting.Generation, Problem: problem}
	if greeting.Status == status {
		return nil
	}
	next := greeting.DeepCopy()
	next.Status = status
	_, err = c.client.Greetings(name.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{})
	return err
}

// configMapOf returns the ConfigMap that a Greeting asks for.
func configMapOf(g *Greeting) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       g.Namespace,
			Name:            g.Name,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(g, GroupVersion.WithKind("Greeting"))},
		},
		Data: map[string]string{"greeting": "Hello, " + g.Spec.Name + "!"},
	}
}
