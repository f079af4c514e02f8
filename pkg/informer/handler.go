package informer

import "github.com/larder-dev/larder/pkg/store"

// Handler is told of the changes of an informer's objects. An informer calls a
// handler from one goroutine, never twice at a time; different handlers run side
// by side. The objects are shared: treat them as immutable.
//
// A handler that keeps a copy of what it is given has, after each call, a state
// that the informer had: old in OnUpdate is what the call before said, if not the
// same copy of it.
//
// A panic in a handler ends the process, after it was logged, as it does with
// client-go's informers: nobody else could tell what state the handler is in.
// (The switch is client-go's own, runtime.ReallyCrash of apimachinery; where that
// is off the panic is logged and the next change delivered.)
type Handler[T Object] interface {
	// OnAdd reports an object that the handler does not have. isInInitialList
	// tells that it was there when the handler began.
	OnAdd(obj T, isInInitialList bool)
	// OnUpdate reports a new state of an object. A resync calls it with the same
	// object twice. An object that was deleted and created anew under the same
	// name is reported by OnDelete and OnAdd instead, also when a gap hid the
	// deletion.
	OnUpdate(oldObj, newObj T)
	// OnDelete reports that an object is gone, or has left the informer's
	// selectors, with the last state that the informer had of it.
	OnDelete(obj T)
}

// KeyChange is what a key handler is told of a change.
type KeyChange struct {
	// Key is the object's [Key].
	Key string
	// Type is EventTypeCreate, EventTypeUpdate or EventTypeDelete. An object that was
	// deleted and created anew may be an update.
	Type store.EventType
	// Unchanged tells that nothing happened to the object: it was there when the
	// handler began, or this is a resync.
	Unchanged bool
}

// HandlerFuncs makes a [Handler] of functions. Those that are nil are not called.
type HandlerFuncs[T Object] struct {
	AddFunc    func(obj T, isInInitialList bool)
	UpdateFunc func(oldObj, newObj T)
	DeleteFunc func(obj T)
}

// OnAdd calls AddFunc.
func (h HandlerFuncs[T]) OnAdd(obj T, isInInitialList bool) {
	if h.AddFunc != nil {
		h.AddFunc(obj, isInInitialList)
	}
}

// OnUpdate calls UpdateFunc.
func (h HandlerFuncs[T]) OnUpdate(oldObj, newObj T) {
	if h.UpdateFunc != nil {
		h.UpdateFunc(oldObj, newObj)
	}
}

// OnDelete calls DeleteFunc.
func (h HandlerFuncs[T]) OnDelete(obj T) {
	if h.DeleteFunc != nil {
		h.DeleteFunc(obj)
	}
}
