package ctrlruntime_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

// faked makes a cache of a faked API server and runs it until the end of the test, which is to be in a bubble.
func faked(t *testing.T, s *apitest.Server, own ctrlruntime.Options, opts cache.Options) *ctrlruntime.Cache {
	t.Helper()
	opts.Mapper = s.Mapper()
	made, err := own.NewCache(s.Config(), opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := made.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return made.(*ctrlruntime.Cache)
}

// With client-go's mutation detector switched on, a change to what the cache shares is noticed: to what handlers are
// given and a store has, and to what is read without a copy. A change to a copy is not, whatever was read before.
func TestMutationDetector(t *testing.T) {
	gvk := apitest.GVK
	key := client.ObjectKey{Namespace: "default", Name: "a"}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(t *testing.T, c *ctrlruntime.Cache)
		own    bool
	}{
		"Get": {own: true, change: func(t *testing.T, c *ctrlruntime.Cache) {
			var cm corev1.ConfigMap
			must(t, c.Get(t.Context(), key, &cm))
			cm.Labels["changed"] = "true"
		}},
		"Get of metadata": {own: true, change: func(t *testing.T, c *ctrlruntime.Cache) {
			m := &metav1.PartialObjectMetadata{}
			m.SetGroupVersionKind(gvk)
			must(t, c.Get(t.Context(), key, m))
			m.Labels["changed"] = "true"
		}},
		"List": {own: true, change: func(t *testing.T, c *ctrlruntime.Cache) {
			var list corev1.ConfigMapList
			must(t, c.List(t.Context(), &list))
			list.Items[0].Data["changed"] = "true"
		}},
		"Get without a copy": {change: func(t *testing.T, c *ctrlruntime.Cache) {
			var cm corev1.ConfigMap
			must(t, c.Get(t.Context(), key, &cm, &client.GetOptions{UnsafeDisableDeepCopy: new(true)}))
			cm.Labels["changed"] = "true"
		}},
		"List without copies": {change: func(t *testing.T, c *ctrlruntime.Cache) {
			var list corev1.ConfigMapList
			must(t, c.List(t.Context(), &list, client.UnsafeDisableDeepCopy))
			list.Items[0].Data["changed"] = "true"
		}},
		"a handler": {change: func(t *testing.T, c *ctrlruntime.Cache) {
			inf, err := c.GetInformer(t.Context(), &corev1.ConfigMap{})
			must(t, err)
			_, err = inf.AddEventHandler(onAdd(func(obj any) { obj.(*corev1.ConfigMap).Labels["changed"] = "true" }))
			must(t, err)
			synctest.Wait()
		}},
	} {
		for how, budget := range map[string]int64{"plain": informer.Plain, "packed": 0, "all packed": informer.AllPacked} {
			t.Run(name+" "+how, func(t *testing.T) {
				apitest.Mutation(t, gvk.String(), !test.own, func() {
					synctest.Test(t, func(t *testing.T) {
						s := apitest.NewServer()
						s.Put("a", "1", "")
						c := faked(t, s, ctrlruntime.Options{Budget: budget}, cache.Options{})
						inf, err := c.GetInformer(t.Context(), &corev1.ConfigMap{})
						must(t, err)
						_, err = inf.AddEventHandler(onAdd(func(any) {})) // has it decoded, and kept
						must(t, err)
						synctest.Wait()
						test.change(t, c)
						time.Sleep(time.Minute)
					})
				})
			})
		}
	}
}
