package gomap

import (
	"slices"
	"sync/atomic"
)

// history is what a table keeps for its readers: the latest changes, in a log, and
// behind that those older versions that somebody may still read.
//
// A key's latest version is in its slot; the one before it stays behind it in a chain,
// and in the log as what a record replaced. The log keeps some of the latest records,
// and those that a cursor is to be told one by one. The rest is cut off the front. When
// a record is cut off, the versions that it made old are unlinked, but for those that
// somebody may still read:
//
//   - A reader of the kind at a revision pins it, for the time of the reading.
//   - A snapshot holds its revision until it is closed, or collected.
//   - A cursor keeps the revision that it has reached, which is its position. If the
//     log was cut off beyond that, it reads a digest instead, which holds its own: it is
//     told of each key once, as a change from the version that the key had at the one
//     revision to what it had at the other.
//
// All three are pins. A version is needed if a pin is neither before its revision nor
// after that of the next one in the chain; a slot, if a pin is neither before it began
// nor after it ended; the last slot of a key, if one is neither before the key's life
// began nor after it ended. What is needed when its record goes is a keepsake of the
// newest pin that needs it. When that pin is gone, it is looked at again, and let go or put
// to an older one. (ZFS keeps lists of dead blocks by the same rule: see dsl_deadlist.c.)
//
// # How a revision is pinned while the log is cut off
//
//	reader                                     writer
//	rev := the published revision              floor := the last revision to be cut off
//	pin rev                                    publish floor
//	if floor > rev, release, start again       read all pins
//
// If the reader finds a lower floor, any look of the writer at the pins that could
// harm it is still to come, and will see its pin. A cursor does the same to move on: it
// pins the next revision, looks at the floor, and sets its position before it releases
// the pin. It does so, too, to join the hub. That is why the writer reads the positions
// of the cursors after the pins: whoever goes from one to the other is seen at least once.
//
// So the pins below the floor can only become fewer.
type history[T any] struct {
	stream[T]
	board *board        // of the store
	holds holds         // of snapshots and digests
	floor atomic.Uint64 // versions that were replaced up to it may be unlinked

	// The writer's own:
	written int                           // versions since the last cut
	endings fifo[ending[T]]               // slots that ended, whose last records are in the log
	kept    map[uint64]*fifo[keepsake[T]] // by the pin
	loose   fifo[keepsake[T]]             // is kept for a pin that is gone
	next    map[*version[T]]*version[T]   // of a version that is kept, the one that has it behind it
	retire  func(ending[T])               // is told of a slot that nobody needs
}

// ending is a slot that has ended.
type ending[T any] struct {
	slot     *slot[T]
	last     *version[T]   // is marked ended
	postings []*posting[T] // that have the slot
}

// keepsake is what a pin keeps: a version that was replaced, or a slot that ended.
type keepsake[T any] struct {
	version *version[T] // or
	ending  *ending[T]
}

const (
	// A log keeps a quarter as many records as there are keys and minRecords, but not
	// more than maxRecords, for those who resume and for the order of keys.
	minRecords = 128
	maxRecords = 8192

	// cutAfter is how many writes there are between two cuts, which do work for
	// workPerWrite times as many records, and look at as many keepsakes.
	cutAfter     = 1 << logShift
	workPerWrite = 4

	// cursorsPerWrite is how many cursors a cut looks at for each write.
	cursorsPerWrite = 8
)

// pin pins the newest revision for one reading. The caller releases it.
func (h *history[T]) pin() (view[T], pin) {
	for {
		w := h.log.view()
		hook(hookViewed)
		p := h.board.take(w.rev)
		if h.floor.Load() <= w.rev {
			return w, p
		}
		p.release()
	}
}

// hold pins the newest revision for longer.
func (h *history[T]) hold() (view[T], pin) {
	w, p := h.pin()
	defer p.release()
	return w, h.holds.take(w.rev)
}

// move brings a cursor to a later revision. It returns false if what it would keep
// there may have been unlinked while it read.
func (h *history[T]) move(c *Cursor[T], rev uint64) bool {
	hook(hookRead)
	p := h.board.take(rev)
	defer p.release()
	if h.floor.Load() > rev {
		return false
	}
	hook(hookAllowed)
	c.pos.Store(rev)
	return true
}

