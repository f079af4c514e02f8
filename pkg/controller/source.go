package controller

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	clientgo "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/larder-dev/larder/pkg/informer"
)

// Source adds requests to a controller's queue. It is controller-runtime's
// interface, so that its sources and ours can take each other's places: what
// [From] returns can also be given to the Watch method of a controller-runtime
// controller.
//
// The controller calls Start, which must not block, and, if the source has it,
// WaitForSync(ctx) error before any request is reconciled. When the context of
// Start has ended it calls, if the source has it, Wait(), which returns once the
// source adds no more requests. A source with a String method is named by it in
// errors and log lines.
type Source[R comparable] = source.TypedSource[R]

// From returns a source of the requests that mapping returns for the objects of
// an informer that are created, updated or deleted. For an update, the old object
// is mapped and the new one. Events that a predicate rejects are left out.
//
// mapping and the predicates run one event at a time, in the order of the changes;
// they must not change the object or block for long. They may read the informer,
// which shows the change or a later state. The context ends when the controller
// stops. A panic in them is one of the informer's handler: see [informer.Handler].
//
// The informer is not started by the controller.
func From[T informer.Object, R comparable](
	inf *informer.Informer[T],
	mapping func(ctx context.Context, obj T) []R,
	predicates ...predicate.TypedPredicate[T],
) Source[R] {
	if mapping == nil {
		return FromHandler[T, R](inf, nil, predicates...)
	}
	return FromHandler(inf, handler.TypedEnqueueRequestsFromMapFunc(mapping), predicates...)
}

// FromHandler is [From] with an event handler of controller-runtime, which sees
// the events themselves and adds to the queue what it likes.
func FromHandler[T informer.Object, R comparable](
	inf *informer.Informer[T],
	h handler.TypedEventHandler[T, R],
	predicates ...predicate.TypedPredicate[T],
) Source[R] {
	s := &informerSource[T, R]{informer: inf}
	s.parts = func() error {
		if h == nil {
			return fmt.Errorf("%w: the mapping or handler of %s is nil", ErrInvalidSource, s)
		}
		for i, p := range predicates {
			if p == nil {
				return fmt.Errorf("%w: predicate %d of %s is nil", ErrInvalidSource, i, s)
			}
		}
		return nil
	}
	s.subscribe = func(ctx context.Context, queue clientgo.TypedRateLimitingInterface[R]) (*informer.Registration, error) {
		return inf.AddHandler(&feed[T, R]{ctx: ctx, queue: queue, handler: h, predicates: predicates}, informer.HandlerOptions{})
	}
	return s
}

// FromKeys returns a source of the requests that name the objects of an informer
// that are created, updated or deleted. No object is decoded for it, which makes it
// the cheapest source for an informer that packs its objects. Objects that were there
// before, and resyncs, have low priority, as with [From].
func FromKeys[T informer.Object](inf *informer.Informer[T]) Source[reconcile.Request] {
	return &informerSource[T, reconcile.Request]{
		informer: inf,
		parts:    func() error { return nil },
		subscribe: func(_ context.Context, queue clientgo.TypedRateLimitingInterface[reconcile.Request]) (*informer.Registration, error) {
			return inf.AddKeyHandler(func(c informer.KeyChange) { enqueueKey(queue, c) }, informer.HandlerOptions{})
		},
	}
}

// enqueueKey adds the request that names a changed object.
func enqueueKey(queue clientgo.TypedRateLimitingInterface[reconcile.Request], c informer.KeyChange) {
	namespace, name, ok := strings.Cut(c.Key, "/")
	if !ok {
		namespace, name = "", c.Key
	}
	req := request(namespace, name)
	if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok && c.Unchanged {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, req)
		return
	}
	queue.Add(req)
}

// informerSource subscribes to an informer from Start until the end of Start's
// context.
type informerSource[T informer.Object, R comparable] struct {
	informer  *informer.Informer[T]
	parts     func() error // what is wrong with the rest
	subscribe func(ctx context.Context, queue clientgo.TypedRateLimitingInterface[R]) (*informer.Registration, error)

	started      atomic.Bool
	registration *informer.Registration // set by Start
}

var _ source.SyncingSource = (*informerSource[informer.Object, reconcile.Request])(nil)

// String names the informer.
func (s *informerSource[T, R]) String() string {
	return "informer " + s.informer.Name()
}

// validate returns an error if the source was made of nil.
func (s *informerSource[T, R]) validate() error {
	if s.informer == nil {
		return fmt.Errorf("%w: the informer is nil", ErrInvalidSource)
	}
	return s.parts()
}

// Start subscribes to the informer until ctx ends. It does not block. It returns
// ErrInvalidSource, ErrSourceInUse, or what the informer says.
func (s *informerSource[T, R]) Start(ctx context.Context, queue clientgo.TypedRateLimitingInterface[R]) error {
	if err := s.validate(); err != nil {
		return err
	}
	if !s.started.CompareAndSwap(false, true) {
		return ErrSourceInUse
	}
	registration, err := s.subscribe(ctx, queue)
	if err != nil {
		return err
	}
	s.registration = registration
	context.AfterFunc(ctx, registration.Remove)
	return nil
}

// WaitForSync blocks until the queue has a request for all that the informer
// listed first. If the API server refuses the list it returns why at once; if the
// informer ends, informer.ErrStopped; if ctx ends, its error and what is known.
// Start comes before it.
func (s *informerSource[T, R]) WaitForSync(ctx context.Context) error {
	if err := s.informer.WaitSynced(ctx); err != nil {
		return err
	}
	select {
	case <-s.registration.Synced():
		return nil
	case <-s.registration.Done():
		return informer.ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Wait blocks until no handler runs or will run any more, which is soon after the
// context of Start ended. A source that was never started is done.
func (s *informerSource[T, R]) Wait() {
	if s.registration != nil {
		<-s.registration.Done()
	}
}

// feed is the subscription of a source: it hands the events of an informer that
// pass the predicates to an event handler.
type feed[T informer.Object, R comparable] struct {
	ctx        context.Context // of Start; the interface of an informer's handler has none
	queue      clientgo.TypedRateLimitingInterface[R]
	handler    handler.TypedEventHandler[T, R]
	predicates []predicate.TypedPredicate[T]
}

// OnAdd hands on a new object.
func (f *feed[T, R]) OnAdd(obj T, isInInitialList bool) {
	e := event.TypedCreateEvent[T]{Object: obj, IsInInitialList: isInInitialList}
	for _, p := range f.predicates {
		if !p.Create(e) {
			return
		}
	}
	f.handler.Create(f.ctx, e, f.queue)
}

// OnUpdate hands on a new state of an object.
func (f *feed[T, R]) OnUpdate(oldObj, newObj T) {
	e := event.TypedUpdateEvent[T]{ObjectOld: oldObj, ObjectNew: newObj}
	for _, p := range f.predicates {
		if !p.Update(e) {
			return
		}
	}
	f.handler.Update(f.ctx, e, f.queue)
}

// OnDelete hands on the last state of an object that is gone.
func (f *feed[T, R]) OnDelete(obj T) {
	e := event.TypedDeleteEvent[T]{Object: obj}
	for _, p := range f.predicates {
		if !p.Delete(e) {
			return
		}
	}
	f.handler.Delete(f.ctx, e, f.queue)
}
