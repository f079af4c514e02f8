package informer

import (
	"context"
	"fmt"
	"sync"

	"github.com/larder-dev/larder/pkg/store"
)

// Registration is a handler's place at an informer.
type Registration struct {
	synced chan struct{}
	done   chan struct{}
	remove func()
}

// Synced returns a channel that is closed when the handler has been given the
// whole initial list, and has returned from the last call for it. It is never
// closed if the handler is removed or the informer stopped before that.
func (r *Registration) Synced() <-chan struct{} { return r.synced }

// Remove ends the calls to the handler. It returns at once, so that a handler
// may remove itself: a call that is under way may still be running afterwards,
// and no other follows. To wait for that, receive from Done. Calling Remove again
// does nothing.
func (r *Registration) Remove() { r.remove() }

// Done returns a channel that is closed when the handler will not be called any
// more and its last call has returned: after Remove, or when the informer has
// stopped.
func (r *Registration) Done() <-chan struct{} { return r.done }

// AddHandler has h called with the objects that there are and with every change
// that follows, from a goroutine of its own, until it is removed or the informer
// ends. It may be called before Start, while the informer runs, and by a handler.
// It does not block.
//
// It returns [ErrStopped] when the informer has ended, store.ErrFuncRequired for a
// nil handler, and [ErrInvalidOption].
func (i *Informer[T]) AddHandler(h Handler[T], opts HandlerOptions) (*Registration, error) {
	if h == nil {
		return nil, fmt.Errorf("informer %q: handler: %w", i.name, store.ErrFuncRequired)
	}
	return i.register(delivery[T]{handler: h}, opts)
}

// AddKeyHandler is AddHandler for who needs no more of a change than the object's
// key: no object is decoded for it. What is said of calls to a [Handler] holds for
// calls of h.
func (i *Informer[T]) AddKeyHandler(h func(KeyChange), opts HandlerOptions) (*Registration, error) {
	if h == nil {
		return nil, fmt.Errorf("informer %q: handler: %w", i.name, store.ErrFuncRequired)
	}
	return i.register(delivery[T]{keys: h}, opts)
}

// register has a delivery run, which has a handler.
func (i *Informer[T]) register(d delivery[T], opts HandlerOptions) (*Registration, error) {
	options, err := watchOptions[T](opts)
	if err != nil {
		return nil, fmt.Errorf("informer %q: %w", i.name, err)
	}
	resync := opts.Resync
	if resync == 0 {
		resync = i.resync
	}
	ctx, cancel := context.WithCancel(i.life)
	reg := &Registration{synced: make(chan struct{}), done: make(chan struct{})}
	d.shelf, d.damaged, d.options = i.shelf, i.damaged, options
	d.resync, d.listed, d.reg = resync, i.status.synced, reg
	d.meter = i.meter.handler(opts.Name)
	context.AfterFunc(ctx, func() { i.meter.forget(d.meter) })
	reg.remove = func() {
		cancel()
		i.handlers.forget(reg)
	}
	if !i.handlers.add(reg, func() { d.run(ctx) }) {
		cancel()
		return nil, fmt.Errorf("informer %q: %w", i.name, ErrStopped)
	}
	return reg, nil
}

// roster runs the deliveries to the handlers of an informer: each in a goroutine,
// and none before the informer starts.
type roster struct {
	running group

	mu      sync.Mutex
	started bool
	waiting map[*Registration]func() // until started
}

// add runs a delivery, now or from start on. It returns false when the roster is
// closed.
func (r *roster) add(reg *Registration, run func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started {
		return r.launch(reg, run)
	}
	if r.waiting == nil {
		r.waiting = map[*Registration]func(){}
	}
	r.waiting[reg] = run
	return true
}

// launch runs a delivery in a goroutine.
func (r *roster) launch(reg *Registration, run func()) bool {
	if !r.running.enter() {
		return false
	}
	go func() {
		defer r.running.leave()
		defer close(reg.done)
		run()
	}()
	return true
}

// forget drops a delivery that still waits for start.
func (r *roster) forget(reg *Registration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waits := r.waiting[reg]; waits {
		delete(r.waiting, reg)
		close(reg.done)
	}
}

// start runs the deliveries that wait for it.
func (r *roster) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = true
	for reg, run := range r.waiting {
		r.launch(reg, run)
	}
	r.waiting = nil
}

// close lets no delivery begin any more and waits for those that run.
func (r *roster) close() { r.running.close() }
