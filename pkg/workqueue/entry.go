package workqueue

import "time"

// An entry is all the queue knows about one item. There is exactly one while the item is pending,
// being processed, or both; the queue's items find it, and the lists and the heap below thread through
// it, so that moving an item from one to another allocates nothing.
//
// A backlog is made of entries, so they are kept small: for a string, one is a cache line. Entries refer to
// each other by id, which is half of a pointer and nothing to the garbage collector.
type entry[T comparable] struct {
	where     place  // of the pending occurrence
	busy      bool   // handed out and not yet done
	keepsPath bool   // delayed or aside, or was: its fairness keys are beside it
	slot      uint32 // delayed: position in the heap
	id        uint32 // never 0
	hash      uint32 // of item
	priority  int    // of the pending occurrence
	item      T
	seq       uint64   // order of arrival among entries of one leaf
	leaf      *node[T] // queued: the list the entry is in
	link      link     // queued: its neighbours there; free: the next free one
}

// An extra is what only ageing and metrics need to know of an entry.
type extra struct {
	arrival link          // queued, aside: neighbours in order of becoming ready
	flight  link          // busy: neighbours in order of being handed out
	since   time.Duration // queued, aside: when it became ready, on the queue's clock
	begun   time.Duration // busy: when it was handed out
	stats   *series       // queued, aside: the series that counts it; nil without a breakdown
}

// A place says where an item's pending occurrence is. An item has at most one: whatever is added in
// the meantime is merged into it.
type place uint8

const (
	nowhere place = iota // nothing pending
	delayed              // in the heap, due later
	queued               // ready, in the list of its leaf
	aside                // ready, but taken off its list while the item is being processed
)
