package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

// A liveCache is a cache of what an API server has, which is what a controller's memory goes into.
type liveCache struct {
	name string
	// stock is the cache that a program has which does not use larder, and larder's is compared to. It is empty for
	// such a cache itself.
	stock string
	// open begins to fill the cache and returns how to wait until it is full, and how to read each of the kinds.
	open openFunc
	// runtime says how a manager of controller-runtime comes to have the cache; nil if it does not.
	runtime *runtimeOptions
}

type openFunc = func(ctx context.Context, config *rest.Config, kinds []cachedKind) (wait waitFunc, readers []kindReader)

type waitFunc = func(context.Context) error

// kindReader reads the objects of a kind from a cache, in the way that users do.
type kindReader struct {
	get func(namespace, name string) error
	// getShared does not copy, which has to be asked for. It is nil if get does not either.
	getShared func(namespace, name string) error
	// list reads everything and returns how many objects that are.
	list func() (int, error)
}

// The names of the caches that others are compared to.
const (
	clientgoCache     = "client-go informer"
	clientgoDynamic   = "client-go dynamic informer"
	clientgoMetadata  = "client-go metadata informer"
	controllerRuntime = "controller-runtime cache"
)

// The names of larder's caches.
const (
	runtimeCache    = "ctrlruntime.NewCache"
	runtimeInformer = "ctrlruntime.NewInformer"
	runtimePlain    = "ctrlruntime.NewCache, plain"
	typedFactory    = "clientgo.NewSharedInformerFactory"
	dynamicFactory  = "clientgo.NewDynamicSharedInformerFactory"
	metadataFactory = "clientgo.NewMetadataSharedInformerFactory"
	ownInformer     = "informer.New"
	ownPlain        = "informer.New, plain"
	allPacked       = "informer.New, all packed"
	allZstd         = "informer.New, all packed, zstd"
	ownUnstructured = "informer.New, all packed, unstructured"
)

// The contenders. Each runs in a process of its own.
var (
	// doors are all ways into larder, each behind what it stands in for.
	doors = []liveCache{
		ofRuntime(controllerRuntime, runtimeOptions{newCache: ctrlcache.New}),
		ofRuntime(runtimeCache, runtimeOptions{newCache: ctrlruntime.NewCache}),
		ofRuntime(runtimeInformer, runtimeOptions{newCache: ctrlcache.New, newInformer: ctrlruntime.NewInformer}),
		ofRuntime(runtimePlain, runtimeOptions{newCache: ctrlruntime.Options{Budget: informer.Plain}.NewCache}),
		{name: clientgoCache, open: openFactory(newClientgoFactory)},
		{name: typedFactory, stock: clientgoCache, open: openFactory(newTypedFactory)},
		{name: ownInformer, stock: clientgoCache, open: openLarder(followOptions{})},
		{name: clientgoDynamic, open: openFactory(newClientgoDynamic)},
		{name: dynamicFactory, stock: clientgoDynamic, open: openFactory(newDynamicFactory)},
		{name: clientgoMetadata, open: openFactory(newClientgoMetadata)},
		{name: metadataFactory, stock: clientgoMetadata, open: openFactory(newMetadataFactory)},
	}
	// budgets are what informer.New can be told, beside what it is compared to.
	budgets = []liveCache{
		door(clientgoCache),
		door(controllerRuntime),
		{name: ownPlain, stock: clientgoCache, open: openLarder(followOptions{budget: informer.Plain})},
		door(ownInformer),
		{name: allPacked, stock: clientgoCache, open: openLarder(followOptions{budget: informer.AllPacked})},
		{name: allZstd, stock: clientgoCache, open: openLarder(followOptions{budget: informer.AllPacked, compression: codec.Zstd})},
	}
	// ofWidgets are those that can hold custom resources.
	ofWidgets = []liveCache{
		door(clientgoDynamic),
		door(dynamicFactory),
		{name: ownUnstructured, stock: clientgoDynamic, open: openLarder(followOptions{budget: informer.AllPacked})},
	}
)

// door returns one of the doors.
func door(name string) liveCache { return named(doors, name)[0] }

