package workqueue

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// A Pending item is one that a worker has yet to be given.
type Pending[T comparable] struct {
	Item     T
	Priority int
	Delay    time.Duration // until the item is ready; 0 if it is
}

// ShutDown ends the queue's intake, and its waiting: adds are dropped, Gets hand out what is ready and then
// tell the workers to end, items that are delayed stay so (OnDrop gets them, Pending lists them). It
// cuts short a drain that is under way. It does not wait for anything, and may be called again.
func (q *Queue[T]) ShutDown() {
	q.mu.Lock()
	dropped := q.beginShutDown()
	if q.drained != nil {
		close(q.drained)
		q.drained = nil
	}
	q.mu.Unlock()
	q.dropAll(dropped)
}

// ShutDownWithDrain is ShutDown, and blocks until every item that was ready is processed, those included
// that were added while they were being processed; what is delayed is not waited for. It takes workers
// that call Get until that says to end, and Done for each item. ShutDown cuts the wait short; Drain can
// be given a time limit.
func (q *Queue[T]) ShutDownWithDrain() {
	<-q.beginDrain()
}

// Drain is ShutDownWithDrain that waits no longer than ctx, and returns what is left pending: the delayed
// items, and those still ready if the wait ended early. The error is nil if it did not, the cause of
// ctx, or ErrShutDown if a ShutDown cut it short. The queue is shut down in any case; items that are ready
// can still be got.
func (q *Queue[T]) Drain(ctx context.Context) ([]Pending[T], error) {
	select {
	case <-q.beginDrain():
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.pending()
	switch {
	case q.idle():
		return left, nil
	case ctx.Err() != nil:
		return left, context.Cause(ctx)
	default:
		return left, ErrShutDown
	}
}

// ShuttingDown reports whether the queue is shut down.
func (q *Queue[T]) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shutDown
}

// Pending returns a copy of what is pending, in no order among the ready items but before the delayed ones,
// which come by time. It looks at every item the queue knows, with the queue locked.
func (q *Queue[T]) Pending() []Pending[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending()
}

func (q *Queue[T]) pending() []Pending[T] {
	now := q.now()
	left := make([]Pending[T], 0, q.ready+q.delays.len())
	for e := range q.items.all() {
		if e.where == nowhere {
			continue
		}
		p := Pending[T]{Item: e.item, Priority: e.priority}
		if e.where == delayed {
			// What is due but not ready yet, or never will be since the queue is shut down, is still delayed.
			p.Delay = max(1, q.delays.due(e)-now)
		}
		left = append(left, p)
	}
	slices.SortStableFunc(left, func(a, b Pending[T]) int { return cmp.Compare(a.Delay, b.Delay) })
	return left
}

// beginShutDown shuts the queue down, unless it is, and returns the items that are dropped by that.
func (q *Queue[T]) beginShutDown() (dropped []T) {
	if q.shutDown {
		return nil
	}
	q.shutDown = true
	if q.timer != nil {
		q.timer.Stop()
	}
	if q.meter != nil {
		q.meter.stop()
	}
	q.waiters.wakeAll()
	if q.onDrop != nil {
		for _, d := range q.delays.slots {
			dropped = append(dropped, q.items.at(d.id).item)
		}
	}
	return dropped
}

// beginDrain shuts the queue down, and returns a channel that is closed when the drain ends.
func (q *Queue[T]) beginDrain() <-chan struct{} {
	q.mu.Lock()
	dropped := q.beginShutDown()
	if q.drained == nil {
		q.drained = make(chan struct{})
	}
	drained := q.drained
	q.endDrain()
	q.mu.Unlock()
	q.dropAll(dropped)
	return drained
}

// endDrain ends a drain if it has come to its end.
func (q *Queue[T]) endDrain() {
	if q.drained != nil && q.idle() {
		close(q.drained)
		q.drained = nil
	}
}

// idle reports whether nothing is ready or being processed.
func (q *Queue[T]) idle() bool { return q.ready == 0 && q.busy == 0 }

func (q *Queue[T]) dropAll(items []T) {
	for _, item := range items {
		q.drop(item, ErrShutDown)
	}
}
