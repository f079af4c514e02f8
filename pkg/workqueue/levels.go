package workqueue

// A level holds what is ready at one priority.
type level[T comparable] struct {
	priority int
	root     node[T]
	listed   bool // in the heap of its levels
}

// levels finds the level of a priority, and the highest one that has entries.
//
// The heap holds every level that has entries, and some that ran empty: those leave when they surface, so
// that a level which fills and empties all the time costs no map operation. Levels without entries stay in
// the map until they outnumber the others, so that memory is bounded by the priorities in use, even if
// no priority is ever used twice.
//
// Leaves of fairness keys are not kept at all: keys are many, and come and go.
type levels[T comparable] struct {
	items      *items[T]
	byPriority map[int]*level[T]
	heap       []*level[T]  // max-heap by priority
	recent     *level[T]    // the last one asked for: most queues use one priority most of the time
	idle       int          // levels without entries
	count      int          // entries in all levels
	free       [][]*node[T] // emptied nodes, for reuse by others of their depth, whose maps are alike
}

const (
	// idleLevels is how many empty levels are kept beyond the number of levels in use.
	idleLevels = 16
	// freeNodes is how many emptied nodes of a depth are kept for reuse.
	freeNodes = 1024
)

// add appends e to the leaf of its priority and path.
func (ls *levels[T]) add(e *entry[T], path []string) {
	ls.attach(e, path)
	e.leaf.entries.pushBack(e)
}

// restore puts e, which was set aside, back to where it was: in front of everything that arrived later.
func (ls *levels[T]) restore(e *entry[T]) {
	ls.attach(e, ls.items.path(e))
	e.leaf.entries.insertBySeq(e)
}

// attach finds or makes the leaf for e, and makes sure that it will be served.
func (ls *levels[T]) attach(e *entry[T], path []string) {
	l := ls.at(e.priority)
	if l.root.empty() {
		ls.idle--
	}
	n := &l.root
	for _, key := range path {
		n = ls.child(n, key)
	}
	e.leaf = n
	ls.count++
	if !l.listed {
		l.listed = true
		ls.heap = append(ls.heap, l)
		ls.up(len(ls.heap) - 1)
	}
}

// at returns the level of a priority, which may be empty.
func (ls *levels[T]) at(priority int) *level[T] {
	if ls.recent != nil && ls.recent.priority == priority {
		return ls.recent
	}
	l := ls.byPriority[priority]
	if l == nil {
		l = &level[T]{priority: priority, root: *ls.make(0)}
		ls.byPriority[priority] = l
		ls.idle++
	}
	ls.recent = l
	return l
}

// child returns the child of n for key.
func (ls *levels[T]) child(n *node[T], key string) *node[T] {
	if c := n.children[key]; c != nil {
		return c
	}
	c := ls.obtain(n.depth + 1)
	c.key, c.parent = key, n
	if n.children == nil {
		n.children = make(map[string]*node[T])
	}
	n.children[key] = c
	c.join()
	return c
}

// remove takes e out of its leaf, and the leaf out of its tree if it was the last one there.
func (ls *levels[T]) remove(e *entry[T]) {
	n := e.leaf
	e.leaf = nil
	n.entries.remove(e)
	ls.count--
	for n.empty() {
		parent := n.parent
		if parent == nil {
			ls.idle++
			ls.sweep()
			return
		}
		n.leave()
		delete(parent.children, n.key)
		ls.release(n)
		n = parent
	}
}

// obtain returns a node for a depth, of which the root has 0.
func (ls *levels[T]) obtain(depth int) *node[T] {
	for len(ls.free) < depth {
		ls.free = append(ls.free, nil)
	}
	free := &ls.free[depth-1]
	last := len(*free) - 1
	if last < 0 {
		return ls.make(depth)
	}
	n := (*free)[last]
	*free = (*free)[:last]
	return n
}

// make returns a new node.
func (ls *levels[T]) make(depth int) *node[T] {
	return &node[T]{depth: depth, entries: list[T]{items: ls.items, kind: inLeaf}}
}

// release keeps an emptied node for reuse. Its children's map is empty, and stays with it.
func (ls *levels[T]) release(n *node[T]) {
	n.key, n.parent = "", nil
	if free := &ls.free[n.depth-1]; len(*free) < freeNodes {
		*free = append(*free, n)
	}
}

// front returns the entry whose turn it is, or nil if there is none.
func (ls *levels[T]) front() *entry[T] {
	if ls.count == 0 {
		return nil
	}
	for ls.heap[0].root.empty() {
		ls.pop()
	}
	return ls.heap[0].root.serving().entries.first()
}

// sweep forgets the empty levels once they outnumber the others. Between two sweeps at least as many
// levels ran empty as a sweep looks at, so that it costs nothing in the long run.
func (ls *levels[T]) sweep() {
	if inUse := len(ls.byPriority) - ls.idle; ls.idle <= inUse+idleLevels {
		return
	}
	ls.idle, ls.recent = 0, nil
	kept := ls.heap[:0]
	for priority, l := range ls.byPriority {
		if l.root.empty() {
			delete(ls.byPriority, priority)
		} else {
			kept = append(kept, l)
		}
	}
	clear(ls.heap[len(kept):])
	ls.heap = kept
	for i := len(kept)/2 - 1; i >= 0; i-- {
		ls.down(i)
	}
}

// pop takes the first level off the heap.
func (ls *levels[T]) pop() {
	last := len(ls.heap) - 1
	ls.heap[0].listed = false
	ls.heap[0] = ls.heap[last]
	ls.heap[last] = nil
	ls.heap = ls.heap[:last]
	ls.down(0)
}

func (ls *levels[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if ls.heap[i].priority <= ls.heap[parent].priority {
			return
		}
		ls.heap[i], ls.heap[parent] = ls.heap[parent], ls.heap[i]
		i = parent
	}
}

func (ls *levels[T]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(ls.heap) {
			return
		}
		if right := child + 1; right < len(ls.heap) && ls.heap[right].priority > ls.heap[child].priority {
			child = right
		}
		if ls.heap[i].priority >= ls.heap[child].priority {
			return
		}
		ls.heap[i], ls.heap[child] = ls.heap[child], ls.heap[i]
		i = child
	}
}
