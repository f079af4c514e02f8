package gomap_test

import (
	"fmt"
	"maps"
	"runtime"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// A snapshot stays as it was while the log behind it is compacted many times.
func TestSnapshotStays(t *testing.T) {
	s := newPods(t)
	empty, err := s.Snapshot("pods")
	must(t, err)
	must(t, s.AddIndex("pods", "node", byNode))
	const pods = 100
	for i := range pods {
		_, err := s.Set("pods", fmt.Sprint(i), pod{Node: fmt.Sprint(i % 3)})
		must(t, err)
	}
	snap, err := s.Snapshot("pods")
	must(t, err)
	want := maps.Collect(snap.All())
	onNode := keysOf(snap.ByIndex("node", "1"))
	for i := range 20_000 {
		key := fmt.Sprint(i % pods)
		if i%3 == 0 {
			_, _, err = s.Delete("pods", key)
		} else {
			_, err = s.Set("pods", key, pod{Node: fmt.Sprint(i % 7)})
		}
		must(t, err)
	}
	if got := maps.Collect(snap.All()); !maps.EqualFunc(got, want, func(a, b pod) bool { return a.Node == b.Node }) {
		t.Fatalf("the snapshot changed: %v, was %v", got, want)
	}
	if snap.Len() != pods {
		t.Fatalf("Len: %d", snap.Len())
	}
	wantKeys(t, "by index, after the index has moved on", keysOf(snap.ByIndex("node", "1")), onNode...)
	if empty.Len() != 0 || empty.Revision() != 0 || len(keysOf(empty.All(), nil)) != 0 {
		t.Fatal("the snapshot of an absent kind is not empty")
	}
	if _, err := empty.ByIndex("node", "1"); err == nil {
		t.Fatal("no error for an index of an absent kind")
	}
}

// What a snapshot or a stalled watcher keeps in memory is let go with it, and
// superseded values do not pile up.
func TestMemoryIsLetGo(t *testing.T) {
	const keys, size, rounds = 50, 64 << 10, 40
	// The content, and the superseded versions a log may hold: 256 and a quarter.
	const most = 1 + (256+keys)/keys + 1
	s := gomap.NewMemStore[[]byte](store.StoreOptions[[]byte]{CompareFn: func(_, _ []byte) bool { return false }})
	defer s.Close()
	write := func() {
		for range rounds {
			for i := range keys {
				_, err := s.Set("blobs", fmt.Sprint(i), make([]byte, size))
				must(t, err)
			}
		}
	}
	heap := func() int { return heapInUse() / (keys * size) } // in contents of the kind
	before := heap()
	write()
	plain := heap() - before
	held := func() int {
		snap, err := s.Snapshot("blobs")
		must(t, err)
		defer runtime.KeepAlive(snap)
		events, cancel, err := s.Watch("blobs", store.WithBufferSize[[]byte](1))
		must(t, err)
		write()
		held := heap() - before
		cancel()
		for range events {
		}
		return held
	}()
	write()
	after := heapFalls(before*keys*size, most*keys*size) / (keys * size)
	t.Logf("heap in contents of the kind: %d alone, %d with a snapshot and a stalled watcher, %d after", plain, held, after)
	if plain > most || after > most {
		t.Errorf("superseded values pile up: %d and %d contents, want at most %d", plain, after, most)
	}
	if held > 3*most {
		t.Errorf("a snapshot and a stalled watcher keep %d contents", held)
	}
}
