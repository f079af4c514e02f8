package codec

import "sync"

// cache keeps the dictionaries warm that were used last, as many as its budget allows.
//
// It is a clock: a ring with a hand that passes over what was used since it last came by, and turns out what
// was not. A use costs no more than a flag.
type cache struct {
	budget int // bytes

	mu   sync.Mutex
	cost int // bytes
	ring []*dictionary
	hand int
}

// admit makes a dictionary warm, at a cost in bytes beside what it takes at rest. It returns what the
// dictionary is warm with: another goroutine may have been faster.
func (c *cache) admit(d *dictionary, w *warm, cost int) *warm {
	c.mu.Lock()
	defer c.mu.Unlock()
	if earlier := d.warm.Load(); earlier != nil {
		return earlier
	}
	d.warm.Store(w)
	c.charge(d, cost)
	return w
}

// grow adds to the cost of a dictionary, unless it is no longer warm with w.
func (c *cache) grow(d *dictionary, w *warm, cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.warm.Load() == w {
		c.charge(d, cost)
	}
}

// drop lets go of a dictionary with which nothing more will be packed.
func (c *cache) drop(d *dictionary) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.slot > 0 {
		c.remove(d.slot - 1)
	}
}

// bytes returns what the dictionaries in the cache take more than they would at rest.
func (c *cache) bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cost
}

// charge adds to the cost of a dictionary, which is put into the ring if it is not there, and turns others
// out until the budget is kept.
func (c *cache) charge(d *dictionary, cost int) {
	if d.slot == 0 {
		c.ring = append(c.ring, d)
		d.slot = len(c.ring)
	}
	d.cost += cost
	c.cost += cost
	for spared := 0; c.cost > c.budget && len(c.ring) > 1; {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		at := c.ring[c.hand]
		switch {
		case at == d:
			c.hand++
		case spared < len(c.ring) && at.used.Swap(false):
			spared++ // once round and no further, however busy its readers are
			c.hand++
		default:
			c.remove(c.hand)
		}
	}
}

// remove turns out the dictionary at a place in the ring. The last one takes its place.
func (c *cache) remove(at int) {
	d, last := c.ring[at], len(c.ring)-1
	c.ring[at] = c.ring[last]
	c.ring[at].slot = at + 1
	c.ring[last] = nil
	c.ring = c.ring[:last]
	c.cost -= d.cost
	d.slot, d.cost = 0, 0
	d.warm.Store(nil)
}
