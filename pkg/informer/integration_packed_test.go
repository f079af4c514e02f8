package informer_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/informer/informertest"
	"github.com/larder-dev/larder/pkg/informer/wire"
)

// Objects are packed as the server sends them: nothing is decoded for a list, a watch,
// an index by a path or a key handler; and what is read is what a live GET returns.
func TestServerPacked(t *testing.T) {
	for name, compression := range map[string]codec.Compression{"s2": codec.S2, "zstd": codec.Zstd} {
		for how, streams := range map[string]bool{"list": false, "streamed list": true} {
			t.Run(name+" "+how, func(t *testing.T) {
				clientfeaturestesting.SetFeatureDuringTest(t, clientfeatures.WatchListClient, streams)
				followPacked(t, compression)
			})
		}
	}
}

func followPacked(t *testing.T, compression codec.Compression) {
	c := newCluster(t)
	ctx := within(t, patience)
	for i := range 20 {
		c.create(fmt.Sprintf("cm-%02d", i), map[string]string{"app": fmt.Sprintf("app-%d", i%4)})
	}
	inf, _ := run(t, c.config, informer.Options[*corev1.ConfigMap]{
		Namespace: c.namespace, Budget: informer.AllPacked, Compression: compression,
		Paths: map[string]wire.Field{"app": {"metadata", "labels", "app"}},
	})
	keys := make(chan informer.KeyChange, 100)
	if _, err := inf.AddKeyHandler(func(c informer.KeyChange) { keys <- c }, informer.HandlerOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := inf.WaitSynced(ctx); err != nil {
		t.Fatal(err)
	}
	version := c.update("cm-00", "2", map[string]string{"app": "app-1"})
	if err := inf.WaitFor(ctx, version); err != nil {
		t.Fatal(err)
	}
	for range 21 { // all, and the one that changed again
		<-keys
	}
	if s := inf.Stats(); s.Objects != 20 || s.Packed != 20 || s.PackedBytes == 0 || s.Decodes != 0 {
		t.Errorf("got %+v, want 20 packed objects and nothing decoded", s)
	}
	found, err := inf.ByIndex("app", "app-1")
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(maps.Collect(found)))
	want := []string{"cm-00", "cm-01", "cm-05", "cm-09", "cm-13", "cm-17"}
	for i := range want {
		want[i] = informer.Key(c.namespace, want[i])
	}
	if !slices.Equal(got, want) {
		t.Errorf("the index has %q, want %q", got, want)
	}
	for _, obj := range inf.List() {
		live, err := c.configMaps().Get(ctx, obj.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !equality.Semantic.DeepEqual(obj, live) {
			t.Errorf("read %v, a live GET returned %v", obj, live)
		}
	}
}

// A transform is applied to what is packed. An object that it refuses keeps the
// informer from going on, until it no longer does.
func TestServerPackedTransform(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx := within(t, patience)
	c.create("a", map[string]string{"keep": "no"})
	no := errors.New("not this one")
	inf, _ := run(t, c.config, informer.Options[*corev1.ConfigMap]{
		Namespace: c.namespace,
		Transform: func(obj *corev1.ConfigMap) (*corev1.ConfigMap, error) {
			if obj.Data["value"] == "bad" {
				return nil, no
			}
			obj.ManagedFields, obj.Labels = nil, nil
			return obj, nil
		},
	})
	if err := inf.WaitSynced(ctx); err != nil {
		t.Fatal(err)
	}
	obj, ok := inf.Get(c.namespace, "a")
	if !ok || obj.Labels != nil || obj.ManagedFields != nil || obj.Data["value"] != "1" {
		t.Errorf("got %v", obj)
	}
	version := c.update("a", "bad", nil)
	err := inf.WaitFor(ctx, version)
	var refused *informer.ObjectError
	if !errors.As(err, &refused) || refused.Key != informer.Key(c.namespace, "a") || !errors.Is(err, no) {
		t.Errorf("waiting for a refused object: %v", err)
	}
	c.update("a", "good", nil)
	informertest.WaitKey(ctx, t, inf, c.namespace, "a", "is good", func(obj *corev1.ConfigMap) bool { return obj.Data["value"] == "good" })
}

// Stripped objects lack their managed fields and nothing else, packed or not.
func TestServerStripManagedFields(t *testing.T) {
	t.Parallel()
	for name, budget := range map[string]int64{"packed": informer.AllPacked, "plain": informer.Plain} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			ctx := within(t, patience)
			c.create("a", map[string]string{"app": "web"})
			inf, _ := run(t, c.config, informer.Options[*corev1.ConfigMap]{
				Namespace: c.namespace, Budget: budget, Transform: informer.StripManagedFields[*corev1.ConfigMap],
			})
			if err := inf.WaitSynced(ctx); err != nil {
				t.Fatal(err)
			}
			want, err := c.configMaps().Get(ctx, "a", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(want.ManagedFields) == 0 {
				t.Fatal("there are none to strip")
			}
			want.ManagedFields = nil
			if obj, ok := inf.Get(c.namespace, "a"); !ok || !equality.Semantic.DeepEqual(obj, want) {
				t.Errorf("got %v, want %v", obj, want)
			}
		})
	}
}

// Indexes by a path need objects as the server sends them, and fields that there are.
func TestPaths(t *testing.T) {
	c := newCluster(t)
	paths := map[string]wire.Field{"node": {"spec", "nodeName"}}
	if _, err := informer.New(c.config, informer.Options[*corev1.Pod]{Paths: paths}); err != nil {
		t.Errorf("a good path: %v", err)
	}
	_, err := informer.New(c.config, informer.Options[*corev1.Pod]{Paths: paths, Budget: informer.Plain})
	if !errors.Is(err, informer.ErrInvalidOption) {
		t.Errorf("a path and Plain: %v", err)
	}
	_, err = informer.NewFromListerWatcher(&server{}, informer.Options[*corev1.Pod]{Paths: paths})
	if !errors.Is(err, informer.ErrInvalidOption) {
		t.Errorf("a path of a ListerWatcher: %v", err)
	}
	_, err = informer.New(c.config, informer.Options[*corev1.Pod]{Paths: map[string]wire.Field{"node": {"spec", "none"}}})
	if !errors.Is(err, informer.ErrInvalidOption) || !errors.Is(err, wire.ErrField) {
		t.Errorf("a path to nowhere: %v", err)
	}
	fields := map[string]informer.SingleValueFunc[*corev1.Pod]{"node": func(pod *corev1.Pod) string { return pod.Spec.NodeName }}
	_, err = informer.New(c.config, informer.Options[*corev1.Pod]{Paths: paths, Fields: fields})
	if !errors.Is(err, informer.ErrIndexExists) {
		t.Errorf("a path under a name that is taken: %v", err)
	}
}
