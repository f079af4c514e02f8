package workqueue

import "time"

// An entry is all the queue knows about one item. There is exactly one while the item is pending,
// being processed, or both; the queue's map finds it, and the lists and the heap below thread through
// it, so that moving an item from one to another allocates nothing. What the common case touches comes first.
type entry[T comparable] struct {
	where    place // of the pending occurrence
	busy     bool  // handed out and not yet done
	priority int   // of the pending occurrence
	item     T
	seq      uint64   // order of arrival among entries of one leaf
	leaf     *node[T] // queued: the list the entry is in
	links    [listKinds]link[T]

	slot  int           // delayed: position in the heap
	at    time.Duration // delayed: when due; ready: since when, if something reads it. On the queue's clock.
	begun time.Duration // busy: since when, if there are metrics
	stats *series       // queued, aside: the series that counts it; nil without such metrics
	path  []string      // fairness keys, outermost first
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

// The lists an entry can be in at the same time, each with a link of its own.
const (
	inLeaf     = iota // entries of one priority and one fairness key, by seq
	inArrivals        // everything ready, oldest first; used by ageing
	inFlight          // everything handed out, oldest first; used by metrics
	listKinds
)

type link[T comparable] struct {
	prev, next *entry[T]
}

// A list is an intrusive doubly linked list of entries.
type list[T comparable] struct {
	head, tail *entry[T]
	kind       uint8 // which of an entry's links it uses
}

func (l *list[T]) empty() bool { return l.head == nil }

// pushBack appends e.
func (l *list[T]) pushBack(e *entry[T]) { l.insertAfter(l.tail, e) }

// insertAfter puts e behind at, or at the front if at is nil.
func (l *list[T]) insertAfter(at, e *entry[T]) {
	next := l.head
	if at != nil {
		next = at.links[l.kind].next
		at.links[l.kind].next = e
	} else {
		l.head = e
	}
	if next != nil {
		next.links[l.kind].prev = e
	} else {
		l.tail = e
	}
	e.links[l.kind] = link[T]{prev: at, next: next}
}

// insertBySeq puts e in front of the first entry that arrived later, looking from the front. It is meant
// for an entry that had reached the front before: only its likes can be ahead of it, so the walk is short.
func (l *list[T]) insertBySeq(e *entry[T]) {
	var at *entry[T]
	for next := l.head; next != nil && next.seq < e.seq; next = next.links[l.kind].next {
		at = next
	}
	l.insertAfter(at, e)
}

// remove takes e out.
func (l *list[T]) remove(e *entry[T]) {
	at := e.links[l.kind]
	if at.prev != nil {
		at.prev.links[l.kind].next = at.next
	} else {
		l.head = at.next
	}
	if at.next != nil {
		at.next.links[l.kind].prev = at.prev
	} else {
		l.tail = at.prev
	}
	e.links[l.kind] = link[T]{}
}
