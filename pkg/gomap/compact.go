package gomap

import "slices"

// How old versions go, and how readers keep those that they still need.
//
// A key's latest version is in its slot; the one before it stays behind it in a
// chain, and in the log as what a record replaced. The log keeps some of the latest
// records, and those that a cursor is to be told one by one: it is not further behind
// than its buffer. The rest is cut off the front. When a record is cut off, the
// versions that it made old go, but for those that somebody may still read:
//
//   - A reader of the kind at a revision pins it, for the time of the reading.
//   - A snapshot pins its revision until it is closed, or collected.
//   - A cursor pins the revision that it has reached. If the log was cut off beyond
//     that, it reads a digest instead, which pins its own: it is told of each key once,
//     as a change from the version that the key had at the one revision to what it had
//     at the other.
//
// A version is needed if a pin is neither before its revision nor after that of the
// next one in the chain. What is needed when its record goes is a remnant, and looked
// at again when pins are gone. The same holds for slots that have ended.
//
// A reader pins a revision without a lock, while records are cut off:
//
//	reader                                     writer
//	rev := the published revision              floor := the last revision to be cut off
//	pin rev                                    publish floor
//	if floor > rev, unpin, start again         read all pins
//
// If the reader finds a lower floor, any look of the writer at the pins that could
// harm it is still to come, and will see its pin. A cursor does the same to move on: it
// pins the next revision, looks at the floor, and sets its position before it unpins.
// The writer reads the cursors' positions after the pins.

const (
	// A log keeps a quarter as many records as there are keys and minRecords, but not
	// more than maxRecords, for those who resume and for the order of keys.
	minRecords = 128
	maxRecords = 8192

	// compactAfter is how many writes there are between two compactions, which do work
	// for workPerWrite times as many records, and look at as many remnants.
	compactAfter = 1 << logShift
	workPerWrite = 4

	// cursorsPerWrite is how many cursors a compaction looks at for each write.
	cursorsPerWrite = 8
)

// compact is called after each commit. It does a little for every few writes, so that
// none waits for long.
func (t *table[T]) compact() {
	if t.written < compactAfter+int(t.hub.count.Load())/cursorsPerWrite {
		return
	}
	work := workPerWrite * t.written
	t.written = 0
	w := t.log.view()
	cut := 0
	if floor := t.spare(w); floor > 0 {
		for cut < min(work>>logShift, w.pages()-1) && w.last(cut) <= floor {
			cut++
		}
	}
	if cut == 0 && t.remnants.none() {
		return
	}
	low := w.block.low
	if cut > 0 {
		low = w.last(cut - 1)
		t.floor.Store(low)
	}
	ps := t.pinned(low)
	for i := range cut {
		for _, r := range w.page(i) {
			if !r.version.is(ended) && r.version.pass(ps) {
				t.remnants.add(remnant[T]{version: r.version})
			}
		}
	}
	if cut > 0 {
		t.log.cut(cut, low)
		t.bury(low, ps)
	}
	t.remnants.revisit(work, ps, t.letGo)
}

// spare returns the revision up to which the log may be cut off.
func (t *table[T]) spare(w view[T]) uint64 {
	keep := min(minRecords+w.keys/4, maxRecords)
	spare := t.log.total - keep
	if spare <= 0 {
		return 0
	}
	floor := uint64(0)
	for i := 0; i < w.pages() && spare >= len(w.page(i)); i++ {
		spare -= len(w.page(i))
		floor = w.last(i)
	}
	return t.hub.spare(w, floor)
}

// pinned returns the pins at revisions below one.
func (t *table[T]) pinned(low uint64) pins {
	ps := t.board.below(low)
	ps = t.hub.below(low, ps) // after the pins: a cursor may go from one to the other
	slices.Sort(ps)
	return slices.Compact(ps)
}

// bury sees to the slots that ended up to a revision.
func (t *table[T]) bury(low uint64, ps pins) {
	n := 0
	for n < len(t.endings) && t.endings[n].version.rev() <= low {
		if e := t.endings[n]; !t.letGo(e, ps) {
			t.remnants.add(e)
		}
		n++
	}
	clear(t.endings[:n])
	if t.endings = t.endings[n:]; len(t.endings) == 0 {
		t.endings = nil
	}
}

// letGo gives up what no pin needs any more, and tells whether that is all there was.
func (t *table[T]) letGo(r remnant[T], ps pins) bool {
	switch {
	case r.ended == nil:
		return !r.version.unlink(ps)
	case r.version.is(moved) && r.version.shorten(ps, r.ended.since),
		r.version.is(deleted) && r.version.unlink(ps):
		return false
	}
	r.ended.cur.Store(&t.nothing)
	t.content.leave()
	for _, p := range r.postings {
		p.leave()
	}
	return true
}
