package workqueue

import (
	"hash/maphash"
	"iter"
)

// items finds the entry of an item, and holds the memory of all entries.
//
// It is a hash table with linear probing, made for what a queue does: an item is looked up when it is added
// and when it is done, and in a large backlog each look-up is a walk to memory that no cache has. So a slot
// takes eight bytes, tells by the hash whether it is worth to follow, and is found from its entry without
// a comparison. The hash is the caller's to compute, before it locks the queue.
//
// Entries are made in slabs, and kept for reuse when they are removed.
type items[T comparable] struct {
	seed  maphash.Seed
	slots []slot // a power of two of them
	count int    // slots in use

	entries [][]entry[T] // slabs, in order of id
	paths   [][]string   // beside the entries: the fairness keys of those in no leaf; a slab is nil until needed
	extras  [][]extra    // beside the entries: what ageing and metrics need, or nothing
	unused  uint32       // the first entry that was never in use, as none behind it was
	free    uint32       // the first of those that are free again; 0 if there is none

	levels    int  // fairness keys of an item
	hasExtras bool // whether there is ageing or metrics
}

// A slot is free if its id is 0.
type slot struct {
	hash uint32
	id   uint32 // of the entry
}

const (
	// slab is how many entries are made at a time. If they take a cache line each, a slab is large enough for the
	// runtime to give it whole pages; a smaller one begins with a word of the runtime's, so that an entry has
	// to do with two lines.
	slab = 512

	// keptEntries is how many entries an empty queue keeps for reuse. If it has more it drops them all, and the
	// slots with them: a burst does not pin its memory for good.
	keptEntries = 4096

	// minSlots is the size of the smallest table.
	minSlots = 64
)

// newItems returns items with room for levels fairness keys each.
func newItems[T comparable](levels int, hasExtras bool) items[T] {
	return items[T]{seed: maphash.MakeSeed(), levels: levels, hasExtras: hasExtras}
}

// hash returns the hash of an item. It panics if T is an interface and item cannot be hashed. It needs no lock.
func (is *items[T]) hash(item T) uint32 { return uint32(maphash.Comparable(is.seed, item)) }

// find returns the entry of an item with the given hash, or nil.
func (is *items[T]) find(item T, hash uint32) *entry[T] {
	if is.count == 0 {
		return nil
	}
	mask := uint32(len(is.slots) - 1)
	for i := hash & mask; is.slots[i].id != 0; i = (i + 1) & mask {
		if is.slots[i].hash == hash {
			if e := is.at(is.slots[i].id); e.item == item {
				return e
			}
		}
	}
	return nil
}

// add returns a new entry for an item that has none.
func (is *items[T]) add(item T, hash uint32) *entry[T] {
	if is.count >= len(is.slots)/4*3 {
		is.makeSlots()
	}
	e := is.obtain()
	e.item, e.hash = item, hash
	is.put(slot{hash: hash, id: e.id})
	is.count++
	return e
}

// remove forgets e, which is neither pending nor busy.
func (is *items[T]) remove(e *entry[T]) {
	is.count--
	if is.count == 0 && len(is.entries)*slab > keptEntries {
		is.slots, is.entries, is.paths, is.extras, is.unused, is.free = nil, nil, nil, nil, 0, 0
		return
	}
	mask := uint32(len(is.slots) - 1)
	hole := e.hash & mask
	for is.slots[hole].id != e.id {
		hole = (hole + 1) & mask
	}
	// What follows moves up, unless that puts it before the slot where the search for it begins.
	for i := (hole + 1) & mask; is.slots[i].id != 0; i = (i + 1) & mask {
		if home := is.slots[i].hash & mask; (i-home)&mask >= (i-hole)&mask {
			is.slots[hole] = is.slots[i]
			hole = i
		}
	}
	is.slots[hole] = slot{}

	var none T
	e.item = none
	if e.keepsPath {
		clear(is.path(e))
		e.keepsPath = false
	}
	e.link.next, is.free = is.free, e.id
}

// all returns the entries in use, in no order.
func (is *items[T]) all() iter.Seq[*entry[T]] {
	return func(yield func(*entry[T]) bool) {
		for _, s := range is.slots {
			if s.id != 0 && !yield(is.at(s.id)) {
				return
			}
		}
	}
}

// at returns the entry with an id.
func (is *items[T]) at(id uint32) *entry[T] { return &is.entries[id/slab][id%slab] }

// keepPath keeps the fairness keys of e, outermost first, while no leaf knows them.
func (is *items[T]) keepPath(e *entry[T], path []string) {
	if is.levels == 0 {
		return
	}
	if paths := &is.paths[e.id/slab]; *paths == nil {
		*paths = make([]string, slab*is.levels)
	}
	e.keepsPath = true
	copy(is.path(e), path)
}

// path returns what keepPath kept of e.
func (is *items[T]) path(e *entry[T]) []string {
	if is.levels == 0 {
		return nil
	}
	first := int(e.id%slab) * is.levels
	return is.paths[e.id/slab][first : first+is.levels]
}

// extra returns what ageing and metrics need to know of e. Without these there is no such thing.
func (is *items[T]) extra(e *entry[T]) *extra { return &is.extras[e.id/slab][e.id%slab] }

// put fills the first free slot for s.
func (is *items[T]) put(s slot) {
	mask := uint32(len(is.slots) - 1)
	i := s.hash & mask
	for is.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	is.slots[i] = s
}

// makeSlots makes the table larger.
func (is *items[T]) makeSlots() {
	before := is.slots
	is.slots = make([]slot, max(minSlots, 4*len(before)))
	for _, s := range before {
		if s.id != 0 {
			is.put(s)
		}
	}
}

// obtain returns a blank entry that has its id.
func (is *items[T]) obtain() *entry[T] {
	if id := is.free; id != 0 {
		e := is.at(id)
		is.free = e.link.next
		e.link = link{}
		return e
	}
	if int(is.unused) == len(is.entries)*slab {
		is.makeEntries()
	}
	e := is.at(is.unused)
	e.id = is.unused
	is.unused++
	return e
}

// makeEntries adds a slab.
func (is *items[T]) makeEntries() {
	is.entries = append(is.entries, make([]entry[T], slab))
	is.paths = append(is.paths, nil)
	if is.hasExtras {
		is.extras = append(is.extras, make([]extra, slab))
	}
	is.unused = max(is.unused, 1) // an id is never 0
}
