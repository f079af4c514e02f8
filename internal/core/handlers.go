package core

import (
	"fmt"
	"sync"
	"time"
)

// handlers are those of an informer. The delivery to one begins when there is a list in the
// store that can be read in the handler's form, so that its replay is the initial list, and
// nothing that follows is missed.
type handlers struct {
	informer string
	objects  Objects
	serves   func(Form) bool // tells whether what is listed can be read in a form
	running  sync.WaitGroup  // the deliveries

	mu      sync.Mutex
	phase   phase
	members map[*Registration]struct{}
}

// add takes in a handler.
func (h *handlers) add(r *Registration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.phase {
	case stopped:
		return fmt.Errorf("informer %q: %w", h.informer, ErrStopped)
	case listed:
		if err := h.launch(r); err != nil {
			return err
		}
	}
	if h.members == nil {
		h.members = map[*Registration]struct{}{}
	}
	h.members[r] = struct{}{}
	return nil
}

// launch begins the delivery to a handler at the present state of the store, if that can be
// read in its form.
func (h *handlers) launch(r *Registration) error {
	if r.cursor != nil || !h.serves(r.opts.Form) {
		return nil
	}
	if err := r.open(); err != nil {
		return err
	}
	h.running.Go(r.run)
	return nil
}

// remove ends the delivery to a handler, without waiting for it.
func (h *handlers) remove(r *Registration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.members[r]; ok {
		delete(h.members, r)
		r.leave()
	}
}

// listed begins the deliveries that wait for a list.
func (h *handlers) listed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == stopped {
		return
	}
	h.phase = listed
	for r := range h.members {
		if err := h.launch(r); err != nil {
			r.opts.Logger.Error(err, "No changes for a handler", "informer", h.informer)
		}
	}
}

// stop ends the deliveries, and waits for them.
func (h *handlers) stop() {
	h.mu.Lock()
	h.phase = stopped
	for r := range h.members {
		r.leave()
	}
	h.members = nil
	h.mu.Unlock()
	h.running.Wait()
}

func (h *handlers) isStopped() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.phase == stopped
}

// all returns the registrations.
func (h *handlers) all() []*Registration {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*Registration, 0, len(h.members))
	for r := range h.members {
		all = append(all, r)
	}
	return all
}

// afterCrash is how long a handler is left alone that has panicked, as with client-go.
const afterCrash = time.Second
