package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer"
)

// A liveCache is a cache of what an API server has, which is what a controller's memory goes into.
type liveCache struct {
	name    string
	widgets bool // of custom resources, else of Pods
	// open begins to fill the cache and returns how to wait until it is full, and how to read from it.
	open func(ctx context.Context, config *rest.Config) (wait func(context.Context) error, get func(namespace, name string) error)
}

// The names of the caches that others are compared to.
const (
	clientgoCache     = "client-go informer"
	clientgoWidgets   = "client-go dynamic informer"
	controllerRuntime = "controller-runtime cache"
)

// liveCaches are the contenders. Each runs in a process of its own.
var liveCaches = []liveCache{
	{name: clientgoCache, open: openClientgo},
	{name: controllerRuntime, open: openControllerRuntime},
	{name: "larder, plain", open: openLarder(informer.Plain, codec.S2)},
	{name: "larder, 32 MiB", open: openLarder(informer.DefaultBudget, codec.S2)},
	{name: "larder, all packed", open: openLarder(informer.AllPacked, codec.S2)},
	{name: "larder, all packed, zstd", open: openLarder(informer.AllPacked, codec.Zstd)},
	{name: clientgoWidgets, widgets: true, open: openClientgoWidgets},
	{name: "larder, all packed, unstructured", widgets: true, open: openLarderWidgets},
}

func openClientgo(ctx context.Context, config *rest.Config) (func(context.Context) error, func(string, string) error) {
	config = rest.CopyConfig(config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	clients, err := kubernetes.NewForConfig(config)
	must(err)
	pods := informers.NewSharedInformerFactory(clients, 0).Core().V1().Pods()
	inf := pods.Informer()
	go inf.RunWithContext(ctx)
	get := func(namespace, name string) error {
		_, err := pods.Lister().Pods(namespace).Get(name)
		return err
	}
	return synced(inf.HasSynced), get
}

func openClientgoWidgets(ctx context.Context, config *rest.Config) (func(context.Context) error, func(string, string) error) {
	clients, err := dynamic.NewForConfig(config)
	must(err)
	inf := dynamicinformer.NewDynamicSharedInformerFactory(clients, 0).ForResource(widgetResource)
	go inf.Informer().RunWithContext(ctx)
	get := func(namespace, name string) error {
		_, err := inf.Lister().ByNamespace(namespace).Get(name)
		return err
	}
	return synced(inf.Informer().HasSynced), get
}

func synced(hasSynced cache.InformerSynced) func(context.Context) error {
	return func(ctx context.Context) error {
		if !cache.WaitForCacheSync(ctx.Done(), hasSynced) {
			return ctx.Err()
		}
		return nil
	}
}

func openControllerRuntime(ctx context.Context, config *rest.Config) (func(context.Context) error, func(string, string) error) {
	log.SetLogger(quiet)
	config = rest.CopyConfig(config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	httpClient, err := rest.HTTPClientFor(config)
	must(err)
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	must(err)
	c, err := ctrlcache.New(config, ctrlcache.Options{Scheme: scheme.Scheme, Mapper: mapper, HTTPClient: httpClient})
	must(err)
	go func() { must(c.Start(ctx)) }()
	wait := func(ctx context.Context) error {
		if _, err := c.GetInformer(ctx, &corev1.Pod{}); err != nil {
			return err
		}
		if !c.WaitForCacheSync(ctx) {
			return context.Cause(ctx)
		}
		return nil
	}
	get := func(namespace, name string) error {
		return c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &corev1.Pod{})
	}
	return wait, get
}

func openLarder(budget int64, compression codec.Compression) func(context.Context, *rest.Config) (func(context.Context) error, func(string, string) error) {
	return func(ctx context.Context, config *rest.Config) (func(context.Context) error, func(string, string) error) {
		inf, err := informer.New(config, informer.Options[*corev1.Pod]{Budget: budget, Compression: compression, Logger: quiet})
		return follow(ctx, inf, err)
	}
}

func openLarderWidgets(ctx context.Context, config *rest.Config) (func(context.Context) error, func(string, string) error) {
	inf, err := informer.New(config, informer.Options[*unstructured.Unstructured]{GVK: widgetKind, Budget: informer.AllPacked, Logger: quiet})
	return follow(ctx, inf, err)
}

func follow[T informer.Object](ctx context.Context, inf *informer.Informer[T], err error) (func(context.Context) error, func(string, string) error) {
	must(err)
	go func() { must(inf.Start(ctx)) }()
	return inf.WaitSynced, func(namespace, name string) error {
		if _, ok := inf.Get(namespace, name); !ok {
			return fmt.Errorf("%s/%s is not in the cache", namespace, name)
		}
		return nil
	}
}

// reads measures Gets of one object again and again, and of any object, in nanoseconds each.
func reads(keys []client.ObjectKey, get func(namespace, name string) error) (hot, cold float64) {
	hotTurn := timed(200*time.Millisecond, func(n int) {
		for i := range n {
			k := keys[i%min(10, len(keys))]
			must(get(k.Namespace, k.Name))
		}
	})
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	next := 0
	coldTurn := timed(200*time.Millisecond, func(n int) {
		for range n {
			k := keys[next%len(keys)]
			next++
			must(get(k.Namespace, k.Name))
		}
	})
	hotTurn()
	coldTurn()
	return hotTurn().Value, coldTurn().Value
}

// names returns the keys of what is to be in the cache, without their objects.
func names(ctx context.Context, config *rest.Config, widgets bool) []client.ObjectKey {
	c := metadataClient(config)
	resource := podResource
	if widgets {
		resource = widgetResource
	}
	var keys []client.ObjectKey
	for opts := (metav1.ListOptions{Limit: 5000}); ; {
		page, err := c.Resource(resource).List(ctx, opts)
		must(err)
		for i := range page.Items {
			keys = append(keys, client.ObjectKeyFromObject(&page.Items[i]))
		}
		if opts.Continue = page.Continue; opts.Continue == "" {
			return keys
		}
	}
}
