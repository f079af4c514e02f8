package gomap

// remnant is a version that keeps others behind it for readers, or a slot that has
// ended and is still to be read.
type remnant[T any] struct {
	version  *version[T]
	ended    *slot[T]      // or nil
	postings []*posting[T] // that have it
}

// remnants are those of a table. Now and then all of them are looked at, a few at a
// time: when a pin is gone, or when there are so many new ones that others must have
// been left behind, by newer versions that took their place.
type remnants[T any] struct {
	list     []remnant[T]
	known    pins // at the last look
	unpinned bool // some are gone since the present round began
	thorough bool // the present round looks for what no pin needs any more
	unseen   int  // in the present round: the first so many
	left     int  // after the last round
}

func (r *remnants[T]) none() bool { return len(r.list) == 0 }

func (r *remnants[T]) add(e remnant[T]) { r.list = append(r.list, e) }

// revisit looks at up to so many. letGo gives up what no pin needs any more, and tells
// whether that is all there was.
func (r *remnants[T]) revisit(count int, ps pins, letGo func(remnant[T], pins) bool) {
	r.unpinned = r.unpinned || r.known.without(ps)
	r.known = ps
	for ; count > 0 && r.due(); count-- {
		r.unseen--
		if e := r.list[r.unseen]; e.version.is(dropped) || r.thorough && letGo(e, ps) {
			last := len(r.list) - 1
			r.list[r.unseen] = r.list[last]
			r.list[last] = remnant[T]{}
			r.list = r.list[:last]
		}
		if r.unseen == 0 {
			r.left = len(r.list)
		}
	}
	if r.none() {
		*r = remnants[T]{known: r.known}
	}
}

// due tells whether there is one to be looked at, and begins another round if there
// is a reason to.
func (r *remnants[T]) due() bool {
	if r.unseen == 0 && (r.unpinned || len(r.list) > 2*r.left+minRecords) {
		r.unseen, r.thorough, r.unpinned = len(r.list), r.unpinned, false
	}
	return r.unseen > 0
}
