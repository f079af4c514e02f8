package core

import (
	"context"
	"sync/atomic"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/pkg/store"
)

// Notice is what a handler is told.
type Notice struct {
	Change
	// Initial tells that the object was there when the handler began.
	Initial bool
	// Resync tells that nothing has happened to the object: everything is told once more.
	// Object and Old are then the same.
	Resync bool
}

// HandlerOptions configure a handler.
type HandlerOptions struct {
	// Name is the handler's name in metrics.
	Name string
	// Form is the form in which the handler reads objects.
	Form Form
	// Buffer is how many changes the handler may be behind before changes of an object may
	// be coalesced.
	Buffer int
	// Resync is the period after which the handler is told everything once more. Zero or
	// less is never.
	Resync time.Duration
	// Progress, if it is set, is called when the handler has been told what there was.
	Progress func()
	Logger   klog.Logger
}

// Registration is a handler's place at an informer, and the delivery to it. Its goroutine is
// the only one that calls the handler, with what its cursor says: what a handler is told is
// in order, and exact from its point of view.
type Registration struct {
	handlers *handlers
	handle   func(Notice)
	opts     HandlerOptions

	life   context.Context // done when the handler is removed or the informer stops
	end    context.CancelFunc
	cursor Cursor // nil before the first list
	synced chan struct{}
	ended  chan struct{} // closed when the handler will not be called any more
	due    chan struct{} // holds one: a resync

	// How far the delivery is: objects of the initial list that are left, and then the
	// store's revision.
	left  atomic.Int64
	seen  atomic.Uint64
	calls atomic.Uint64

	crashed bool // in the last call
}

func newRegistration(h *handlers, handle func(Notice), opts HandlerOptions) *Registration {
	r := &Registration{
		handlers: h,
		handle:   handle,
		opts:     opts,
		synced:   make(chan struct{}),
		ended:    make(chan struct{}),
		due:      make(chan struct{}, 1),
	}
	r.life, r.end = context.WithCancel(context.Background())
	return r
}

// Name returns the handler's name.
func (r *Registration) Name() string { return r.opts.Name }

// Synced returns a channel that is closed when the handler has returned from the last call
// for the initial list.
func (r *Registration) Synced() <-chan struct{} { return r.synced }

// HasSynced tells whether that is so.
func (r *Registration) HasSynced() bool { return isClosed(r.synced) }

// Done returns a channel that is closed when the handler will not be called any more and
// has returned from its last call: after it was removed, or when the informer has stopped.
func (r *Registration) Done() <-chan struct{} { return r.ended }

// Remove ends the calls to the handler. It does not wait for one that is under way.
func (r *Registration) Remove() { r.handlers.remove(r) }

// Resync has the handler told everything once more, soon.
func (r *Registration) Resync() {
	select {
	case r.due <- struct{}{}:
	default: // there is one due already
	}
}

// Lag returns how many changes the handler has not been told of: what is left of the initial
// list, and the store's writes since.
func (r *Registration) Lag() int {
	seen := r.seen.Load()
	head, _ := r.handlers.objects.RevisionAndCount()
	return int(r.left.Load()) + int(max(head, seen)-seen)
}

// open begins the delivery at the present state of the store.
func (r *Registration) open() error {
	cursor, err := r.handlers.objects.Cursor(
		store.WithInitialReplay[any](), store.WithSyncMarker[any](), store.WithBufferSize[any](r.opts.Buffer))
	if err != nil {
		return err
	}
	revision, size := r.handlers.objects.RevisionAndCount()
	r.left.Store(int64(size))
	r.seen.Store(revision)
	r.cursor = cursor
	return nil
}

// leave ends the delivery. The caller holds the lock of the handlers.
func (r *Registration) leave() {
	r.end()
	if r.cursor == nil {
		close(r.ended)
	}
}

// run delivers until the end.
func (r *Registration) run() {
	defer close(r.ended)
	defer r.cursor.Close()
	var tick <-chan time.Time
	if r.opts.Resync > 0 {
		ticker := time.NewTicker(r.opts.Resync)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-r.life.Done():
			return
		case <-r.cursor.Ready():
			r.changes()
		case <-tick:
			r.everything()
		case <-r.due:
			r.everything()
		}
	}
}

// changes delivers what there is to be read.
func (r *Registration) changes() {
	r.cursor.Each(r.take)
	if r.life.Err() != nil {
		return
	}
	r.seen.Store(r.cursor.Revision()) // there may be changes that come to nothing
	if r.opts.Progress != nil {
		r.opts.Progress()
	}
}

// take delivers one change, and tells whether to go on.
func (r *Registration) take(event Change) bool {
	if r.pause(); r.life.Err() != nil {
		return false
	}
	initial := !isClosed(r.synced)
	if event.EventType == store.EventTypeSync {
		r.left.Store(0)
		r.seen.Store(event.Revision)
		close(r.synced)
		return true
	}
	r.call(Notice{Change: event, Initial: initial})
	if initial {
		r.left.Add(-1)
	} else {
		r.seen.Store(event.Revision)
	}
	return true
}

// everything delivers each object once more. The snapshot that it delivers is the state that
// the handler has: it is of the cursor's own revision. When a change comes between the two,
// that is delivered first.
func (r *Registration) everything() {
	for done := false; !done && r.life.Err() == nil; {
		r.changes()
		done = r.repeat(r.handlers.objects.Snapshot())
	}
}

// repeat delivers the objects of a snapshot once more, if it is of the cursor's revision.
func (r *Registration) repeat(s Snapshot) bool {
	defer s.Close()
	if s.Revision != r.cursor.Revision() {
		return false
	}
	for key, v := range s.All {
		if r.pause(); r.life.Err() != nil {
			break
		}
		r.call(Notice{
			Change: Change{EventType: store.EventTypeUpdate, Name: key, Revision: s.Revision, Object: v, Old: v},
			Resync: true,
		})
	}
	return true
}

// pause waits after a panic.
func (r *Registration) pause() {
	if !r.crashed {
		return
	}
	r.crashed = false
	timer := time.NewTimer(afterCrash)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.life.Done():
	}
}

// call calls the handler. A panic ends the process; where apimachinery's runtime.ReallyCrash
// is off it is logged, and the next change is delivered after a pause.
func (r *Registration) call(n Notice) {
	r.crashed = true
	defer utilruntime.HandleCrashWithLogger(r.opts.Logger)
	r.handle(n)
	r.crashed = false
	r.calls.Add(1)
}