// named returns those of the caches that have one of the names.
func named(caches []liveCache, names ...string) []liveCache {
	return slices.DeleteFunc(slices.Clone(caches), func(c liveCache) bool { return !slices.Contains(names, c.name) })
}

// together returns all caches of several lists, each once.
func together(lists ...[]liveCache) (all []liveCache) {
	for _, c := range slices.Concat(lists...) {
		if len(named(all, c.name)) == 0 {
			all = append(all, c)
		}
	}
	return all
}

// runtimeOptions say which cache a program of controller-runtime has.
type runtimeOptions struct {
	newCache    ctrlcache.NewCacheFunc
	newInformer func(cache.ListerWatcher, runtime.Object, time.Duration, cache.Indexers) cache.SharedIndexInformer
}

func ofRuntime(name string, o runtimeOptions) liveCache {
	c := liveCache{name: name, stock: controllerRuntime, open: o.open, runtime: &o}
	if name == controllerRuntime {
		c.stock = ""
	}
	return c
}

func (o runtimeOptions) open(ctx context.Context, config *rest.Config, kinds []cachedKind) (waitFunc, []kindReader) {
	log.SetLogger(quiet)
	c, err := o.newCache(config, ctrlcache.Options{Scheme: scheme.Scheme, NewInformer: o.newInformer})
	must(err)
	go func() { must(c.Start(ctx)) }()
	wait := func(ctx context.Context) error {
		for _, k := range kinds { // all at once, as the sources of a manager's controllers do
			if _, err := c.GetInformer(ctx, k.object(), ctrlcache.BlockUntilSynced(false)); err != nil {
				return err
			}
		}
		if !c.WaitForCacheSync(ctx) {
			return context.Cause(ctx)
		}
		return nil
	}
	shared := &client.GetOptions{UnsafeDisableDeepCopy: new(true)}
	var readers []kindReader
	for _, k := range kinds {
		readers = append(readers, kindReader{
			get: func(namespace, name string) error {
				return c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, k.object())
			},
			getShared: func(namespace, name string) error {
				return c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, k.object(), shared)
			},
			list: func() (int, error) {
				list := k.list()
				err := c.List(ctx, list)
				return meta.LenList(list), err
			},
		})
	}
	return wait, readers
}

// factory is one of client-go's factories of informers, or one that stands in for it.
type factory struct {
	start       func(stop <-chan struct{})
	forResource func(schema.GroupVersionResource) informers.GenericInformer
}

func openFactory(open func(*rest.Config) factory) openFunc {
	return func(ctx context.Context, config *rest.Config, kinds []cachedKind) (waitFunc, []kindReader) {
		f := open(config)
		var hasSynced []cache.InformerSynced
		var readers []kindReader
		for _, k := range kinds {
			inf := f.forResource(k.resource)
			lister := inf.Lister()
			hasSynced = append(hasSynced, inf.Informer().HasSynced)
			readers = append(readers, kindReader{
				get: func(namespace, name string) error {
					if namespace == "" {
						_, err := lister.Get(name)
						return err
					}
					_, err := lister.ByNamespace(namespace).Get(name)
					return err
				},
				list: func() (int, error) {
					all, err := lister.List(labels.Everything())
					return len(all), err
				},
			})
		}
		f.start(ctx.Done())
		wait := func(ctx context.Context) error {
			if !cache.WaitForCacheSync(ctx.Done(), hasSynced...) {
				return ctx.Err()
			}
			return nil
		}
		return wait, readers
	}
}

// newClientgoFactory reads protobuf, which is what those ask for who look at what it costs.
func newClientgoFactory(config *rest.Config) factory {
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = runtime.ContentTypeProtobuf
	clients, err := kubernetes.NewForConfig(protobuf)
	must(err)
	return withCustom(informers.NewSharedInformerFactory(clients, 0), newClientgoDynamic(config))
}

func newTypedFactory(config *rest.Config) factory {
	typed, err := clientgo.NewSharedInformerFactory(config, 0)
	must(err)
	return withCustom(typed, newDynamicFactory(config))
}

