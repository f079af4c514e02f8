package workqueue

import (
	"math/rand/v2"
	"testing"
)

// Invariant: items is a map from items to entries, through growing, shrinking and any hashes: few different
// ones make long runs of slots, whose gaps are closed when entries leave.
func TestItems(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed: %d", seed)
	for _, hashes := range []uint32{1, 7, 100, 1 << 30} {
		source := rand.New(rand.NewPCG(seed, uint64(hashes)))
		is := newItems[int](1, true)
		// From both ends of the hashes, so that runs of slots go over the end of the table.
		hash := func(item int) uint32 { return uint32(item)*2654435761%hashes - hashes/2 }
		model := map[int]*entry[int]{}
		for phase := range 12 {
			for range source.IntN(3000) {
				item := source.IntN(2 * keptEntries)
				e := model[item]
				if got := is.find(item, hash(item)); got != e {
					t.Fatalf("found %p for %d, want %p", got, item, e)
				}
				switch adding := source.IntN(4) > 0 == (phase%2 == 0); {
				case e == nil && adding:
					if e = is.add(item, hash(item)); e.item != item || e.keepsPath {
						t.Fatalf("%d has a used entry: %v", item, e)
					}
					is.keepPath(e, []string{"key"})
					model[item] = e
				case e != nil && !adding:
					is.remove(e)
					delete(model, item)
				}
			}
			if phase%4 == 3 {
				for item, e := range model {
					is.remove(e)
					delete(model, item)
				}
			}
			found := 0
			for e := range is.all() {
				if found++; model[e.item] != e {
					t.Fatalf("%d has entry %p, want %p", e.item, e, model[e.item])
				}
			}
			if found != len(model) || found != is.count {
				t.Fatalf("%d entries, and %d counted, want %d", found, is.count, len(model))
			}
		}
	}
}

// Invariant: items that were many and are none leave no memory behind, nor any trace for those that come then.
func TestItemsAfterBurst(t *testing.T) {
	is := newItems[int](1, true)
	for range 3 {
		entries := map[int]*entry[int]{}
		for item := range keptEntries + 1 {
			entries[item] = is.add(item, is.hash(item))
			is.keepPath(entries[item], []string{"key"})
		}
		for item, e := range entries {
			if got := is.find(item, is.hash(item)); got != e {
				t.Fatalf("found %p for %d, want %p", got, item, e)
			}
		}
		for _, e := range entries {
			is.remove(e)
		}
		if slabs, slots := len(is.entries), len(is.slots); slabs+slots > 0 {
			t.Fatalf("%d slabs and %d slots are left of nothing", slabs, slots)
		}
	}
}
