package informer_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

// An informer that packs does what one does that doesn't, whatever its budget.
func TestPacked(t *testing.T) {
	defer func() { budget = informer.Plain }()
	for name, bytes := range map[string]int64{"default": informer.DefaultBudget, "nothing": informer.AllPacked, "little": 2000} {
		budget = bytes
		t.Run(name, func(t *testing.T) {
			for name, test := range map[string]func(*testing.T){
				"Handlers": TestHandlers, "Recreated": TestRecreated, "SlowHandler": TestSlowHandler, "Resync": TestResync,
				"CopyFollowsServer": TestCopyFollowsServer, "ListIsSorted": TestListIsSorted, "AfterStop": TestAfterStop,
				"Indexes": TestIndexes, "Transform": TestTransform, "RefusedObject": TestRefusedObject,
				"WatchEndsWithInformer": TestWatchEndsWithInformer, "WaitForThenRead": TestWaitForThenRead, "Model": TestModel,
			} {
				t.Run(name, test)
			}
		})
	}
}

// packedConfigMaps is an informer that packs, with n objects.
func packedConfigMaps(t *testing.T, server *server, n int, bytes int64) *configMaps {
	t.Helper()
	for i := range n {
		server.put(fmt.Sprintf("cm-%03d", i), strings.Repeat("value ", 100)+fmt.Sprint(i))
	}
	inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) { o.Budget = bytes })
	start(t, inf)
	synctest.Wait()
	return inf
}

// Key handlers are told of each change and of resyncs, and cost no decoding.
func TestKeyHandler(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		inf := packedConfigMaps(t, server, 2, informer.AllPacked)
		var mu sync.Mutex
		var got []string
		before := inf.Stats().Decodes
		_, err := inf.AddKeyHandler(func(c informer.KeyChange) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%s %s %t", c.Type, c.Key, c.Unchanged))
		}, informer.HandlerOptions{Resync: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			counts := map[string]int{}
			for _, line := range got {
				counts[line]++
			}
			wanted := map[string]int{}
			for _, line := range want {
				wanted[line]++
			}
			if !maps.Equal(counts, wanted) {
				t.Errorf("got %q, want %q", got, want)
			}
			got = nil
		}
		expect("create default/cm-000 true", "create default/cm-001 true")
		server.put("cm-002", "new")
		server.put("cm-000", "changed")
		server.remove("cm-001")
		expect("create default/cm-002 false", "update default/cm-000 false", "delete default/cm-001 false")
		time.Sleep(time.Minute)
		expect("update default/cm-000 true", "update default/cm-002 true")
		if n := inf.Stats().Decodes - before; n != 0 {
			t.Errorf("%d objects were decoded for the keys", n)
		}
		if _, err := inf.AddKeyHandler(nil, informer.HandlerOptions{}); !errors.Is(err, store.ErrFuncRequired) {
			t.Errorf("a nil handler: %v", err)
		}
	})
}

// Stats tell what is held, packed and decoded, and the budget bounds the latter.
func TestStats(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		inf := packedConfigMaps(t, server, 200, 20_000)
		for range 3 {
			for _, obj := range inf.List() {
				if _, ok := inf.Get(obj.Namespace, obj.Name); !ok {
					t.Fatalf("%s is missing", obj.Name)
				}
			}
		}
		s := inf.Stats()
		if s.Objects != 200 || s.Packed != 200 || s.PackedBytes < 200*50 || s.DictionaryBytes <= 0 || s.Decodes == 0 {
			t.Errorf("got %+v", s)
		}
		if s.Decoded == 0 || s.DecodedBytes == 0 || s.DecodedBytes > 20_000 {
			t.Errorf("the budget is not kept: %+v", s)
		}
	})
	inBubble(t, func(t *testing.T, server *server) {
		inf := packedConfigMaps(t, server, 5, informer.Plain)
		if s, want := inf.Stats(), (informer.Stats{Objects: 5}); s != want {
			t.Errorf("plain: got %+v, want %+v", s, want)
		}
	})
}

// GetCopy returns what is the caller's own, and Get what is shared; a change of the
// former reaches nobody.
func TestGetCopy(t *testing.T) {
	for name, bytes := range map[string]int64{"plain": informer.Plain, "packed": informer.DefaultBudget} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, server *server) {
				inf := packedConfigMaps(t, server, 1, bytes)
				own, ok := inf.GetCopy("default", "cm-000")
				if !ok {
					t.Fatal("there is no copy")
				}
				own.Data["value"] = "changed"
				one, _ := inf.Get("default", "cm-000")
				two, _ := inf.Get("default", "cm-000")
				if one != two || one.Data["value"] == "changed" {
					t.Errorf("got %v and %v", one, two)
				}
				if _, ok := inf.GetCopy("default", "none"); ok {
					t.Error("a copy of nothing")
				}
			})
		})
	}
}

// Options of packing that mean nothing are refused.
func TestPackingOptions(t *testing.T) {
	for name, change := range map[string]func(*informer.Options[*corev1.ConfigMap]){
		"Budget":      func(o *informer.Options[*corev1.ConfigMap]) { o.Budget = -2 },
		"Compression": func(o *informer.Options[*corev1.ConfigMap]) { o.Compression = codec.Compression("gzip") },
	} {
		var opts informer.Options[*corev1.ConfigMap]
		change(&opts)
		_, err := informer.NewFromListerWatcher(&server{}, opts)
		if !errors.Is(err, informer.ErrInvalidOption) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
