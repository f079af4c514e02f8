package gomap

// fifo is a queue in chunks: putting something in never copies what is there.
type fifo[E any] struct {
	first, last *chunk[E]
	taken       int // of the first
}

type chunk[E any] struct {
	next  *chunk[E]
	items []E
}

const (
	smallestChunk = 4
	largestChunk  = 256
)

func (q *fifo[E]) empty() bool { return q.first == nil }

func (q *fifo[E]) push(e E) {
	switch {
	case q.first == nil:
		q.first = &chunk[E]{items: make([]E, 0, smallestChunk)}
		q.last = q.first
	case len(q.last.items) == cap(q.last.items):
		q.last.next = &chunk[E]{items: make([]E, 0, min(2*cap(q.last.items), largestChunk))}
		q.last = q.last.next
	}
	q.last.items = append(q.last.items, e)
}

// peek returns the element that pop takes next, false if there is none.
func (q *fifo[E]) peek() (e E, ok bool) {
	if q.first == nil {
		return e, false
	}
	return q.first.items[q.taken], true
}

// pop takes an element out. There must be one.
func (q *fifo[E]) pop() E {
	var none E
	e := q.first.items[q.taken]
	q.first.items[q.taken] = none
	if q.taken++; q.taken == len(q.first.items) {
		q.taken = 0
		if q.first = q.first.next; q.first == nil {
			q.last = nil
		}
	}
	return e
}

// take moves all elements of another, of which none was taken, behind its own.
func (q *fifo[E]) take(other *fifo[E]) {
	switch {
	case other.first == nil:
		return
	case q.first == nil:
		q.first = other.first
	default:
		q.last.next = other.first
	}
	q.last = other.last
	*other = fifo[E]{}
}
