package main

import (
	"context"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// runtimeStore is what a controller of controller-runtime reads from.
type runtimeStore struct {
	cache.Cache
	names []types.NamespacedName
	end   func()
}

// newRuntime copies what is read, which is the default.
func newRuntime(v *Versions[*corev1.Pod]) Store[*corev1.Pod] { return openRuntime(v, false) }

// newRuntimeShared does not copy.
func newRuntimeShared(v *Versions[*corev1.Pod]) Store[*corev1.Pod] { return openRuntime(v, true) }

func openRuntime(v *Versions[*corev1.Pod], shared bool) Store[*corev1.Pod] {
	log.SetLogger(quiet)
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	c, err := cache.New(&rest.Config{Host: "https://localhost"}, cache.Options{
		HTTPClient:                   http.DefaultClient, // never asked
		Mapper:                       mapper,
		Scheme:                       scheme.Scheme,
		DefaultUnsafeDisableDeepCopy: &shared,
		NewInformer: func(_ toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
			return toolscache.NewSharedIndexInformer(newSource(v.First), example, resync, indexers)
		},
	})
	must(err)
	s := &runtimeStore{Cache: c}
	for _, p := range v.Lookups() {
		s.names = append(s.names, client.ObjectKeyFromObject(p))
	}
	ctx := context.Background()
	must(c.IndexField(ctx, &corev1.Pod{}, byNode, func(obj client.Object) []string {
		return []string{podShape.Indexes[byNode](obj.(*corev1.Pod))}
	}))
	s.end = start(func(ctx context.Context) { must(c.Start(ctx)) })
	c.WaitForCacheSync(ctx)
	return s
}

func (s *runtimeStore) Get(i int) *corev1.Pod {
	p := &corev1.Pod{}
	must(s.Cache.Get(context.Background(), s.names[i], p))
	return p
}

// Set does nothing: a cache is written by its API server alone.
func (s *runtimeStore) Set(*corev1.Pod) {}

func (s *runtimeStore) Find(index, value string) *corev1.Pod {
	if index == byNamespace {
		return s.list(client.InNamespace(value))
	}
	return s.list(client.MatchingFields{index: value})
}

func (s *runtimeStore) All() *corev1.Pod { return s.list() }

func (s *runtimeStore) list(opts ...client.ListOption) (last *corev1.Pod) {
	var list corev1.PodList
	must(s.List(context.Background(), &list, opts...))
	for i := range list.Items {
		last = &list.Items[i]
	}
	return last
}

func (s *runtimeStore) Close() { s.end() }
