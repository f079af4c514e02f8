package gomap

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// parts bring the changes of a table to the cursors of a part of it, so that a write
// costs nothing for those whose part it is not in. A part is there for as long as it has
// cursors. It has a stream of its own:
//
//   - A key's is just that.
//   - An index value's is a table with the objects under the value, which shares their
//     values with the whole. So what it keeps for a slow cursor are objects of the part only.
//
// Who begins to read a part makes it known first, and then takes what is in it from the
// whole at a revision. The writer publishes a commit first, and then hands it to the
// parts that are known. So each change is in what was taken or is handed over, or both;
// what comes twice is told by its revision.
//
// Nobody waits for the writer of the whole. It waits for mu, which is held for moments.
type parts[T any] struct {
	count atomic.Int64 // of parts, raised before the revision is taken

	mu      sync.Mutex
	byKey   map[string]*keyPart[T]
	byValue map[*index[T]]map[string]*valuePart[T]
}

// keyPart is a key of which there are cursors.
type keyPart[T any] struct {
	stream[T]
	key string

	// gone is the latest deletion of the key that was cut off the log.
	gone atomic.Pointer[version[T]]
}

// valuePart is a value of an index of which there are cursors.
type valuePart[T any] struct {
	of    term[T]
	table *table[T]
	ready chan struct{} // closed when it is filled

	// Guarded by parts.mu:
	joining int // cursors that are about to join
	filling bool
	inbox   []handed[T] // while it is filled
}

// handed is a change that concerns a part.
type handed[T any] struct {
	record[T]
	left bool // the object has left the part, though it may exist
}

func (t *table[T]) joinPart(c *Cursor[T], part store.Part) error {
	if part.Index == "" {
		return t.joinKey(c, part.Key)
	}
	return t.joinValue(c, part.Index, part.Value)
}

// joinKey begins a cursor of a key.
func (t *table[T]) joinKey(c *Cursor[T], key string) error {
	ps := &t.parts
	ps.mu.Lock()
	p := ps.byKey[key]
	if p == nil {
		p = &keyPart[T]{key: key}
		p.kind, p.done, p.weight.size = t.kind, t.done, t.weight.size
		p.log.init(t.log.view().rev)
		p.deserted = func() { t.leaveKey(p) }
		if ps.byKey == nil {
			ps.byKey = make(map[string]*keyPart[T])
		}
		ps.byKey[key] = p
		ps.count.Add(1)
	}
	c.enter(&p.stream, t.log.view().rev)
	ps.mu.Unlock()
	hook(hookRegistered)
	if err := t.ended(); err != nil {
		c.leave()
		return err
	}

	// Of all changes until now, those of the key are in v.
	rev := t.log.view().rev
	v := t.get(key)
	if v != nil {
		rev = max(rev, v.rev())
	}
	c.keyed, c.known = p, v
	c.pos.Store(rev)
	if c.config.InitialReplay {
		c.replay = &replay[T]{rev: rev, single: v}
	} else {
		c.done = rev
	}
	return nil
}

func (t *table[T]) leaveKey(p *keyPart[T]) {
	ps := &t.parts
	ps.mu.Lock()
	unused := p.hub.count.Load() == 0 && ps.byKey[p.key] == p
	if unused {
		delete(ps.byKey, p.key)
		ps.count.Add(-1)
	}
	ps.mu.Unlock()
	if unused {
		t.deserted()
	}
}

// joinValue begins a cursor of an index value.
func (t *table[T]) joinValue(c *Cursor[T], name, value string) error {
	ix, err := t.index(name)
	if err != nil {
		return err
	}
	ps := &t.parts
	ps.mu.Lock()
	p := ps.byValue[ix][value]
	first := p == nil
	if first {
		p = t.addValuePart(term[T]{ix, value})
	}
	p.joining++
	ps.mu.Unlock()
	defer func() {
		ps.mu.Lock()
		p.joining--
		ps.mu.Unlock()
		t.leaveValue(p)
	}()
	hook(hookRegistered)
	if first {
		t.fill(p)
	} else {
		<-p.ready
	}
	w, pin := p.table.pin()
	defer pin.release()
	if err := p.table.join(c, w.rev); err != nil {
		return err
	}
	// The index may have been dropped, or the store closed, before the part was known.
	if _, err = t.index(name); err == nil {
		err = t.ended()
	}
	if err != nil {
		c.leave()
	}
	return err
}

// addValuePart makes a part known. The caller holds parts.mu.
func (t *table[T]) addValuePart(of term[T]) *valuePart[T] {
	p := &valuePart[T]{of: of, table: newTable(t.store, t.kind), ready: make(chan struct{}), filling: true}
	p.table.deserted = func() { t.leaveValue(p) }
	ps := &t.parts
	if ps.byValue == nil {
		ps.byValue = make(map[*index[T]]map[string]*valuePart[T])
	}
	if ps.byValue[of.index] == nil {
		ps.byValue[of.index] = make(map[string]*valuePart[T])
	}
	ps.byValue[of.index][of.value] = p
	ps.count.Add(1)
	return p
}

func (t *table[T]) leaveValue(p *valuePart[T]) {
	ps := &t.parts
	ps.mu.Lock()
	unused := p.joining == 0 && p.table.hub.count.Load() == 0 && ps.byValue[p.of.index][p.of.value] == p
	if unused {
		delete(ps.byValue[p.of.index], p.of.value)
		if len(ps.byValue[p.of.index]) == 0 {
			delete(ps.byValue, p.of.index)
		}
		ps.count.Add(-1)
	}
	ps.mu.Unlock()
	if unused {
		t.deserted()
	}
}

