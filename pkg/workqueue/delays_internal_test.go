package workqueue

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Invariant: delays is a heap that knows where each entry is, whatever is pushed, moved and removed.
func TestDelays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed: %d", seed)
	source := rand.New(rand.NewPCG(seed, 0))
	is := newItems[int](0, false)
	h := delays[int]{items: &is}
	var entries []*entry[int]
	due := func() time.Duration { return time.Duration(source.IntN(100)) } // often the same
	for n := range 5000 {
		switch source.IntN(5) {
		case 0, 1:
			e := is.add(n, is.hash(n))
			e.seq = uint64(n)
			h.push(e, due())
			entries = append(entries, e)
		case 2:
			if len(entries) > 0 {
				h.move(entries[source.IntN(len(entries))], due())
			}
		default:
			if len(entries) > n/50 {
				i := source.IntN(len(entries))
				h.remove(entries[i])
				is.remove(entries[i])
				entries = slices.Delete(entries, i, i+1)
			}
		}
		if h.len() != len(entries) {
			t.Fatalf("%d entries, want %d", h.len(), len(entries))
		}
		for slot, d := range h.slots {
			if h.items.at(d.id).slot != uint32(slot) {
				t.Fatalf("the entry in slot %d does not know", slot)
			}
			if slot > 0 && h.before(d, h.slots[(slot-1)/fanout]) {
				t.Fatalf("slot %d is due before the one above it", slot)
			}
		}
	}
}
