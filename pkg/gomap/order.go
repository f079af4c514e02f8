package gomap

import (
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/larder-dev/larder/pkg/store"
)

// order is a table's keys in lexical order. It costs writers nothing: whoever
// reads a page first has it catch up with the log.
type order[T any] struct {
	mu     sync.Mutex
	rev    uint64     // the kind's revision that it has caught up with
	chunks [][]string // each sorted, not empty, and before the next
}

// maxChunk bounds what an insertion moves.
const maxChunk = 512

// Page is a number of objects in the order of their keys, as they were at one
// revision.
type Page[T any] struct {
	Items    []store.KeyValue[T]
	Revision uint64
	// Next is where the following page begins: pass it as after. It is empty if
	// there is no more.
	Next string
}

// Page returns up to limit objects of a kind, no limit if it is zero or less, in
// the order of their keys: those whose keys begin with prefix and come after the
// key after, which need not exist.
//
// Each page is of one revision, the newest at the time of the call. Whoever reads
// page after page sees every key that is there all the time once, and none twice.
// The first call sorts the keys; later ones take O(limit) time and O(log n) for
// each key that came or went since the last. Writers are not held up.
func (s *engine[T]) Page(kind, prefix, after string, limit int) (Page[T], error) {
	if err := s.check(kind); err != nil {
		return Page[T]{}, err
	}
	if t := s.kinds.lookup(kind); t != nil {
		return t.page(prefix, after, limit), nil
	}
	return Page[T]{}, nil
}

func (t *table[T]) page(prefix, after string, limit int) Page[T] {
	o := &t.order
	o.mu.Lock()
	defer o.mu.Unlock()
	w, pin := t.pin()
	defer pin.release()
	o.catchUp(t, w)
	page, ok := t.pageAt(w.rev, prefix, after, limit)
	if !ok {
		return t.sorted(w.rev, prefix, after, limit)
	}
	return page
}

// Page is [MemStore.Page] at the snapshot's revision. It looks at every key.
func (s *Snapshot[T]) Page(prefix, after string, limit int) Page[T] {
	defer runtime.KeepAlive(s)
	if s.table == nil {
		return Page[T]{}
	}
	return s.table.sorted(s.rev, prefix, after, limit)
}

// sorted returns a page without the help of an order.
func (t *table[T]) sorted(rev uint64, prefix, after string, limit int) Page[T] {
	page := Page[T]{Revision: rev}
	for key, value := range objectsAt(t.content.view(), rev) {
		if strings.HasPrefix(key, prefix) && (after == "" || key > after) {
			page.Items = append(page.Items, store.KeyValue[T]{Key: key, Value: value})
		}
	}
	slices.SortFunc(page.Items, func(a, b store.KeyValue[T]) int { return strings.Compare(a.Key, b.Key) })
	if limit > 0 && len(page.Items) > limit {
		page.Items = slices.Clip(page.Items[:limit])
		page.Next = page.Items[limit-1].Key
	}
	return page
}

// pageAt reads a page at a revision that the order has caught up with. ok is false
// if a key of it was deleted meanwhile.
func (t *table[T]) pageAt(rev uint64, prefix, after string, limit int) (page Page[T], ok bool) {
	page.Revision = rev
	for key := range t.order.from(prefix, after) {
		if !strings.HasPrefix(key, prefix) {
			break
		}
		if limit > 0 && len(page.Items) == limit {
			page.Next = page.Items[limit-1].Key
			break
		}
		v := t.keys.get(key).at(rev)
		if v == nil || v.is(deleted) {
			return page, false
		}
		page.Items = append(page.Items, store.KeyValue[T]{Key: key, Value: v.value})
	}
	return page, true
}

// catchUp makes the order that of a view.
func (o *order[T]) catchUp(t *table[T], w view[T]) {
	switch {
	case w.rev == o.rev:
		return
	case o.rev < w.block.low || o.chunks == nil:
		keys := make([]string, 0, w.keys)
		for key := range objectsAt(t.content.view(), w.rev) {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		o.chunks = slices.Collect(slices.Chunk(keys, maxChunk/2))
	default:
		for r := w.after(o.rev); ; {
			change, ok := r.next()
			if !ok {
				break
			}
			if change.version.is(deleted) {
				o.remove(change.version.name)
			} else if change.old == nil {
				o.insert(change.version.name)
			}
		}
	}
	o.rev = w.rev
}

// find returns where a key is, or would go.
func (o *order[T]) find(key string) (chunk, at int, ok bool) {
	chunk = sort.Search(len(o.chunks), func(i int) bool { return o.chunks[i][len(o.chunks[i])-1] >= key })
	if chunk == len(o.chunks) {
		return chunk, 0, false
	}
	at, ok = slices.BinarySearch(o.chunks[chunk], key)
	return chunk, at, ok
}

func (o *order[T]) insert(key string) {
	i, at, ok := o.find(key)
	switch {
	case ok:
		return
	case len(o.chunks) == 0:
		o.chunks = append(o.chunks, nil)
	case i == len(o.chunks):
		i, at = i-1, len(o.chunks[i-1])
	}
	o.chunks[i] = slices.Insert(o.chunks[i], at, key)
	if c := o.chunks[i]; len(c) > maxChunk {
		half := len(c) / 2
		o.chunks[i] = c[:half:half]
		o.chunks = slices.Insert(o.chunks, i+1, slices.Clone(c[half:]))
	}
}

func (o *order[T]) remove(key string) {
	i, at, ok := o.find(key)
	if !ok {
		return
	}
	o.chunks[i] = slices.Delete(o.chunks[i], at, at+1)
	if len(o.chunks[i]) == 0 {
		o.chunks = slices.Delete(o.chunks, i, i+1)
	}
}

// from yields the keys that are after one key and not before another.
func (o *order[T]) from(first, after string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if after != "" && after >= first {
			first = after
		}
		i, at, ok := o.find(first)
		if ok && first == after {
			at++
		}
		for ; i < len(o.chunks); i, at = i+1, 0 {
			for _, key := range o.chunks[i][at:] {
				if !yield(key) {
					return
				}
			}
		}
	}
}