// fill puts the objects of a part into its table, and then what was handed over meanwhile.
func (t *table[T]) fill(p *valuePart[T]) {
	defer close(p.ready)
	w, pin := t.pin()
	var members []*version[T]
	if found, ok := p.of.index.find(p.of.value); ok {
		members = slices.Collect(versionsAt(found, w.rev))
	}
	// The table's log is in the order of revisions, and so is what a cursor replays.
	slices.SortFunc(members, func(a, b *version[T]) int { return cmp.Compare(a.rev(), b.rev()) })
	p.table.adopt(members, w.rev)
	pin.release()
	hook(hookFilled)
	for {
		t.parts.mu.Lock()
		inbox := p.inbox
		p.inbox = nil
		p.filling = len(inbox) > 0
		t.parts.mu.Unlock()
		if len(inbox) == 0 {
			return
		}
		for _, h := range inbox {
			if h.version.rev() > w.rev {
				p.table.relay(h)
			}
		}
	}
}

// adopt makes a table that is not in use one with copies of some versions, at a revision.
func (t *table[T]) adopt(members []*version[T], rev uint64) {
	t.log.init(rev)
	for _, m := range members {
		v := newVersion(m.name, m.value, m.rev(), 0)
		v.slot = t.arena.make(v, 0)
		t.content.add(v.slot)
		t.keys.put(v)
	}
	t.count = len(members)
	t.log.publish(t.count)
	t.floor.Store(rev)
}

// handOver relays committed changes to the parts that they concern.
func (t *table[T]) handOver(changes []change[T]) {
	ps := &t.parts
	if ps.count.Load() == 0 {
		return
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		if p := ps.byKey[c.made.name]; p != nil {
			p.append(record[T]{c.made, c.old})
		}
		if len(ps.byValue) == 0 {
			continue
		}
		for _, term := range c.was {
			if c.made.is(deleted) || !slices.Contains(c.terms, term) {
				ps.byValue[term.index][term.value].hand(handed[T]{record[T]{c.made, c.old}, true})
			}
		}
		if !c.made.is(deleted) {
			for _, term := range c.terms {
				ps.byValue[term.index][term.value].hand(handed[T]{record[T]{c.made, c.old}, false})
			}
		}
	}
}

// hand brings a change to a part, if there is one. The caller holds parts.mu.
func (p *valuePart[T]) hand(h handed[T]) {
	switch {
	case p == nil:
	case p.filling:
		p.inbox = append(p.inbox, h)
	default:
		p.table.relay(h)
	}
}

// relay writes a change of the whole into the table of a part.
func (t *table[T]) relay(h handed[T]) {
	c := change[T]{name: h.version.name, value: h.version.value, rev: h.version.rev(), deleted: h.left}
	c.old, c.spot = t.keys.locate(c.name)
	switch {
	case h.left && c.old == nil:
		return
	case h.left && !h.version.is(deleted):
		c.value = c.old.value // the last state that belonged to the part
	}
	t.commitOne(c)
}

// end lets the cursors of all parts, or of those of an index, know that there will be no
// more changes.
func (ps *parts[T]) end(of *index[T], err error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for ix, values := range ps.byValue {
		for _, p := range values {
			if of == nil || of == ix {
				p.table.finish(err)
			}
		}
	}
	for _, p := range ps.byKey {
		if of == nil {
			p.finish(err)
		}
	}
}

// append adds a change of the key to its stream. It is the writer's.
func (p *keyPart[T]) append(r record[T]) {
	w := p.log.view()
	switch {
	case w.length > 0 && p.allRead(w.rev):
		p.log.init(w.rev)
	case w.length > 0 && w.length&(1<<logShift-1) == 0:
		p.cut(w)
	}
	p.log.put(r)
	p.log.publish(0)
	p.hub.notify()
}

// allRead tells whether no cursor has anything left to read up to a revision.
func (p *keyPart[T]) allRead(rev uint64) bool {
	for c := range p.hub.all() {
		if c.pos.Load() < rev {
			return false
		}
	}
	return true
}

// cut cuts off what is too much for the cursors that have yet to read it.
func (p *keyPart[T]) cut(w view[T]) {
	floor := p.spare(w, 0)
	pages := 0
	for ; pages < w.pages()-1 && w.last(pages) <= floor; pages++ {
		for _, r := range w.page(pages) {
			if r.version.is(deleted) {
				p.gone.Store(r.version)
			}
		}
	}
	if pages > 0 {
		p.log.cut(pages, w.last(pages-1))
	}
}

// catchUp sets the batch of a cursor of a key that has fallen behind its log to what
// became of the key since, and moves the cursor on.
func (c *Cursor[T]) catchUp() {
	p := c.keyed
	w := p.log.view()
	gone := p.gone.Load()
	for gone != nil && gone.rev() > w.rev {
		w = p.log.view()
	}
	var latest record[T]
	for latest = range w.all() {
		if latest.version.is(deleted) {
			gone = latest.version
		}
	}
	known := c.known
	if known != nil && gone != nil && gone.rev() > c.pos.Load() {
		c.batch = append(c.batch, step[T]{record[T]{gone, known}, true})
		known = nil
	}
	c.known = nil
	if !latest.version.is(deleted) {
		c.batch = append(c.batch, step[T]{record[T]{latest.version, known}, latest.old != known})
		c.known = latest.version
	}
	c.pos.Store(w.rev)
}
