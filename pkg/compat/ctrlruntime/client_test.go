package ctrlruntime_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

// Whatever a client does to an object, in any of several namespaces, its next read
// shows: also that it has left the selector, and that it is deleted.
func TestReadsOwnWrites(t *testing.T) {
	b := newBed(t)
	other := b.newNamespace()
	on := labels.SelectorFromSet(labels.Set{"on": "yes"})
	c := b.cache(cache.Options{
		DefaultNamespaces:    map[string]cache.Config{b.namespace: {}, other: {}},
		DefaultLabelSelector: on,
	})
	cl, err := ctrlruntime.NewClient(b.config, client.Options{Cache: &client.CacheOptions{Reader: c}})
	b.must(err)
	ctx := b.Context()
	var list corev1.ConfigMapList
	b.must(cl.List(ctx, &list))
	for i := range 30 {
		namespace := []string{b.namespace, other}[i%2]
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("cm-", i), Labels: map[string]string{"on": "yes"}}}
		key := client.ObjectKeyFromObject(cm)
		b.must(cl.Create(ctx, cm))
		var got corev1.ConfigMap
		b.must(cl.Get(ctx, key, &got))
		cm.Data = map[string]string{"n": fmt.Sprint(i)}
		b.must(cl.Update(ctx, cm))
		b.must(cl.List(ctx, &list, client.InNamespace(namespace)))
		if len(list.Items) != 1 || list.Items[0].Data["n"] != fmt.Sprint(i) {
			t.Fatalf("after an update: %v", list.Items)
		}
		if i%3 == 0 {
			original := cm.DeepCopy()
			cm.Labels = map[string]string{"on": "no"}
			b.must(cl.Patch(ctx, cm, client.MergeFrom(original)))
			if err := cl.Get(ctx, key, &got); !apierrors.IsNotFound(err) {
				t.Fatalf("after it has left the selector: %v", err)
			}
		}
		b.must(cl.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: cm.Name}}))
		b.must(cl.List(ctx, &list))
		if len(list.Items) != 0 {
			t.Fatalf("after a deletion: %v", list.Items)
		}
		// What the cache never has is no reason to wait.
		cm = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprint("outside-", i)}}
		b.must(cl.Create(ctx, cm))
		b.must(cl.List(ctx, &list))
	}
}

// A read whose write does not come is given up in time.
func TestStale(t *testing.T) {
	b := newBed(t)
	c := b.cache(cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.ConfigMap{}: {Transform: func(obj any) (any, error) {
			if cm := obj.(*corev1.ConfigMap); cm.Name == "bad" {
				return nil, errors.New("refused")
			}
			return obj, nil
		}},
	}})
	cl, err := ctrlruntime.ClientOptions{Timeout: 100 * time.Millisecond}.NewClient(b.config, client.Options{Cache: &client.CacheOptions{Reader: c}})
	b.must(err)
	var list corev1.ConfigMapList
	b.must(cl.List(b.Context(), &list))
	bad := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "bad"}}
	b.must(cl.Create(b.Context(), bad))
	err = cl.Get(b.Context(), client.ObjectKeyFromObject(bad), bad)
	if stale, ok := errors.AsType[*ctrlruntime.StaleError](err); !ok || stale.Key.Name != "bad" {
		t.Errorf("got %v", err)
	}
	if ctrlruntime.Readyz(c)(nil) == nil {
		t.Error("a cache that refuses an object is ready")
	}
	if _, err := ctrlruntime.NewClient(b.config, client.Options{Cache: &client.CacheOptions{Reader: cl}}); !errors.Is(err, ctrlruntime.ErrForeign) {
		t.Errorf("a foreign cache: %v", err)
	}
}
