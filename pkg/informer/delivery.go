package informer

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/runtime"

	"github.com/larder-dev/larder/pkg/store"
)

// delivery calls one handler with the changes of one informer.
//
// It begins when the first list is in the store, so that the replay of its
// cursor is the initial list. Its goroutine is the only one that calls the
// handler, with what its cursor says; everything that a handler is told is
// therefore in order, and exact from the handler's point of view.
type delivery[T Object] struct {
	shelf   shelf[T]
	handler Handler[T] // or
	keys    func(KeyChange)
	damaged func(key string, err error)
	options []store.WatchOption[T]
	resync  time.Duration   // zero or less: never
	listed  <-chan struct{} // closed when the first list is in the store
	reg     *Registration
	meter   *handlerMeter
}

// run delivers until ctx is done.
func (d *delivery[T]) run(ctx context.Context) {
	select {
	case <-d.listed:
	case <-ctx.Done():
		return
	}
	cursor, err := d.shelf.follow(d.options...)
	if err != nil {
		runtime.HandleErrorWithContext(ctx, err, "No changes for a handler")
		return
	}
	defer cursor.Close()

	var due <-chan time.Time
	if d.resync > 0 {
		ticker := time.NewTicker(d.resync)
		defer ticker.Stop()
		due = ticker.C
	}
	initial := true
	take := func(event change[T]) bool {
		if ctx.Err() != nil {
			return false
		}
		if event.eventType == store.EventTypeSync {
			initial = false
			close(d.reg.synced)
		} else {
			d.deliver(ctx, event, initial)
		}
		d.meter.delivered.Store(event.revision)
		return true
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-cursor.Ready():
			d.changes(cursor, take)
		case <-due:
			d.everything(ctx, cursor, take)
		}
	}
}

// changes delivers what there is to be read from the cursor.
func (d *delivery[T]) changes(cursor follower[T], take func(change[T]) bool) {
	cursor.each(take)
	d.meter.delivered.Store(cursor.Revision()) // there may be changes that come to nothing
}

// everything delivers each object once more. The snapshot that it delivers is
// the state that the handler has: it is of the cursor's own revision. When a
// change comes between the two, that is delivered first.
func (d *delivery[T]) everything(ctx context.Context, cursor follower[T], take func(change[T]) bool) {
	for done := false; !done && ctx.Err() == nil; {
		d.changes(cursor, take)
		done = d.repeat(ctx, d.shelf.view(), cursor.Revision())
	}
}

// repeat delivers the objects of a view once more, if it is of a revision.
func (d *delivery[T]) repeat(ctx context.Context, v view[T], revision uint64) bool {
	defer v.close()
	if v.revision != revision {
		return false
	}
	for key, obj := range v.objects {
		if ctx.Err() != nil {
			break
		}
		d.deliver(ctx, change[T]{eventType: store.EventTypeUpdate, key: key, object: obj, old: obj}, true)
	}
	return true
}

// deliver calls the handler for one event. unchanged tells that nothing happened.
func (d *delivery[T]) deliver(ctx context.Context, event change[T], unchanged bool) {
	if d.keys != nil {
		d.call(ctx, func() { d.keys(KeyChange{Key: event.key, Type: event.eventType, Unchanged: unchanged}) })
		return
	}
	obj, ok := d.see(event.key, event.object)
	if !ok {
		return // the handler never had it, or will be told when a list has mended it
	}
	switch event.eventType {
	case store.EventTypeCreate:
		d.call(ctx, func() { d.handler.OnAdd(obj, unchanged) })
	case store.EventTypeDelete:
		d.call(ctx, func() { d.handler.OnDelete(obj) })
	case store.EventTypeUpdate:
		d.update(ctx, event, obj)
	}
}

// update calls the handler for an update to obj.
func (d *delivery[T]) update(ctx context.Context, event change[T], obj T) {
	old, ok := obj, true
	if !event.old.same(event.object) {
		old, ok = d.see(event.key, event.old)
	}
	if ok && old.GetUID() == obj.GetUID() {
		d.call(ctx, func() { d.handler.OnUpdate(old, obj) })
		return
	}
	if ok {
		d.call(ctx, func() { d.handler.OnDelete(old) })
	}
	if ctx.Err() == nil {
		d.call(ctx, func() { d.handler.OnAdd(obj, false) })
	}
}

// see returns an object of an event, or reports that it cannot be decoded.
func (d *delivery[T]) see(key string, s sight[T]) (T, bool) {
	obj, err := s.see()
	if err != nil {
		d.damaged(key, err)
	}
	return obj, err == nil
}

// call calls the handler, with client-go's treatment of panics.
func (d *delivery[T]) call(ctx context.Context, handle func()) {
	defer runtime.HandleCrashWithContext(ctx)
	handle()
	d.meter.calls.Add(1)
}
