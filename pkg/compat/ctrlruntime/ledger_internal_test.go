package ctrlruntime

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/controlplane"
)

// Writes of objects that nobody reads are forgotten once the cache has them.
func TestSweep(t *testing.T) {
	config := controlplane.Shared(t).Config()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := NewCache(config, cache.Options{})
	must(err)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- c.Start(ctx) }()
	defer func() {
		cancel()
		must(<-stopped)
	}()
	c.WaitForCacheSync(ctx)
	cl, err := NewClient(config, client.Options{Cache: &client.CacheOptions{Reader: c}})
	must(err)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "sweep-"}}
	must(cl.Create(ctx, ns))
	must(cl.List(ctx, &corev1.ConfigMapList{}))
	k, _ := c.(*Cache).find(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	all := k.namespaces[cache.AllNamespaces]
	create := func(i int) *corev1.ConfigMap {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: fmt.Sprint("cm-", i)}}
		must(cl.Create(ctx, cm))
		return cm
	}
	for i := range sweepAfter - 1 {
		create(i)
	}
	last := create(-1) // which sweeps, whatever the cache has by now
	must(cl.Get(ctx, client.ObjectKeyFromObject(last), last))
	for i := range sweepAfter {
		if last := create(sweepAfter + i); i == sweepAfter-2 {
			must(cl.Get(ctx, client.ObjectKeyFromObject(last), last)) // the cache has all but the last
		}
	}
	if n := len(all.known(client.ObjectKey{})); n > 1 {
		t.Errorf("%d writes are remembered after a sweep, want the latest at most", n)
	}
}
