package workqueue

// A list is an intrusive doubly linked list of entries.
type list[T comparable] struct {
	items      *items[T]
	kind       listKind
	head, tail uint32 // ids; 0 if the list is empty
}

// The lists an entry can be in at the same time, each with a link of its own.
type listKind uint8

const (
	inLeaf     listKind = iota // entries of one priority and one fairness key, by seq
	inArrivals                 // everything ready, oldest first; used by ageing
	inFlight                   // everything handed out, oldest first; used by metrics
)

// A link has the ids of an entry's neighbours in a list, 0 for none.
type link struct {
	prev, next uint32
}

func (l *list[T]) empty() bool { return l.head == 0 }

// first returns the entry at the front, or nil.
func (l *list[T]) first() *entry[T] { return l.entry(l.head) }

// after returns the entry that follows e, or nil.
func (l *list[T]) after(e *entry[T]) *entry[T] { return l.entry(l.of(e).next) }

func (l *list[T]) entry(id uint32) *entry[T] {
	if id == 0 {
		return nil
	}
	return l.items.at(id)
}

// of returns the link of e.
func (l *list[T]) of(e *entry[T]) *link {
	switch l.kind {
	case inLeaf:
		return &e.link
	case inArrivals:
		return &l.items.extra(e).arrival
	default:
		return &l.items.extra(e).flight
	}
}

// pushBack appends e.
func (l *list[T]) pushBack(e *entry[T]) { l.insertAfter(l.tail, e) }

// insertAfter puts e behind the entry with the id at, or at the front if that is 0.
func (l *list[T]) insertAfter(at uint32, e *entry[T]) {
	next := l.head
	if at != 0 {
		prev := l.of(l.items.at(at))
		next = prev.next
		prev.next = e.id
	} else {
		l.head = e.id
	}
	if next != 0 {
		l.of(l.items.at(next)).prev = e.id
	} else {
		l.tail = e.id
	}
	*l.of(e) = link{prev: at, next: next}
}

// insertBySeq puts e in front of the first entry that arrived later, looking from the front. It is meant
// for an entry that had reached the front before: only its likes can be ahead of it, so the walk is short.
func (l *list[T]) insertBySeq(e *entry[T]) {
	var at uint32
	for next := l.first(); next != nil && next.seq < e.seq; next = l.after(next) {
		at = next.id
	}
	l.insertAfter(at, e)
}

// remove takes e out.
func (l *list[T]) remove(e *entry[T]) {
	own := l.of(e)
	if own.prev != 0 {
		l.of(l.items.at(own.prev)).next = own.next
	} else {
		l.head = own.next
	}
	if own.next != 0 {
		l.of(l.items.at(own.next)).prev = own.prev
	} else {
		l.tail = own.prev
	}
	*own = link{}
}
