package workqueue

import "time"

// An entry is all the queue knows about one item. There is exactly one while the item is pending,
// being processed, or both; the queue's map finds it, and the lists and the heap below thread through
// it, so that moving an item from one to another allocates nothing. It is kept small: a backlog is made
// of entries.
type entry[T comparable] struct {
	where    place // of the pending occurrence
	busy     bool  // handed out and not yet done
	slot     int32 // delayed: position in the heap
	priority int   // of the pending occurrence
	item     T
	seq      uint64        // order of arrival among entries of one leaf
	leaf     *node[T]      // queued: the list the entry is in
	link     link[T]       // queued: its neighbours there
	at       time.Duration // delayed: when due; ready: since when, if extra; on the queue's clock
	path     []string      // fairness keys, outermost first
	extra    *extra[T]     // nil without ageing and metrics
}

// An extra is what only ageing and metrics need to know of an entry.
type extra[T comparable] struct {
	arrival link[T]       // queued, aside: neighbours in order of becoming ready
	flight  link[T]       // busy: neighbours in order of being handed out
	begun   time.Duration // busy: since when
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

// The lists an entry can be in at the same time, each with a link of its own.
type listKind uint8

const (
	inLeaf     listKind = iota // entries of one priority and one fairness key, by seq
	inArrivals                 // everything ready, oldest first; used by ageing
	inFlight                   // everything handed out, oldest first; used by metrics
)

// in returns the link of e in the list of a kind.
func (e *entry[T]) in(kind listKind) *link[T] {
	switch kind {
	case inLeaf:
		return &e.link
	case inArrivals:
		return &e.extra.arrival
	default:
		return &e.extra.flight
	}
}

type link[T comparable] struct {
	prev, next *entry[T]
}

// A list is an intrusive doubly linked list of entries.
type list[T comparable] struct {
	head, tail *entry[T]
	kind       listKind
}

func (l *list[T]) empty() bool { return l.head == nil }

// pushBack appends e.
func (l *list[T]) pushBack(e *entry[T]) { l.insertAfter(l.tail, e) }

// insertAfter puts e behind at, or at the front if at is nil.
func (l *list[T]) insertAfter(at, e *entry[T]) {
	next := l.head
	if at != nil {
		next = at.in(l.kind).next
		at.in(l.kind).next = e
	} else {
		l.head = e
	}
	if next != nil {
		next.in(l.kind).prev = e
	} else {
		l.tail = e
	}
	*e.in(l.kind) = link[T]{prev: at, next: next}
}

// insertBySeq puts e in front of the first entry that arrived later, looking from the front. It is meant
// for an entry that had reached the front before: only its likes can be ahead of it, so the walk is short.
func (l *list[T]) insertBySeq(e *entry[T]) {
	var at *entry[T]
	for next := l.head; next != nil && next.seq < e.seq; next = next.in(l.kind).next {
		at = next
	}
	l.insertAfter(at, e)
}

// remove takes e out.
func (l *list[T]) remove(e *entry[T]) {
	at := *e.in(l.kind)
	if at.prev != nil {
		at.prev.in(l.kind).next = at.next
	} else {
		l.head = at.next
	}
	if at.next != nil {
		at.next.in(l.kind).prev = at.prev
	} else {
		l.tail = at.prev
	}
	*e.in(l.kind) = link[T]{}
}
