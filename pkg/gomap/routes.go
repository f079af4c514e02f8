package gomap

import (
	"iter"
	"slices"

	"github.com/larder-dev/larder/pkg/store"
)

// routes bring the changes of a table to the watchers of a part of it, so that a
// write costs nothing for those whose part it is not in. A route is a table with
// the objects of that part, which shares their values with the whole. It is there
// for as long as there are cursors on it, and belongs to the writer of the whole.
type routes[T any] struct {
	byKey   map[string]*table[T]
	byValue map[*index[T]]map[string]*table[T]
}

// selection is the part of a kind that a watcher wants.
type selection[T any] struct {
	key   string
	index *index[T] // nil: the part is a key
	value string
}

// route returns the route of a selection, and makes one if there is none. The
// caller holds mu.
func (t *table[T]) route(sel selection[T]) *table[T] {
	tables := t.routes.byKey
	name := sel.key
	if sel.index != nil {
		tables, name = t.routes.byValue[sel.index], sel.value
	}
	if r := tables[name]; r != nil {
		return r
	}
	r := newTable(t.store, t.kind, t.log.view().rev)
	r.whole, r.part = t, sel
	n := 0
	for s := range t.members(sel) {
		r.adopt(s)
		n++
	}
	r.log.publish(n)
	t.routes.add(sel, r)
	return r
}

// members yields the slots of a selection that are current.
func (t *table[T]) members(sel selection[T]) iter.Seq[*slot[T]] {
	if sel.index != nil {
		if found, ok := sel.index.find(sel.value); ok {
			return currentOf(found)
		}
	} else if s := t.keys.get(sel.key); s != nil {
		return func(yield func(*slot[T]) bool) { yield(s) }
	}
	return func(func(*slot[T]) bool) {}
}

// adopt puts a copy of a slot into a route that is not yet in use.
func (t *table[T]) adopt(s *slot[T]) {
	v := s.cur.Load()
	copied := t.content.make(s.name, v.rev(), newVersion(v.value, v.rev(), 0))
	t.content.add(copied)
	t.keys.put(copied)
}

// selected returns the selection that a watch asks for.
func (t *table[T]) selected(part *store.Part) (sel selection[T], err error) {
	if part.Index == "" {
		return selection[T]{key: part.Key}, nil
	}
	ix, err := t.index(part.Index)
	return selection[T]{index: ix, value: part.Value}, err
}

func (r *routes[T]) add(sel selection[T], route *table[T]) {
	if sel.index == nil {
		if r.byKey == nil {
			r.byKey = make(map[string]*table[T])
		}
		r.byKey[sel.key] = route
		return
	}
	if r.byValue == nil {
		r.byValue = make(map[*index[T]]map[string]*table[T])
	}
	if r.byValue[sel.index] == nil {
		r.byValue[sel.index] = make(map[string]*table[T])
	}
	r.byValue[sel.index][sel.value] = route
}

// retire takes out a route that has no cursors any more.
func (t *table[T]) retire(route *table[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch sel := route.part; {
	case route.hub.count.Load() > 0:
	case sel.index == nil:
		if t.routes.byKey[sel.key] == route {
			delete(t.routes.byKey, sel.key)
		}
	default:
		if t.routes.byValue[sel.index][sel.value] == route {
			delete(t.routes.byValue[sel.index], sel.value)
		}
		if len(t.routes.byValue[sel.index]) == 0 {
			delete(t.routes.byValue, sel.index)
		}
	}
}

func (r *routes[T]) close() {
	for _, route := range r.byKey {
		route.close()
	}
	for _, routes := range r.byValue {
		for _, route := range routes {
			route.close()
		}
	}
}

// forward relays committed changes of the whole.
func (r *routes[T]) forward(changes []change[T]) {
	if len(r.byKey)+len(r.byValue) == 0 {
		return
	}
	for i := range changes {
		c := &changes[i]
		if route := r.byKey[c.key]; route != nil {
			route.relay(c, c.deleted)
		}
		for _, term := range c.was {
			if route := r.byValue[term.index][term.value]; route != nil && !slices.Contains(c.terms, term) {
				route.relay(c, true)
			}
		}
		for _, term := range c.terms {
			if route := r.byValue[term.index][term.value]; route != nil {
				route.relay(c, false)
			}
		}
	}
}

// relay writes a change of the whole into the route, as a deletion if its object
// is gone from the part.
func (t *table[T]) relay(c *change[T], gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	relayed := change[T]{key: c.key, value: c.value, rev: c.rev, deleted: gone}
	if relayed.slot, relayed.spot = t.keys.locate(c.key); relayed.slot != nil {
		relayed.old = relayed.slot.cur.Load()
	}
	switch {
	case gone && relayed.slot == nil:
		return
	case gone && !c.deleted:
		relayed.value = relayed.old.value // the last state that belonged to the part
	}
	t.commit(relayed)
}
