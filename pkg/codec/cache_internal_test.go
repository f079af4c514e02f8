package codec

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Invariants, in whatever order dictionaries are made ready, are used, and are let go of:
//   - what is in the cache is ready, costs what it was charged, and knows its place; and nothing else is ready;
//   - all of it fits the budget, unless it is one that is larger;
//   - what was charged last is ready.
func TestCache(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	c := cache{budget: 1000}
	dicts := make([]*dictionary, 50)
	for i := range dicts {
		dicts[i] = new(dictionary)
	}
	costs := map[*dictionary]int{}
	for range 20_000 {
		d, cost := dicts[r.IntN(len(dicts))], r.IntN(200)
		var charged bool
		switch before := d.warm.Load(); r.IntN(5) {
		case 0, 1: // by several goroutines, if it is ready
			w := new(warm)
			got := c.admit(d, w, cost)
			if charged = before == nil; charged && got != w || !charged && got != before {
				t.Fatal("a dictionary is ready twice")
			}
		case 2:
			if charged = before != nil && r.IntN(2) == 0; !charged {
				before = new(warm) // it was turned out meanwhile
			}
			c.grow(d, before, cost)
		case 3:
			d.used.Store(true)
		case 4:
			c.drop(d)
			if d.warm.Load() != nil {
				t.Fatal("a dictionary is ready after it was dropped")
			}
		}
		if charged {
			costs[d] += cost
			if d.warm.Load() == nil {
				t.Fatal("a dictionary was turned out for itself")
			}
		}
		sum := 0
		for _, d := range dicts {
			if d.warm.Load() == nil {
				delete(costs, d)
			}
			in := slices.Index(c.ring, d)
			if d.slot != in+1 || d.cost != costs[d] || (in >= 0) != (d.warm.Load() != nil) {
				t.Fatalf("a dictionary at %d thinks %d; it costs %d, want %d; ready: %t", in, d.slot-1, d.cost, costs[d], d.warm.Load() != nil)
			}
			sum += costs[d]
		}
		if c.bytes() != sum || sum > c.budget && len(costs) > 1 {
			t.Fatalf("%d dictionaries cost %d, and %d by the cache", len(costs), sum, c.bytes())
		}
	}
}

// A dictionary that was used since the hand came by is spared, and the first that was not makes room.
func TestCacheSparesTheUsed(t *testing.T) {
	c := cache{budget: 3}
	dicts := make([]*dictionary, 4)
	for i := range dicts {
		dicts[i] = new(dictionary)
		dicts[i].used.Store(i != 1)
		c.admit(dicts[i], new(warm), 1)
	}
	for i, d := range dicts {
		if got := d.warm.Load() != nil; got != (i != 1) {
			t.Errorf("dictionary %d: ready %t", i, got)
		}
	}
}
