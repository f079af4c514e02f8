package codec_test

import (
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"

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

// What the store says its decoded values take is what the heap grows by, within a third.
func TestDecodedBytes(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const n = 500
	s, err := gomap.NewPackedStore(gomap.PackedOptions[*corev1.Pod]{Codec: newCodec[*corev1.Pod](t, codec.S2), Budget: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var keys []string
	for _, pod := range newCluster(newSeed(t), 10).pods(n) {
		key := pod.Namespace + "/" + pod.Name
		if _, err := s.Set("pods", key, pod); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	before := heap()
	for _, key := range keys {
		if _, ok, err := s.Get("pods", key); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	grown := heap() - before
	stats, err := s.Stats("pods")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d values take %d bytes by the store, the heap grew by %d", stats.Decoded, stats.DecodedBytes, grown)
	if stats.Decoded != n || stats.DecodedBytes < grown*2/3 || stats.DecodedBytes > grown*4/3 {
		t.Errorf("the store says %+v, the heap grew by %d", stats, grown)
	}
}
