package workqueue

// A node is a member of the tree of fairness keys of one priority: the root is the priority itself, its
// children are the outermost keys (tenants, say), theirs the next ones (namespaces, say), and the leaves
// hold the entries. Without fairness the root is the only leaf.
//
// The children of a node form a ring, and serving moves its cursor on by one: siblings take turns,
// whatever they have in store. Three rules make the promise that a newcomer waits one round at most:
//   - a node is in its parent's ring exactly while an entry is below it;
//   - it joins right behind the cursor's back, as the last of the round that runs;
//   - only a hand-out moves a cursor.
type node[T comparable] struct {
	key     string
	depth   int     // below the root
	entries list[T] // leaves only

	parent     *node[T]
	prev, next *node[T]            // siblings, in a ring
	children   map[string]*node[T] // nil until the first child
	cursor     *node[T]            // the child whose turn it is; nil without children
}

// empty reports whether no entry is below n.
func (n *node[T]) empty() bool { return n.cursor == nil && n.entries.empty() }

// serving returns the leaf whose turn it is.
func (n *node[T]) serving() *node[T] {
	for n.cursor != nil {
		n = n.cursor
	}
	return n
}

// appendPath appends the keys that lead to n, outermost first.
func (n *node[T]) appendPath(path []string) []string {
	if n.parent == nil {
		return path
	}
	return append(n.parent.appendPath(path), n.key)
}

// advance ends the turn of leaf n at every level above it.
func (n *node[T]) advance() {
	for ; n.parent != nil; n = n.parent {
		n.parent.cursor = n.next
	}
}

// join puts n, which is outside of any ring, last into the ring of its parent.
func (n *node[T]) join() {
	first := n.parent.cursor
	if first == nil {
		n.parent.cursor, n.prev, n.next = n, n, n
		return
	}
	n.prev, n.next = first.prev, first
	n.prev.next, n.next.prev = n, n
}

// leave takes n out of the ring of its parent. If it was its turn, it is now the next one's.
func (n *node[T]) leave() {
	switch {
	case n.next == n:
		n.parent.cursor = nil
	case n.parent.cursor == n:
		n.parent.cursor = n.next
	}
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
}
