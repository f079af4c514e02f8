package informer

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/runtime"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// delivery calls one handler with the changes of one informer.
//
// It begins when the first list is in the store, so that the replay of its
// cursor is the initial list. Its goroutine is the only one that calls the
// handler, with what its cursor says; everything that a handler is told is
// therefore in order, and exact from the handler's point of view.
type delivery[T Object] struct {
	table   *gomap.MemStore[T]
	kind    string
	handler Handler[T]
	options []store.WatchOption[T]
	resync  time.Duration   // zero or less: never
	listed  <-chan struct{} // closed when the first list is in the store
	reg     *Registration
}

// run delivers until ctx is done.
func (d *delivery[T]) run(ctx context.Context) {
	select {
	case <-d.listed:
	case <-ctx.Done():
		return
	}
	cursor, err := d.table.Cursor(d.kind, d.options...)
	if err != nil {
		runtime.HandleErrorWithContext(ctx, err, "No changes for a handler", "kind", d.kind)
		return
	}
	defer cursor.Close()

	var due <-chan time.Time
	if d.resync > 0 {
		ticker := time.NewTicker(d.resync)
		defer ticker.Stop()
		due = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-cursor.Ready():
			d.changes(ctx, cursor)
		case <-due:
			d.everything(ctx, cursor)
		}
	}
}

// changes delivers what there is to be read from the cursor.
func (d *delivery[T]) changes(ctx context.Context, cursor *gomap.Cursor[T]) {
	initial := true
	select {
	case <-d.reg.synced:
		initial = false
	default:
	}
	for event := range cursor.Changes() {
		if ctx.Err() != nil {
			return
		}
		if event.EventType == store.EventTypeSync {
			initial = false
			close(d.reg.synced)
			continue
		}
		d.deliver(ctx, event, initial)
	}
}

// everything delivers each object once more. The snapshot that it delivers is
// the state that the handler has: it is of the cursor's own revision. When a
// change comes between the two, that is delivered first.
func (d *delivery[T]) everything(ctx context.Context, cursor *gomap.Cursor[T]) {
	for ctx.Err() == nil {
		d.changes(ctx, cursor)
		snapshot, err := d.table.Snapshot(d.kind)
		if err != nil {
			return
		}
		if snapshot.Revision() != cursor.Revision() {
			continue
		}
		for _, obj := range snapshot.All() {
			if ctx.Err() != nil {
				return
			}
			d.call(ctx, func() { d.handler.OnUpdate(obj, obj) })
		}
		return
	}
}

// deliver calls the handler for one event.
func (d *delivery[T]) deliver(ctx context.Context, event store.Event[T], initial bool) {
	switch event.EventType {
	case store.EventTypeCreate:
		d.call(ctx, func() { d.handler.OnAdd(event.Object, initial) })
	case store.EventTypeDelete:
		d.call(ctx, func() { d.handler.OnDelete(event.Object) })
	case store.EventTypeUpdate:
		if event.Old.GetUID() == event.Object.GetUID() {
			d.call(ctx, func() { d.handler.OnUpdate(event.Old, event.Object) })
			return
		}
		d.call(ctx, func() { d.handler.OnDelete(event.Old) })
		if ctx.Err() == nil {
			d.call(ctx, func() { d.handler.OnAdd(event.Object, false) })
		}
	}
}

// call calls the handler, with client-go's treatment of panics.
func (d *delivery[T]) call(ctx context.Context, handle func()) {
	defer runtime.HandleCrashWithContext(ctx)
	handle()
}
