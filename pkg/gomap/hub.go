package gomap

import "sync"

// hub wakes the cursors of a table. A writer only leaves a signal, so that the
// cost of a write does not depend on the number of cursors; a goroutine, which
// runs as long as there are cursors, passes it on.
type hub[T any] struct {
	signal chan struct{} // holds one

	mu      sync.Mutex
	cursors map[*Cursor[T]]struct{}
	stop    chan struct{} // of the goroutine that runs, nil if none does
}

func newHub[T any]() hub[T] {
	return hub[T]{signal: make(chan struct{}, 1), cursors: make(map[*Cursor[T]]struct{})}
}

// notify has the cursors woken. It does not block.
func (h *hub[T]) notify() {
	select {
	case h.signal <- struct{}{}:
	default:
	}
}

func (h *hub[T]) join(c *Cursor[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cursors[c] = struct{}{}
	if h.stop == nil {
		h.stop = make(chan struct{})
		go h.run(h.stop)
	}
}

func (h *hub[T]) leave(c *Cursor[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.cursors, c)
	if len(h.cursors) == 0 {
		h.halt()
	}
}

// close wakes the cursors a last time.
func (h *hub[T]) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.halt()
	for c := range h.cursors {
		c.wake()
	}
}

// halt ends the goroutine, if it runs. The caller holds mu.
func (h *hub[T]) halt() {
	if h.stop != nil {
		close(h.stop)
		h.stop = nil
	}
}

func (h *hub[T]) run(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-h.signal:
			h.mu.Lock()
			for c := range h.cursors {
				c.wake()
			}
			h.mu.Unlock()
		}
	}
}
