package gomap

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
)

// Condition is what [MemStore.Select] asks of an object: that an index has it
// under at least one of some values. Make one with [Is], [In] or a function for
// labels.
type Condition struct {
	// Index is the name of the index.
	Index string
	// Values are the values, one of which has to be the object's. None can be met.
	Values []string
}

// Is is met by the objects that an index has under a value.
func Is(index, value string) Condition { return Condition{index, []string{value}} }

// In is met by the objects that an index has under one of some values.
func In(index string, values ...string) Condition { return Condition{index, values} }

// LabelIndex returns an index function for an object's labels, so that label
// selectors are answered from the index: see [HasLabel], [LabelIs] and [LabelIn].
// With keys, only those labels are indexed; a label takes about 16 bytes an object.
func LabelIndex[T any](labels func(T) map[string]string, keys ...string) IndexFunc[T] {
	return func(_ string, value T) ([]string, error) {
		has := labels(value)
		values := make([]string, 0, 2*len(has))
		for key, value := range has {
			if len(keys) == 0 || slices.Contains(keys, key) {
				values = append(values, key, labelValue(key, value))
			}
		}
		return values, nil
	}
}

// labelValue is what a label index has for a label with a value. A label's key
// alone stands for any value; neither has an equals sign in Kubernetes.
func labelValue(key, value string) string { return key + "=" + value }

// HasLabel is met by the objects with a label, whatever its value.
func HasLabel(index, key string) Condition { return Is(index, key) }

// LabelIs is met by the objects with a label of that value.
func LabelIs(index, key, value string) Condition { return Is(index, labelValue(key, value)) }

// LabelIn is met by the objects with a label of one of some values.
func LabelIn(index, key string, values ...string) Condition {
	c := Condition{Index: index}
	for _, value := range values {
		c.Values = append(c.Values, labelValue(key, value))
	}
	return c
}

// Select yields the keys and values of a kind's objects that meet all of the
// conditions, at the newest revision when the loop begins, in no particular order;
// without conditions, all objects. It begins with the condition that the fewest
// objects meet, and looks the others up in the order of revisions. It takes no lock.
// An unknown index is [ErrIndexNotFound].
func (s *engine[T]) Select(kind string, where ...Condition) (iter.Seq2[string, T], error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	t := s.kinds.lookup(kind)
	q, err := newQuery(t, kind, where)
	if err != nil {
		return nil, err
	}
	return func(yield func(string, T) bool) {
		if t == nil {
			return
		}
		w, pin := t.pin()
		defer pin.release()
		q.at(w.rev)(yield)
	}, nil
}

// Select is [MemStore.Select] at the snapshot's revision. If an index was added after
// the snapshot was taken, the functions of all run on every object.
func (s *Snapshot[T]) Select(where ...Condition) (iter.Seq2[string, T], error) {
	q, err := newQuery(s.table, s.kind, where)
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(s)
	found := q.at
	if slices.ContainsFunc(q.indexes, func(ix *index[T]) bool { return ix.since > s.rev }) {
		if found, err = q.scan(s.rev); err != nil {
			return nil, err
		}
	}
	return func(yield func(string, T) bool) {
		defer runtime.KeepAlive(s)
		if s.table != nil {
			found(s.rev)(yield)
		}
	}, nil
}

// query is conditions on the objects of a table.
type query[T any] struct {
	table   *table[T] // nil if the kind does not exist
	where   []Condition
	indexes []*index[T] // of the conditions
}

func newQuery[T any](t *table[T], kind string, where []Condition) (q query[T], err error) {
	q = query[T]{table: t, where: where, indexes: make([]*index[T], len(where))}
	for i, c := range where {
		if t == nil {
			return q, fmt.Errorf("%w: %q of kind %q", ErrIndexNotFound, c.Index, kind)
		}
		if q.indexes[i], err = t.index(c.Index); err != nil {
			return q, err
		}
	}
	return q, nil
}

// scan runs the index functions on all objects of a revision.
func (q *query[T]) scan(rev uint64) (func(uint64) iter.Seq2[string, T], error) {
	found := make(map[string]T)
	for key, value := range objectsAt(q.table.content.view(), rev) {
		ok, err := q.meets(key, value)
		if err != nil {
			return nil, err
		}
		if ok {
			found[key] = value
		}
	}
	return func(uint64) iter.Seq2[string, T] { return maps.All(found) }, nil
}

// meets tells whether an object meets the conditions, by the index functions.
func (q *query[T]) meets(key string, value T) (bool, error) {
	for i, c := range q.where {
		terms, err := compute(nil, q.table.kind, key, value, q.indexes[i:i+1])
		if err != nil {
			return false, err
		}
		if !slices.ContainsFunc(terms, func(t term[T]) bool { return slices.Contains(c.Values, t.value) }) {
			return false, nil
		}
	}
	return true, nil
}

// at answers from the indexes at a revision that they know and that is pinned.
func (q *query[T]) at(rev uint64) iter.Seq2[string, T] {
	if len(q.where) == 0 {
		return objectsAt(q.table.content.view(), rev)
	}
	answers := make([]answer[T], len(q.where))
	for i, c := range q.where {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(c.Values))) {
			answers[i].add(q.indexes[i].find(value))
		}
	}
	slices.SortStableFunc(answers, func(a, b answer[T]) int { return cmp.Compare(a.size, b.size) })
	found := answers[0].slots()
	for _, a := range answers[1:] {
		found = a.among(found)
	}
	return func(yield func(string, T) bool) {
		for _, s := range found {
			if v := s.at(rev); v != nil && !yield(v.name, v.value) {
				return
			}
		}
	}
}

// answer is what an index has for a condition.
type answer[T any] struct {
	postings []span[*slot[T]]
	size     int
}

func (a *answer[T]) add(found span[*slot[T]], ok bool) {
	if ok {
		a.postings = append(a.postings, found)
		a.size += found.size()
	}
}

// slots returns the slots of an answer, each once, in the order of their revisions.
func (a *answer[T]) slots() []*slot[T] {
	found := make([]*slot[T], 0, a.size)
	for _, p := range a.postings {
		for i := range p.pages() {
			found = append(found, p.page(i)...)
		}
	}
	if len(a.postings) > 1 {
		slices.SortFunc(found, func(x, y *slot[T]) int { return cmp.Compare(x.since, y.since) })
		found = slices.Compact(found)
	}
	return found
}

// among returns those of some slots, in the order of their revisions, that are in
// the answer.
func (a *answer[T]) among(found []*slot[T]) []*slot[T] {
	in := make([]bool, len(found))
	for _, p := range a.postings {
		r := reader[*slot[T]]{span: p}
		for i, s := range found {
			if !in[i] {
				got, ok := r.seek(s.since)
				in[i] = ok && got == s
			}
		}
	}
	kept := found[:0]
	for i, s := range found {
		if in[i] {
			kept = append(kept, s)
		}
	}
	return kept
}