// withCustom returns a factory of types together with one for the resources that have none.
func withCustom(typed informers.SharedInformerFactory, custom factory) factory {
	return factory{
		start: func(stop <-chan struct{}) {
			typed.Start(stop)
			custom.start(stop)
		},
		forResource: func(resource schema.GroupVersionResource) informers.GenericInformer {
			if !scheme.Scheme.IsVersionRegistered(resource.GroupVersion()) {
				return custom.forResource(resource)
			}
			inf, err := typed.ForResource(resource)
			must(err)
			return inf
		},
	}
}

func newClientgoDynamic(config *rest.Config) factory {
	clients, err := dynamic.NewForConfig(config)
	must(err)
	f := dynamicinformer.NewDynamicSharedInformerFactory(clients, 0)
	return factory{f.Start, f.ForResource}
}

func newDynamicFactory(config *rest.Config) factory {
	f, err := clientgo.NewDynamicSharedInformerFactory(config, 0)
	must(err)
	return factory{f.Start, f.ForResource}
}

func newClientgoMetadata(config *rest.Config) factory {
	f := metadatainformer.NewSharedInformerFactory(metadataClient(config), 0)
	return factory{f.Start, f.ForResource}
}

func newMetadataFactory(config *rest.Config) factory {
	f, err := clientgo.NewMetadataSharedInformerFactory(config, 0)
	must(err)
	return factory{f.Start, f.ForResource}
}

// followOptions are how an informer holds its objects.
type followOptions struct {
	budget      int64
	compression codec.Compression
}

type followFunc = func(context.Context, *rest.Config, followOptions) (waitFunc, kindReader)

// openLarder has an informer for each kind.
func openLarder(opts followOptions) openFunc {
	return func(ctx context.Context, config *rest.Config, kinds []cachedKind) (waitFunc, []kindReader) {
		var waits []waitFunc
		var readers []kindReader
		for _, k := range kinds {
			wait, reader := k.follow(ctx, config, opts)
			waits, readers = append(waits, wait), append(readers, reader)
		}
		wait := func(ctx context.Context) error {
			for _, wait := range waits {
				if err := wait(ctx); err != nil {
					return err
				}
			}
			return nil
		}
		return wait, readers
	}
}

// follow starts an informer.
func follow[T informer.Object](gvk schema.GroupVersionKind) followFunc {
	return func(ctx context.Context, config *rest.Config, opts followOptions) (waitFunc, kindReader) {
		inf, err := informer.New(config, informer.Options[T]{GVK: gvk, Budget: opts.budget, Compression: opts.compression, Logger: quiet})
		must(err)
		go func() { must(inf.Start(ctx)) }()
		return inf.WaitSynced, kindReader{
			get: func(namespace, name string) error {
				if _, ok := inf.Get(namespace, name); !ok {
					return fmt.Errorf("%s/%s is not in the cache", namespace, name)
				}
				return nil
			},
			list: func() (int, error) { return len(inf.List()), nil },
		}
	}
}

// read measures Gets of the same objects again and again, Gets of any object, and reads of everything.
func (f *Footprint) read(objects []place, readers []kindReader, fill time.Duration) {
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
	// gets measures Gets of the first so many objects.
	gets := func(count int, get func(place) error) float64 {
		next := 0
		return typical(timed(fill, func(n int) {
			for range n {
				must(get(objects[next%count]))
				next++
			}
		}))
	}
	hot := min(10, len(objects))
	get := func(p place) error { return readers[p.kind].get(p.namespace, p.name) }
	f.HotGet = gets(hot, get)
	if readers[0].getShared != nil {
		f.SharedGet = gets(hot, func(p place) error { return readers[p.kind].getShared(p.namespace, p.name) })
	}
	f.ColdGet = gets(len(objects), get)
	f.List = typical(timed(fill, func(n int) {
		for range n {
			count := 0
			for _, r := range readers {
				found, err := r.list()
				must(err)
				count += found
			}
			if count != len(objects) {
				panic(fmt.Sprintf("%d objects are in the cache, not %d", count, len(objects)))
			}
		}
	}))
}

// typical returns the median of three turns, after one that warms up.
func typical(turn Turn) float64 {
	turn()
	return spread([]float64{turn().Value, turn().Value, turn().Value}).Median
}
