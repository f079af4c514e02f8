package codec_test

import (
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
	"github.com/larder-dev/larder/pkg/store/storetest"
)

// A store that packs its values is a store.
func TestStoreConformance(t *testing.T) {
	storetest.Run(t, func(opts store.StoreOptions[storetest.Value]) store.Store[storetest.Value] {
		s, err := gomap.NewPackedStore(gomap.PackedOptions[storetest.Value]{StoreOptions: opts, Codec: newCodec[storetest.Value](t, codec.S2)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// What the store says its decoded values take is what the heap grows by, within a factor
// of 1.3, for objects of all kinds and sizes.
func TestDecodedBytes(t *testing.T) {
	seed := newSeed(t)
	r := rand.New(rand.NewPCG(seed, 0))
	pods := newCluster(seed, 10).pods(500)
	t.Run("Pods", func(t *testing.T) { wantDecodedBytes(t, pods) })
	t.Run("unstructured", func(t *testing.T) {
		var trees []*unstructured.Unstructured
		for _, pod := range pods {
			tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
			if err != nil {
				t.Fatal(err)
			}
			trees = append(trees, &unstructured.Unstructured{Object: tree})
		}
		wantDecodedBytes(t, trees)
	})
	t.Run("ConfigMaps", func(t *testing.T) {
		var maps []*corev1.ConfigMap
		for range 500 {
			m := &corev1.ConfigMap{Data: map[string]string{}}
			for i := range r.IntN(40) {
				m.Data[fmt.Sprint("key-", i)] = strings.Repeat("x", r.IntN(300))
			}
			maps = append(maps, m)
		}
		wantDecodedBytes(t, maps)
	})
	t.Run("Secrets", func(t *testing.T) {
		var secrets []*corev1.Secret
		for range 500 {
			secrets = append(secrets, &corev1.Secret{Data: map[string][]byte{"token": make([]byte, r.IntN(4000)), "ca.crt": make([]byte, 1500)}})
		}
		wantDecodedBytes(t, secrets)
	})
}

func wantDecodedBytes[T any](t *testing.T, objects []T) {
	t.Helper()
	heap := func() int64 {
		var m goruntime.MemStats
		goruntime.GC()
		goruntime.GC()
		goruntime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	s, err := gomap.NewPackedStore(gomap.PackedOptions[T]{Codec: newCodec[T](t, codec.S2), Budget: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, obj := range objects {
		if _, err := s.Set("objects", fmt.Sprint(i), obj); err != nil {
			t.Fatal(err)
		}
	}
	before := heap()
	for i := range objects {
		if _, ok, err := s.Get("objects", fmt.Sprint(i)); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	grown := heap() - before
	stats, err := s.Stats("objects")
	if err != nil {
		t.Fatal(err)
	}
	ratio := float64(stats.DecodedBytes) / float64(grown)
	t.Logf("%d values take %d bytes by the store, the heap grew by %d: %.2f", stats.Decoded, stats.DecodedBytes, grown, ratio)
	if stats.Decoded != len(objects) || ratio > 1.3 || ratio < 1/1.3 {
		t.Errorf("the store says %+v, the heap grew by %d", stats, grown)
	}
}
