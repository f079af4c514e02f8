package workqueue

import "time"

// delays is a min-heap of delayed entries: by due time, then by arrival. It is four entries wide and keeps
// the times beside the ids, so that sifting touches one or two cache lines a level and no entry but
// those that move.
type delays[T comparable] struct {
	items *items[T]
	slots []delay
}

type delay struct {
	due time.Duration // on the queue's clock
	id  uint32        // of the entry
}

// fanout is the width of the heap.
const fanout = 4

func (h *delays[T]) before(a, b delay) bool {
	return a.due < b.due || a.due == b.due && h.items.at(a.id).seq < h.items.at(b.id).seq
}

func (h *delays[T]) len() int { return len(h.slots) }

// first returns the entry that is due next. The heap must not be empty.
func (h *delays[T]) first() *entry[T] { return h.items.at(h.slots[0].id) }

// due returns when e is due.
func (h *delays[T]) due(e *entry[T]) time.Duration { return h.slots[e.slot].due }

// push adds e.
func (h *delays[T]) push(e *entry[T], due time.Duration) {
	h.slots = append(h.slots, delay{})
	h.up(len(h.slots)-1, delay{due: due, id: e.id})
}

// move changes when e is due.
func (h *delays[T]) move(e *entry[T], due time.Duration) {
	h.place(int(e.slot), delay{due: due, id: e.id})
}

// remove takes e out.
func (h *delays[T]) remove(e *entry[T]) {
	last := len(h.slots) - 1
	moved := h.slots[last]
	h.slots = h.slots[:last]
	if slot := int(e.slot); slot < last {
		h.place(slot, moved)
	}
}

// place puts d where it belongs, starting from a free slot.
func (h *delays[T]) place(slot int, d delay) {
	if slot > 0 && h.before(d, h.slots[(slot-1)/fanout]) {
		h.up(slot, d)
	} else {
		h.down(slot, d)
	}
}

func (h *delays[T]) up(slot int, d delay) {
	for slot > 0 {
		parent := (slot - 1) / fanout
		if !h.before(d, h.slots[parent]) {
			break
		}
		h.set(slot, h.slots[parent])
		slot = parent
	}
	h.set(slot, d)
}

func (h *delays[T]) down(slot int, d delay) {
	for {
		child := slot*fanout + 1
		if child >= len(h.slots) {
			break
		}
		least := child
		for c := child + 1; c < min(child+fanout, len(h.slots)); c++ {
			if h.before(h.slots[c], h.slots[least]) {
				least = c
			}
		}
		if !h.before(h.slots[least], d) {
			break
		}
		h.set(slot, h.slots[least])
		slot = least
	}
	h.set(slot, d)
}

func (h *delays[T]) set(slot int, d delay) {
	h.slots[slot] = d
	h.items.at(d.id).slot = uint32(slot)
}
