package ctrlruntime_test

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// That the store gets a wider form is no event for the handlers of a narrower one, which
// go on in theirs.
func TestWidening(t *testing.T) {
	b := newBed(t)
	b.create("a", nil, "a", "1")
	c := b.cache(cache.Options{})
	ctx := b.Context()
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	inf, err := c.GetInformer(ctx, m)
	b.must(err)
	events := make(chan string, 100)
	tell := func(what string, obj any) { events <- what + " " + obj.(*metav1.PartialObjectMetadata).Name }
	_, err = inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { tell("add", obj) },
		UpdateFunc: func(_, obj any) { tell("update", obj) },
		DeleteFunc: func(obj any) { tell("delete", obj) },
	})
	b.must(err)
	expect := func(want string) {
		t.Helper()
		if got := <-events; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	expect("add a")
	var cm corev1.ConfigMap
	key := client.ObjectKey{Namespace: b.namespace, Name: "a"}
	b.must(c.Get(ctx, key, &cm))
	if cm.Data["a"] != "1" {
		t.Errorf("typed: %v", cm)
	}
	cm.Data["a"] = "2"
	b.must(b.client.Update(ctx, &cm))
	expect("update a")
	b.must(b.client.Delete(ctx, &cm))
	expect("delete a")
}

// Reads and handlers of every form are fed by one watch. Each has objects of its own
// form, that the transform has seen, and every change once.
func TestOneStore(t *testing.T) {
	b := newBed(t)
	config, wire := b.wired()
	c := b.cacheOf(config, cache.Options{DefaultTransform: func(obj any) (any, error) {
		m, err := meta.Accessor(obj)
		if err != nil {
			return nil, err
		}
		m.SetManagedFields(nil)
		m.SetAnnotations(map[string]string{"seen": "yes"})
		return obj, nil
	}})
	ctx := b.Context()
	b.create("a", nil, "a", "1")
	gvk := corev1.SchemeGroupVersion.WithKind("ConfigMap")
	m, u := &metav1.PartialObjectMetadata{}, &unstructured.Unstructured{}
	m.SetGroupVersionKind(gvk)
	u.SetGroupVersionKind(gvk)
	forms := []client.Object{m, &corev1.ConfigMap{}, u}
	check := func(obj, form any) client.Object {
		o, ok := obj.(client.Object)
		if !ok || reflect.TypeOf(obj) != reflect.TypeOf(form) || o.GetAnnotations()["seen"] != "yes" || o.GetManagedFields() != nil {
			t.Errorf("want a transformed %T, got %v", form, obj)
		}
		return o
	}
	events := make([]chan string, len(forms))
	for i, form := range forms {
		events[i] = make(chan string, 100)
		inf, err := c.GetInformer(ctx, form.DeepCopyObject().(client.Object))
		b.must(err)
		_, err = inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(obj any) { events[i] <- "add " + check(obj, form).GetName() },
			UpdateFunc: func(prev, next any) {
				events[i] <- "update " + check(prev, form).GetName() + check(next, form).GetName()
			},
			DeleteFunc: func(obj any) { events[i] <- "delete " + check(obj, form).GetName() },
		})
		b.must(err)
	}
	expect := func(want string) {
		t.Helper()
		for i := range events {
			if got := <-events[i]; got != want {
				t.Errorf("%T: got %q, want %q", forms[i], got, want)
			}
		}
	}
	expect("add a")
	cm := b.create("b", nil, "b", "1")
	expect("add b")
	cm.Data["b"] = "2"
	b.must(b.client.Update(ctx, cm))
	expect("update bb")
	for _, form := range forms {
		b.must(c.Get(ctx, client.ObjectKeyFromObject(cm), form))
		check(form, form)
	}
	if v, _, _ := unstructured.NestedString(u.Object, "data", "b"); v != "2" || forms[1].(*corev1.ConfigMap).Data["b"] != "2" {
		t.Errorf("got %v and %v", u, forms[1])
	}
	b.must(b.client.Delete(ctx, cm))
	expect("delete b")
	wire.await(func() bool { return wire.watches["/api/v1/namespaces/"+b.namespace+"/configmaps"] == 1 })
}

// An informer that is removed while events of metadata come leaves no goroutine behind:
// goleak looks for it in the end. Whether one is in between is up to chance, each time.
func TestRemovedWhileEventsCome(t *testing.T) {
	b := newBed(t)
	for range 10 {
		first, on := make(chan struct{}), make(chan struct{})
		hold := sync.OnceFunc(func() {
			close(first)
			<-on
		})
		b.namespace = b.newNamespace()
		c := b.cache(cache.Options{DefaultTransform: func(obj any) (any, error) {
			hold()
			return obj, nil
		}})
		m := &metav1.PartialObjectMetadata{}
		m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		_, err := c.GetInformer(b.Context(), m)
		b.must(err)
		for i := range 5 {
			b.create(fmt.Sprint(i), nil)
		}
		<-first
		b.must(c.RemoveInformer(b.Context(), m))
		close(on)
	}
}
