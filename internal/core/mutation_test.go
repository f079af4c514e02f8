package core_test

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/internal/core"
)

// With client-go's mutation detector switched on, which is when the process starts, a change to an object that others
// may have too ends the process, however it is held and whoever was given it. A change to one's own does not.
func TestMutationDetector(t *testing.T) {
	relabel := func(t *testing.T, obj any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		switch o := obj.(type) {
		case *corev1.ConfigMap:
			o.Labels["changed"] = "true"
		case *metav1.PartialObjectMetadata:
			o.Labels["changed"] = "true"
		case *unstructured.Unstructured:
			o.SetLabels(map[string]string{"changed": "true"})
		}
	}
	for name, test := range map[string]struct {
		change func(t *testing.T, b *bed, v core.Value)
		own    bool // also where objects are plain
		others bool // it is the caller's own where objects are packed
	}{
		"Open": {change: func(t *testing.T, b *bed, v core.Value) {
			obj, err := b.Objects().Open(v, core.Typed)
			relabel(t, obj, err)
		}},
		"Open as it is": {change: func(t *testing.T, b *bed, v core.Value) {
			obj, err := b.Objects().Open(v, core.AsStored)
			relabel(t, obj, err)
		}},
		"Glance": {change: func(t *testing.T, b *bed, v core.Value) {
			obj, err := b.Objects().Glance(v, core.Typed)
			relabel(t, obj, err)
		}},
		"Opened": {change: func(t *testing.T, b *bed, _ core.Value) {
			for obj := range core.Opened(b.Informer, b.Objects().Sorted(), core.Typed) {
				relabel(t, obj, nil)
			}
		}},
		"a handler": {change: func(t *testing.T, b *bed, _ core.Value) {
			b.add(func(n core.Notice) { obj, err := b.Objects().Open(n.Object, core.Typed); relabel(t, obj, err) }, core.HandlerOptions{})
			synctest.Wait()
		}},
		"metadata": {others: true, change: func(t *testing.T, b *bed, v core.Value) {
			obj, err := b.Objects().Open(v, core.Metadata)
			relabel(t, obj, err)
		}},
		"Copy": {own: true, change: func(t *testing.T, b *bed, v core.Value) {
			obj, err := b.Objects().Copy(v, core.Typed)
			relabel(t, obj, err)
		}},
		"Copy of metadata": {own: true, change: func(t *testing.T, b *bed, v core.Value) {
			obj, err := b.Objects().Copy(v, core.Metadata)
			relabel(t, obj, err)
		}},
	} {
		for how, storage := range storages {
			t.Run(name+" "+how, func(t *testing.T) {
				change := func(t *testing.T) {
					b := newBed(t, core.Typed, storage(), nil)
					b.Put("a", "1", "")
					b.run()
					v, _ := b.Objects().Get("default/a")
					for range 2 { // decoded, and kept
						if _, err := b.Objects().Open(v, core.Typed); err != nil {
							t.Fatal(err)
						}
					}
					test.change(t, b, v)
					time.Sleep(time.Minute)
				}
				detected := !test.own && (how == "plain" || !test.others)
				apitest.Mutation(t, "configmaps", detected, func() { synctest.Test(t, change) })
			})
		}
	}
}
