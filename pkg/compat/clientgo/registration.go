package clientgo

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/pkg/store"
)

// registration is a handler's place at an informer, and the delivery to it. Its
// goroutine is the only one that calls the handler, with what its cursor says:
// what a handler is told is in order, and exact from its point of view.
type registration struct {
	roster      *roster
	handler     cache.ResourceEventHandler
	handlerName string
	logger      klog.Logger

	life   context.Context // done when the handler is removed or the informer stops
	end    context.CancelFunc
	cursor follower // nil before the first list
	synced chan struct{}
	ended  chan struct{} // closed when the handler will not be called any more

	// Resync; the times are the roster's.
	resyncPeriod time.Duration
	nextResync   time.Time
	due          chan struct{} // holds one
	// syncing tells whether to deliver updates that change nothing. It is so at
	// first and then while a resync was due when the informer last looked.
	syncing atomic.Bool

	// How far the delivery is: objects of the initial list that are left, and then
	// the store's revision.
	left atomic.Int64
	seen atomic.Uint64

	crashed bool // in the last call
}

var _ cache.ResourceEventHandlerRegistration = (*registration)(nil)

func newRegistration(h *roster, handler cache.ResourceEventHandler, logger klog.Logger) *registration {
	r := &registration{
		roster:      h,
		handler:     handler,
		handlerName: handlerName(handler),
		logger:      logger,
		synced:      make(chan struct{}),
		ended:       make(chan struct{}),
		due:         make(chan struct{}, 1),
	}
	r.life, r.end = context.WithCancel(context.Background())
	r.syncing.Store(true)
	return r
}

// HasSynced tells whether the handler has returned from the last call for the
// initial list.
func (r *registration) HasSynced() bool { return isClosed(r.synced) }

// HasSyncedChecker is HasSynced for those who wait.
func (r *registration) HasSyncedChecker() cache.DoneChecker {
	return done{name: r.roster.syncedName + " + event handler " + r.handlerName, ch: r.synced}
}

// ShutdownChan returns a channel that is closed when the handler will not be called
// any more and has returned from its last call: after it was removed, or when the
// informer has stopped.
func (r *registration) ShutdownChan() <-chan struct{} { return r.ended }

// wake makes a resync due.
func (r *registration) wake() {
	select {
	case r.due <- struct{}{}:
	default: // there is one due already
	}
}

// open begins the delivery at the present state of the store.
func (r *registration) open() error {
	cursor, err := r.roster.indexer.shelf.follow()
	if err != nil {
		return err
	}
	revision, size := r.roster.indexer.shelf.head()
	r.left.Store(int64(size))
	r.seen.Store(revision)
	r.cursor = cursor
	return nil
}

// leave ends the delivery. The caller holds the roster's lock.
func (r *registration) leave() {
	r.end()
	if r.cursor == nil {
		close(r.ended)
	}
}

// run delivers until the end.
func (r *registration) run() {
	defer close(r.ended)
	defer r.cursor.Close()
	for {
		select {
		case <-r.life.Done():
			return
		case <-r.cursor.Ready():
			r.changes()
		case <-r.due:
			r.everything()
		}
	}
}

// changes delivers what there is to be read.
func (r *registration) changes() {
	r.cursor.each(r.take)
	if r.life.Err() == nil {
		r.seen.Store(r.cursor.Revision())
		r.roster.measure()
	}
}

// take delivers one change, and tells whether to go on.
func (r *registration) take(event change) bool {
	if r.pause(); r.life.Err() != nil {
		return false
	}
	if event.EventType == store.EventTypeSync {
		r.left.Store(0)
		r.seen.Store(event.Revision)
		close(r.synced)
		return true
	}
	r.deliver(event)
	return true
}

// everything delivers each object once more. The view that it delivers is the state
// that the handler has: it is of the cursor's own revision. When a change comes between
// the two, that is delivered first.
func (r *registration) everything() {
	for done := false; !done && r.life.Err() == nil; {
		r.changes()
		done = r.repeat(r.roster.indexer.shelf.view())
	}
}

// repeat delivers the objects of a view once more, if it is of the cursor's revision.
func (r *registration) repeat(v view) bool {
	defer v.close()
	if v.revision != r.cursor.Revision() {
		return false
	}
	for _, obj := range v.objects {
		if r.pause(); r.life.Err() != nil {
			break
		}
		r.update(obj, obj)
	}
	return true
}

// pause waits for a second after a panic, as client-go does.
func (r *registration) pause() {
	if !r.crashed {
		return
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.life.Done():
	}
}

// deliver calls the handler for one change.
func (r *registration) deliver(event change) {
	switch event.EventType {
	case store.EventTypeCreate:
		initial := !isClosed(r.synced)
		if obj, ok := event.Object.open(event.Name); ok {
			r.add(obj, initial)
		}
		if initial {
			r.left.Add(-1)
			return
		}
	case store.EventTypeUpdate:
		r.deliverUpdate(event)
	case store.EventTypeDelete:
		obj, _ := event.Object.open(event.Name) // a deletion is told in any case
		if f, ok := obj.(final); ok {
			r.delete(f.obj)
		} else {
			r.delete(cache.DeletedFinalStateUnknown{Key: fromName(event.Name), Obj: obj})
		}
	}
	r.seen.Store(event.Revision)
}

// deliverUpdate calls the handler for an update, unless it is one that changes nothing
// and these are not wanted.
func (r *registration) deliverUpdate(event change) {
	syncing := r.syncing.Load()
	if !syncing && event.Object.repeats(event.Old) {
		return
	}
	next, ok := event.Object.open(event.Name)
	if !ok {
		return
	}
	prev, ok := event.Old.open(event.Name)
	switch {
	case !ok:
		r.add(next, false)
	case syncing || !sameVersion(prev, next):
		r.update(prev, next)
	}
}

// sameVersion tells whether an update changes nothing, as a list that repeats what
// is known delivers it.
func sameVersion(prev, next any) bool {
	if reflect.TypeOf(prev) != reflect.TypeOf(next) {
		return false
	}
	p, err := meta.Accessor(prev)
	if err != nil {
		return false
	}
	n, err := meta.Accessor(next)
	return err == nil && n.GetResourceVersion() == p.GetResourceVersion()
}

// add, update and delete call the handler. A panic ends the process; where
// apimachinery's runtime.ReallyCrash is off it is logged, and the next change is
// delivered after a pause.

func (r *registration) add(obj any, initial bool) {
	r.crashed = true
	defer utilruntime.HandleCrashWithLogger(r.logger)
	r.handler.OnAdd(obj, initial)
	r.crashed = false
}

func (r *registration) update(prev, next any) {
	r.crashed = true
	defer utilruntime.HandleCrashWithLogger(r.logger)
	r.handler.OnUpdate(prev, next)
	r.crashed = false
}

func (r *registration) delete(obj any) {
	r.crashed = true
	defer utilruntime.HandleCrashWithLogger(r.logger)
	r.handler.OnDelete(obj)
	r.crashed = false
}

// lag returns how many changes the handler has not been told of, when the store is
// at revision head.
func (r *registration) lag(head uint64) int {
	return int(r.left.Load()) + int(max(head, r.seen.Load())-r.seen.Load())
}
