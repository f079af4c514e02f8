package informer

import (
	"fmt"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/store"
)

// Registration is a handler's place at an informer.
type Registration struct{ core *core.Registration }

// Synced returns a channel that is closed when the handler has been given the
// whole initial list, and has returned from the last call for it. It is never
// closed if the handler is removed or the informer stopped before that.
func (r *Registration) Synced() <-chan struct{} { return r.core.Synced() }

// Remove ends the calls to the handler. It returns at once, so that a handler
// may remove itself: a call that is under way may still be running afterwards,
// and no other follows. To wait for that, receive from Done. Calling Remove again
// does nothing.
func (r *Registration) Remove() { r.core.Remove() }

// Done returns a channel that is closed when the handler will not be called any
// more and its last call has returned: after Remove, or when the informer has
// stopped.
func (r *Registration) Done() <-chan struct{} { return r.core.Done() }

// AddHandler has h called with the objects that there are and with every change
// that follows, from a goroutine of its own, until it is removed or the informer
// ends. It may be called before Start, while the informer runs, and by a handler.
// It does not block.
//
// It returns [ErrStopped] when the informer has ended, store.ErrFuncRequired for a
// nil handler, and [ErrInvalidOption].
func (i *Informer[T]) AddHandler(h Handler[T], opts HandlerOptions) (*Registration, error) {
	if h == nil {
		return nil, fmt.Errorf("informer %q: handler: %w", i.Name(), store.ErrFuncRequired)
	}
	return i.register(delivery[T]{informer: i, handler: h}.tell, opts)
}

// AddKeyHandler is AddHandler for who needs no more of a change than the object's
// key: no object is decoded for it. What is said of calls to a [Handler] holds for
// calls of h.
func (i *Informer[T]) AddKeyHandler(h func(KeyChange), opts HandlerOptions) (*Registration, error) {
	if h == nil {
		return nil, fmt.Errorf("informer %q: handler: %w", i.Name(), store.ErrFuncRequired)
	}
	return i.register(func(n core.Notice) {
		h(KeyChange{Key: n.Name, Type: n.EventType, Unchanged: n.Initial || n.Resync})
	}, opts)
}

func (i *Informer[T]) register(tell func(core.Notice), opts HandlerOptions) (*Registration, error) {
	options, err := opts.complete(i.resync)
	if err != nil {
		return nil, fmt.Errorf("informer %q: %w", i.Name(), err)
	}
	options.Logger = i.logger
	reg, err := i.core.AddHandler(tell, options)
	if err != nil {
		return nil, err
	}
	return &Registration{reg}, nil
}

// delivery calls a handler with what an informer tells.
type delivery[T Object] struct {
	informer *Informer[T]
	handler  Handler[T]
}

// tell calls the handler for one notice. An object that cannot be decoded is left out: the
// handler never had it, or will be told when a list has mended it.
func (d delivery[T]) tell(n core.Notice) {
	obj, ok := d.informer.open(n.Name, n.Object)
	if !ok {
		return
	}
	switch {
	case n.Resync:
		d.handler.OnUpdate(obj, obj)
	case n.EventType == store.EventTypeCreate:
		d.handler.OnAdd(obj, n.Initial)
	case n.EventType == store.EventTypeDelete:
		d.handler.OnDelete(obj)
	case n.EventType == store.EventTypeUpdate:
		d.update(n, obj)
	}
}

// update calls the handler for an update to obj.
func (d delivery[T]) update(n core.Notice, obj T) {
	old, ok := d.informer.open(n.Name, n.Old)
	if ok && old.GetUID() == obj.GetUID() {
		d.handler.OnUpdate(old, obj)
		return
	}
	if ok {
		d.handler.OnDelete(old)
	}
	d.handler.OnAdd(obj, false)
}