// pinned returns the pins at revisions below one, which is not above the floor.
func (h *history[T]) pinned(low uint64) pins {
	ps := h.holds.below(low, h.board.below(low))
	hook(hookPinsRead)
	for c := range h.hub.all() {
		if pos := c.pos.Load(); pos < low {
			ps = append(ps, pos)
		}
	}
	slices.Sort(ps)
	return slices.Compact(ps)
}

// cut is called after each commit. It does a little for every few writes, so that none
// waits for long, and tells whether it did.
func (h *history[T]) cut(written int) bool {
	if h.written += written; h.written < cutAfter+int(h.hub.count.Load())/cursorsPerWrite {
		return false
	}
	work := workPerWrite * h.written
	h.written = 0
	w := h.log.view()
	pages := 0
	if floor := h.spare(w, min(minRecords+w.keys/4, maxRecords)); floor > 0 {
		for pages < work>>logShift && w.last(pages) <= floor {
			pages++
		}
	}
	if pages == 0 {
		h.look(work)
		return true
	}
	low := w.last(pages - 1)
	h.floor.Store(low)
	ps := h.pinned(low)
	for i := range pages {
		for _, r := range w.page(i) {
			// What is further behind was seen to when the record of prev was cut off.
			if r.old != nil {
				h.replaced(r.old, r.version, ps)
			}
		}
	}
	h.log.cut(pages, low)
	for e, ok := h.endings.peek(); ok && e.last.rev() <= low; e, ok = h.endings.peek() {
		h.endings.pop()
		h.keep(keepsake[T]{ending: &e}, ps)
	}
	h.lookAt(work, ps)
	return true
}

// look lets go up to so much of what was kept for pins that are gone.
func (h *history[T]) look(work int) {
	if len(h.kept) > 0 || !h.loose.empty() {
		h.lookAt(work, h.pinned(h.floor.Load()))
	}
}

func (h *history[T]) lookAt(work int, ps pins) {
	for rev, list := range h.kept {
		if !ps.has(rev) {
			h.loose.take(list)
			delete(h.kept, rev)
		}
	}
	for ; work > 0 && !h.loose.empty(); work-- {
		h.keep(h.loose.pop(), ps)
	}
}

// replaced is called when the record of a version is cut off that took the place of old.
func (h *history[T]) replaced(old, by *version[T], ps pins) {
	if pin, needed := ps.between(old.rev(), by.rev()); needed {
		if h.next == nil {
			h.next = make(map[*version[T]]*version[T])
		}
		h.next[old] = by
		h.put(keepsake[T]{version: old}, pin)
		return
	}
	h.unlink(old, by)
}

// keep lets a keepsake go that no pin needs any more, and else puts it to the newest that
// does.
func (h *history[T]) keep(k keepsake[T], ps pins) {
	if old := k.version; old != nil {
		by := h.next[old]
		if pin, needed := ps.between(old.rev(), by.rev()); needed {
			h.put(k, pin)
		} else {
			h.unlink(old, by)
		}
		return
	}
	e := k.ending
	// Whoever saw a key in an earlier slot is to be told that it was deleted.
	from := e.slot.since
	if e.last.is(deleted) {
		from = e.last.oldest().rev()
	}
	pin, needed := ps.between(from, e.last.rev())
	if !needed {
		h.retire(*e)
		return
	}
	if e.last.is(moved) {
		// Its chain is that of the key's next slot, out of which goes what nobody needs.
		e.last.prev.Store(e.last.prev.Load().at(pin))
	}
	h.put(k, pin)
}

// put makes something a keepsake of a pin.
func (h *history[T]) put(k keepsake[T], pin uint64) {
	if h.kept == nil {
		h.kept = make(map[uint64]*fifo[keepsake[T]])
	}
	list := h.kept[pin]
	if list == nil {
		list = new(fifo[keepsake[T]])
		h.kept[pin] = list
	}
	list.push(k)
}

// unlink takes a version out of the chain behind the one that took its place. Readers that
// are past that may still hold it.
func (h *history[T]) unlink(old, by *version[T]) {
	prev := old.prev.Load()
	by.mark(skipped)
	by.prev.Store(prev)
	if delete(h.next, old); prev != nil {
		h.next[prev] = by
	}
	if len(h.next) == 0 {
		h.next = nil
	}
}
