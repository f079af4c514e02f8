package clientgo

import (
	"errors"
	"reflect"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/store"
)

// bufferSize is how many changes a handler may be behind before it is told of the
// latest state of an object instead of every one on the way. It is what the buffer
// of a handler has room for at first with client-go, where it grows.
const bufferSize = 1024

// registration is a handler's place at an informer. It tells the handler what client-go
// would, in the informer's form.
type registration struct {
	*core.Registration
	informer *sharedIndexInformer
	handler  cache.ResourceEventHandler
	name     string

	// Resync; the times are guarded by the lock of the resyncs.
	period time.Duration
	next   time.Time
	// syncing tells whether to deliver updates that change nothing. It is so at
	// first and then while a resync was due when the informer last looked.
	syncing atomic.Bool
}

var _ cache.ResourceEventHandlerRegistration = (*registration)(nil)

func newRegistration(i *sharedIndexInformer, handler cache.ResourceEventHandler) *registration {
	r := &registration{informer: i, handler: handler, name: handlerName(handler)}
	r.syncing.Store(true)
	return r
}

// HasSyncedChecker is HasSynced for those who wait.
func (r *registration) HasSyncedChecker() cache.DoneChecker {
	return done{name: r.informer.HasSyncedChecker().Name() + " + event handler " + r.name, ch: r.Synced()}
}

// ShutdownChan returns a channel that is closed when the handler will not be called
// any more and has returned from its last call: after it was removed, or when the
// informer has stopped.
func (r *registration) ShutdownChan() <-chan struct{} { return r.Done() }

func (r *registration) isDone() bool {
	select {
	case <-r.Done():
		return true
	default:
		return false
	}
}

// open returns the object of a value. One that cannot be decoded, or is not there in full
// yet, is reported and left out.
func (r *registration) open(key string, v core.Value) (obj any, ok bool) {
	obj, err := r.informer.core.Objects().Open(v, r.informer.form)
	if err != nil {
		r.informer.core.Report(key, err)
	}
	return obj, err == nil
}

// tell calls the handler for one notice.
func (r *registration) tell(n core.Notice) {
	switch {
	case n.Resync:
		if obj, ok := r.open(n.Name, n.Object); ok {
			r.handler.OnUpdate(obj, obj)
		}
	case n.EventType == store.EventTypeCreate:
		if obj, ok := r.open(n.Name, n.Object); ok {
			r.handler.OnAdd(obj, n.Initial)
		}
	case n.EventType == store.EventTypeUpdate:
		r.update(n)
	case n.EventType == store.EventTypeDelete:
		r.delete(n)
	}
}

// update calls the handler for an update, unless it is one that changes nothing and these
// are not wanted.
func (r *registration) update(n core.Notice) {
	syncing := r.syncing.Load()
	if !syncing && n.Object.Same(n.Old) {
		return
	}
	next, ok := r.open(n.Name, n.Object)
	if !ok {
		return
	}
	prev, ok := r.open(n.Name, n.Old)
	switch {
	case !ok:
		r.handler.OnAdd(next, false)
	case !sameVersion(prev, next), syncing && n.Object.SameForm(n.Old):
		r.handler.OnUpdate(prev, next)
	}
}

// delete calls the handler for a deletion. It is told in any case, unless the handler was not
// told of the object, as it was not there in full.
func (r *registration) delete(n core.Notice) {
	obj, err := r.informer.core.Objects().Open(n.Object, r.informer.form)
	if errors.Is(err, core.ErrNarrow) {
		return
	}
	if err != nil {
		r.informer.core.Report(n.Name, err)
	}
	if !n.Object.IsFinal() {
		obj = cache.DeletedFinalStateUnknown{Key: fromName(n.Name), Obj: obj}
	}
	r.handler.OnDelete(obj)
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
