package workqueue

import "time"

// delays is a min-heap of delayed entries: by due time, then by arrival. It is four entries wide and keeps
// the times beside the pointers, so that sifting touches one or two cache lines a level and no entry but
// those that move.
type delays[T comparable] struct {
	slots []delay[T]
}

type delay[T comparable] struct {
	due   time.Duration // the entry's at
	entry *entry[T]
}

// fanout is the width of the heap.
const fanout = 4

func (a delay[T]) before(b delay[T]) bool {
	return a.due < b.due || a.due == b.due && a.entry.seq < b.entry.seq
}

func (h *delays[T]) len() int { return len(h.slots) }

// first returns the entry that is due next. The heap must not be empty.
func (h *delays[T]) first() *entry[T] { return h.slots[0].entry }

// push adds e under its due time.
func (h *delays[T]) push(e *entry[T]) {
	h.slots = append(h.slots, delay[T]{})
	h.up(len(h.slots)-1, delay[T]{due: e.at, entry: e})
}

// update moves e after a change of its due time.
func (h *delays[T]) update(e *entry[T]) {
	h.place(int(e.slot), delay[T]{due: e.at, entry: e})
}

// remove takes e out.
func (h *delays[T]) remove(e *entry[T]) {
	last := len(h.slots) - 1
	moved := h.slots[last]
	h.slots[last] = delay[T]{}
	h.slots = h.slots[:last]
	if slot := int(e.slot); slot < last {
		h.place(slot, moved)
	}
}

// place puts d where it belongs, starting from a free slot.
func (h *delays[T]) place(slot int, d delay[T]) {
	if slot > 0 && d.before(h.slots[(slot-1)/fanout]) {
		h.up(slot, d)
	} else {
		h.down(slot, d)
	}
}

func (h *delays[T]) up(slot int, d delay[T]) {
	for slot > 0 {
		parent := (slot - 1) / fanout
		if !d.before(h.slots[parent]) {
			break
		}
		h.set(slot, h.slots[parent])
		slot = parent
	}
	h.set(slot, d)
}

func (h *delays[T]) down(slot int, d delay[T]) {
	for {
		child := slot*fanout + 1
		if child >= len(h.slots) {
			break
		}
		least := child
		for c := child + 1; c < min(child+fanout, len(h.slots)); c++ {
			if h.slots[c].before(h.slots[least]) {
				least = c
			}
		}
		if !h.slots[least].before(d) {
			break
		}
		h.set(slot, h.slots[least])
		slot = least
	}
	h.set(slot, d)
}

func (h *delays[T]) set(slot int, d delay[T]) {
	h.slots[slot] = d
	d.entry.slot = int32(slot)
}
