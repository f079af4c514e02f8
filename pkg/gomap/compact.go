package gomap

import (
	"slices"
	"sort"
)

// How old versions go, and how cursors keep those that they still need.
//
// The log holds superseded versions until there are too many of them. Then the
// writer makes a block without those that nothing needs any more. Readers that
// have a view are not affected: they have the old block. Cursors, which will read
// the new one, are. Two things are kept for them:
//
//   - What is within a cursor's buffer. Every version after the lowest position of
//     a cursor that is not further behind than its buffer stays, linked to its
//     predecessor. The revision from which on that holds is the block's floor.
//   - What a cursor saw last. A cursor below the floor is told of each key once, as
//     a change from the version it knows to the latest. It knows a version if its
//     position lies between the version's revision and its until. Such a version
//     stays linked behind the latest one, and the deletion of a key whose life
//     it knows stays in the log.
//
// So the writer has to know the cursors' positions while cursors move. A cursor
// moves from pos to next by reading the log in between, without a lock:
//
//	cursor                                     compaction
//	c := compactions; if odd, wait for mu      compactions++ (odd)
//	read the log from pos on                   read every cursor's pos and next
//	set next                                   unlink and leave out versions
//	if compactions != c, start again           publish the block
//	set pos to next                            compactions++ (even)
//
// If the cursor's second look finds the counter unchanged, any compaction that
// is to come will see its next, and none disturbed its reading. Meanwhile pos is
// in force, so that a cursor that starts again finds what it needs.

// minGarbage is how many superseded versions a log may hold however few keys.
const minGarbage = 256

// compact looks whether the log has many superseded versions, and leaves out
// those that can go.
func (t *table[T]) compact() {
	w := t.view()
	if spare := w.keys/4 + minGarbage - (w.length - w.keys); spare > 0 {
		t.compactAt = w.length + spare
		return
	}
	t.compactions.Add(1)
	pins, floor := t.hub.needs(w)

	kept := make([]*version[T], 0, w.keys+minGarbage)
	for i := range w.length {
		v := w.at(i)
		switch {
		case v.rev > floor, v.heldAt(w.rev), v.deleted && pins.within(v.born, v.rev):
			v.unlink(pins, floor)
			kept = append(kept, v)
		case v.deleted && v.entry.value.Load() == v:
			t.keys.remove(v.entry)
		}
	}
	t.keys.trim()

	b := newBlock[T](len(kept)+len(kept)/4+minGarbage, w.rev, floor)
	for i, v := range kept {
		b.put(i, v)
	}
	b.state.Store(packState(len(kept), w.keys))
	t.log.Store(b)
	t.compactions.Add(1)
	t.compactAt = len(kept) + len(kept)/4 + minGarbage
}

// unlink takes those versions out of the chain behind v that no cursor needs.
func (v *version[T]) unlink(pins pins, floor uint64) {
	last := v
	for p := v.prev.Load(); p != nil; p = p.prev.Load() {
		direct := last == v && p.until.Load() == v.rev
		if direct && v.rev > floor || pins.within(p.rev, p.until.Load()) {
			last.prev.Store(p)
			last = p
		}
		if p.rev > floor {
			return // what is behind p was seen to when p was
		}
	}
	last.prev.Store(nil)
}

// pins are the positions of cursors, in order.
type pins []uint64

// within tells whether there is a position p with from <= p < until.
func (ps pins) within(from, until uint64) bool {
	i := sort.Search(len(ps), func(i int) bool { return ps[i] >= from })
	return i < len(ps) && ps[i] < until
}

// needs returns the cursors' positions, and the floor for a block made of w.
func (h *hub[T]) needs(w view[T]) (pins, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	floor := w.rev
	var ps pins
	for c := range h.cursors {
		pos, next := c.pos.Load(), c.next.Load()
		ps = append(ps, pos, next)
		behind := w.length - w.after(pos)
		if pos >= w.block.floor && behind <= c.config.BufferSize {
			floor = min(floor, pos)
		}
	}
	slices.Sort(ps)
	return slices.Compact(ps), floor
}
