package gomap

// replay is the content of a kind at a revision, which is pinned, in the order of
// the revisions of its versions.
type replay[T any] struct {
	rev     uint64
	single  *version[T] // of a key: all that is to be replayed; or
	slots   reader[*slot[T]]
	begun   bool
	updated []changed[T] // what is not the first of its slot
}

// changed is a slot with the revision of its version at the time that matters.
type changed[T any] struct {
	slot *slot[T]
	rev  uint64
}

func newReplay[T any](content span[*slot[T]], rev uint64) *replay[T] {
	return &replay[T]{rev: rev, slots: reader[*slot[T]]{span: content}}
}

// begin looks at all slots.
func (r *replay[T]) begin() {
	r.begun = true
	for v := range versionsAt(r.slots.span, r.rev) {
		if rev := v.rev(); rev != v.slot.since {
			r.updated = append(r.updated, changed[T]{v.slot, rev})
		}
	}
	sortByRevision(r.updated)
}

// next returns the next object, nil if there is none.
func (r *replay[T]) next() *version[T] {
	switch {
	case r.slots.span.block == nil:
		v := r.single
		r.single = nil
		return v
	case !r.begun:
		r.begin()
	}
	for {
		var next changed[T]
		first, ok := r.slots.peek()
		switch {
		case len(r.updated) > 0 && (!ok || r.updated[0].rev < first.since):
			next, r.updated = r.updated[0], r.updated[1:]
		case ok:
			next = changed[T]{first, first.since}
			r.slots.skip()
		default:
			return nil
		}
		if v := next.slot.at(r.rev); v != nil && v.rev() == next.rev {
			return v
		}
	}
}
