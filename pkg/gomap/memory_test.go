package gomap_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// heapInUse returns the bytes of live objects.
func heapInUse() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// heapFalls returns the bytes of live objects beyond some, once they are not more than
// most, or after a long time: what a snapshot kept goes some time after it.
func heapFalls(base, most int) (grown int) {
	for range 200 {
		if grown = heapInUse() - base; grown <= most {
			break
		}
		runtime.Gosched()
	}
	return grown
}

// Snapshots of many revisions each stay what they were while the log is compacted
// again and again, and the values that one of them held alone go when it does.
func TestMemoryOfSnapshotsFallsStepByStep(t *testing.T) {
	const keys, size, snapshots = 100, 16 << 10, 12
	const content = keys * size
	s := gomap.NewMemStore[[]byte](store.StoreOptions[[]byte]{CompareFn: func(_, _ []byte) bool { return false }})
	defer s.Close()
	// write overwrites everything, so that no two snapshots share a value. Each value
	// says in which round it was written.
	write := func(round int) {
		for range 8 {
			for i := range keys {
				value := make([]byte, size)
				value[0], value[size-1] = byte(round), byte(i)
				_, err := s.Set("blobs", fmt.Sprint(i), value)
				must(t, err)
			}
		}
	}
	write(0)
	before := heapInUse()
	var held []*gomap.Snapshot[[]byte]
	for round := range snapshots {
		snapshot, err := s.Snapshot("blobs")
		must(t, err)
		held = append(held, snapshot)
		write(round + 1)
	}
	for round, snapshot := range held {
		n := 0
		for key, value := range snapshot.All() {
			n++
			if int(value[0]) != round || key != fmt.Sprint(value[size-1]) {
				t.Fatalf("the snapshot of round %d has under %s what was written in round %d under %d", round, key, value[0], value[size-1])
			}
		}
		if n != keys || snapshot.Len() != keys {
			t.Fatalf("the snapshot of round %d yields %d keys and has %d, want %d", round, n, snapshot.Len(), keys)
		}
	}
	// Beside its content a snapshot may keep what the log had not yet compacted: 256
	// superseded versions and a quarter of the keys.
	const each = content + (256+keys/4)*size
	for n := snapshots; ; n-- {
		most := (n + 1) * each
		grown := heapFalls(before, most)
		if grown > most {
			t.Errorf("%d snapshots keep %d contents, want at most %d", n, grown/content, most/content)
		}
		if grown < (n-1)*content {
			t.Errorf("%d snapshots keep %d contents: they cannot be whole", n, grown/content)
		}
		if n == 0 {
			break
		}
		held[n-1] = nil
	}
	runtime.KeepAlive(held)
}

// Some time after a mass deletion most of the memory is given back: neither the
// map of keys, nor the log, nor an index, nor a watcher that has read the deletions
// keeps them.
func TestMemoryFallsAfterMassDeletion(t *testing.T) {
	const keys = 10_000
	for name, remove := range map[string]func(s *gomap.MemStore[pod]) error{
		"one by one": func(s *gomap.MemStore[pod]) error {
			for i := range keys {
				if _, _, err := s.Delete("pods", podKey(i)); err != nil {
					return err
				}
			}
			return nil
		},
		"by a relist": func(s *gomap.MemStore[pod]) error { return s.Replace("pods", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newPods(t)
			must(t, s.AddIndex("pods", "node", byNode))
			must(t, s.AddIndex("pods", "label", byLabel))
			cursor, err := s.Cursor("pods")
			must(t, err)
			defer cursor.Close()
			read := func() (n int) {
				for range cursor.Changes() {
					n++
				}
				return n
			}
			before := heapInUse()
			for i := range keys {
				_, err := s.Set("pods", podKey(i), pod{Node: fmt.Sprint(i / 50), Labels: []string{podKey(i)}})
				must(t, err)
			}
			if n := read(); n != keys {
				t.Fatalf("the cursor got %d creates, want %d", n, keys)
			}
			full := heapInUse() - before
			must(t, remove(s))
			if n := read(); n != keys {
				t.Fatalf("the cursor got %d deletes, want %d", n, keys)
			}
			// Memory may be given back by later writes, if they are not more than the deletions.
			for i := range keys {
				_, err := s.Set("pods", "last", pod{Node: fmt.Sprint(i)})
				must(t, err)
				read()
			}
			empty := heapInUse() - before
			t.Logf("%d bytes a key; %.1f%% of it is left when they are gone", full/keys, 100*float64(empty)/float64(full))
			if empty > full/5 {
				t.Errorf("%d keys take %d bytes, and %d when they are gone", keys, full, empty)
			}
		})
	}
}

func podKey(i int) string { return fmt.Sprintf("namespace-%d/pod-%d", i%100, i) }

// bytesOf returns the bytes of live objects that a function leaves, what it returns
// included.
func bytesOf(build func() any) int {
	before := heapInUse()
	kept := build()
	after := heapInUse()
	runtime.KeepAlive(kept)
	return after - before
}

// Those that are left after a mass deletion do not keep the memory of those that went.
func TestMemoryOfSurvivors(t *testing.T) {
	const keys, one = 100_000, 64
	left := bytesOf(func() any {
		s := newPods(t)
		must(t, s.AddIndex("pods", "node", byNode))
		for i := range keys {
			_, err := s.Set("pods", podKey(i), pod{Node: fmt.Sprint(i % 100)})
			must(t, err)
		}
		for i := range keys {
			if i%one != 0 {
				_, _, err := s.Delete("pods", podKey(i))
				must(t, err)
			}
		}
		for i := range 2 * keys {
			_, err := s.Set("pods", podKey(one*(i%(keys/one))), pod{Node: fmt.Sprint(i/keys, i%100)})
			must(t, err)
		}
		return s
	})
	const survivors = keys/one + 1
	t.Logf("%d bytes a survivor", left/survivors)
	if left > survivors*1000 {
		t.Errorf("a survivor takes %d bytes", left/survivors)
	}
}

// An index with a value for each object costs little more than a pointer to it.
func TestMemoryOfUniqueValues(t *testing.T) {
	const keys = 50_000
	fill := func(indexed bool) int {
		return bytesOf(func() any {
			s := newPods(t)
			if indexed {
				must(t, s.AddIndex("pods", "label", byLabel))
			}
			for i := range keys {
				key := podKey(i)
				_, err := s.Set("pods", key, pod{Labels: []string{key}})
				must(t, err)
			}
			return s
		})
	}
	without := fill(false)
	each := (fill(true) - without) / keys
	t.Logf("%d bytes an entry", each)
	if each > 110 {
		t.Errorf("an entry of an index with unique values takes %d bytes", each)
	}
}

// A watch of one key takes no table.
func TestMemoryOfKeyWatches(t *testing.T) {
	const keys = 2000
	s := newPods(t)
	for i := range keys {
		_, err := s.Set("pods", podKey(i), pod{})
		must(t, err)
	}
	var cursors []*gomap.Cursor[pod]
	each := bytesOf(func() any {
		for i := range keys {
			c, err := s.Cursor("pods", store.WithKey[pod](podKey(i)))
			must(t, err)
			cursors = append(cursors, c)
		}
		return cursors
	}) / keys
	t.Logf("%d bytes a watch", each)
	if each > 1500 {
		t.Errorf("a cursor of a key takes %d bytes", each)
	}
	for _, c := range cursors {
		c.Close()
	}
}
