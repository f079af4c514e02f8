package codec

import "slices"

// last holds the things that were added last.
type last[T any] struct {
	limit int // how many, at most
	items []T
	next  int // where the next one goes, once there are as many
}

func (l *last[T]) add(item T) {
	if len(l.items) < l.limit {
		l.items = append(l.items, item)
		return
	}
	l.items[l.next] = item
	l.next = (l.next + 1) % l.limit
}

// list returns them, the oldest first.
func (l *last[T]) list() []T { return slices.Concat(l.items[l.next:], l.items[:l.next]) }
