package workqueue

import (
	"context"
	"time"

	clientgo "k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

// AddOpts are controller-runtime's options of an add: when (After, RateLimited: the earlier one of the two),
// and with what Priority (higher first, default 0).
type AddOpts = priorityqueue.AddOpts

// A Queue holds items to be processed by any number of workers. See the package's documentation for what
// it promises. It is made by New, and safe for use by several goroutines at once. No method but the Gets
// and the drains blocks.
type Queue[T comparable] struct {
	limiter     clientgo.TypedRateLimiter[T]
	maxRetries  int
	maxBackoff  time.Duration
	fairBy      []func(T) string
	ageAfter    time.Duration
	capacity    int
	onDrop      func(T, error)
	clock       clock.WithDelayedExecution
	epoch       time.Time // where the queue's clock starts
	ownsRoutine bool      // the clock calls back in a goroutine of its own

	_ [64]byte // keeps what is only read apart from what every call writes

	// mu guards everything below. Neither Options' functions nor the rate limiter are called under it.
	//
	// An item is known if it is pending, being processed, or both; entries has an entry for exactly those.
	// Where the pending occurrence is, and what follows from it:
	//   - delayed: in delays only. The timer is armed for the first one or earlier.
	//   - queued: in levels. If the item is being processed at the same time, it stays in its place until it
	//     would be handed out; then
	//   - aside: in no list but arrivals. Done puts it back where it was, so that order is by arrival.
	mu       lock
	shutDown bool
	ready    int    // number queued or aside
	busy     int    // number handed out and not done
	seq      uint64 // the last one given
	items    items[T]
	levels   levels[T]
	waiters  waiters
	meter    *meter[T]     // nil without metrics
	arrivals list[T]       // queued or aside, oldest first; empty without ageing
	handOuts uint64        // since New; tells whose turn it is with ageing
	drained  chan struct{} // closed once a drain ends; nil while there is none

	delays delays[T]
	timer  clock.Timer   // runs becomeReady; nil until first needed
	armed  time.Duration // when timer fires; never if it is not to
}

var (
	_ clientgo.TypedRateLimitingInterface[string] = (*Queue[string])(nil)
	_ priorityqueue.PriorityQueue[string]         = (*Queue[string])(nil)
)

const (
	// never is later than any time on the queue's clock.
	never = time.Duration(1<<63 - 1)
)

// New returns a queue. It starts no goroutine, and needs no cleaning up if nothing in it is delayed or being
// processed; otherwise ShutDown releases its timers.
func New[T comparable](o Options[T]) *Queue[T] {
	q := &Queue[T]{
		limiter:    o.RateLimiter,
		maxRetries: o.MaxRetries,
		maxBackoff: o.MaxBackoff,
		fairBy:     o.FairBy,
		ageAfter:   o.AgeAfter,
		capacity:   o.Capacity,
		onDrop:     o.OnDrop,
		clock:      o.Clock,
		armed:      never,
	}
	if q.limiter == nil {
		q.limiter = clientgo.DefaultTypedControllerRateLimiter[T]()
	}
	if q.clock == nil {
		q.clock, q.ownsRoutine = clock.RealClock{}, true
	}
	q.epoch = q.clock.Now()
	q.items = newItems[T](len(q.fairBy), q.ageAfter > 0 || o.Name != "")
	q.levels = levels[T]{items: &q.items, byPriority: make(map[int]*level[T])}
	q.arrivals = list[T]{items: &q.items, kind: inArrivals}
	q.delays = delays[T]{items: &q.items}
	if o.Name != "" {
		q.meter = newMeter(o.Name, o.MetricsProvider, &q.items)
	}
	return q
}

// Add makes item ready at priority 0. If it is pending already, the two become one: see AddWithOpts. After
// a shutdown it is dropped.
func (q *Queue[T]) Add(item T) {
	q.mustAdd(item, 0, 0)
}

// AddAfter makes item ready once the delay is over; at once if that is not positive. If the item is pending
// already, the earlier time counts, so that nothing happens if it is ready. After a shutdown it is dropped.
func (q *Queue[T]) AddAfter(item T, delay time.Duration) {
	q.mustAdd(item, 0, delay)
}

// AddRateLimited is AddAfter with the delay that the rate limiter says; each call until Forget counts as
// one retry. It drops the item if Options.MaxRetries were made.
func (q *Queue[T]) AddRateLimited(item T) {
	q.AddWithOpts(AddOpts{RateLimited: true}, item)
}

// AddWithOpts adds items in one of the above ways, with a priority. An item that is pending already stays
// one item: with the higher one of the two priorities, and the earlier one of the two times. A higher
// priority puts it behind the items that have that priority already; a lower one changes nothing.
func (q *Queue[T]) AddWithOpts(o AddOpts, items ...T) {
	for _, item := range items {
		if delay, err := q.delay(o, item); err != nil {
			q.drop(item, err)
		} else {
			q.mustAdd(item, priority(o), delay)
		}
	}
}

// TryAdd is Add for callers that can wait or say no: it returns a *FullError if item is not pending and
// Options.Capacity items are, and ErrShutDown after a shutdown. It does not block.
func (q *Queue[T]) TryAdd(item T) error {
	return q.add(item, 0, 0, q.capacity)
}

// TryAddWithOpts is AddWithOpts as TryAdd is Add. With rate limiting it also returns a *RetriesError, for an
// item whose retries are used up and which is forgotten with that; the rate limiter counts a retry even if
// the queue is full.
func (q *Queue[T]) TryAddWithOpts(o AddOpts, item T) error {
	delay, err := q.delay(o, item)
	if err != nil {
		return err
	}
	return q.add(item, priority(o), delay, q.capacity)
}

func priority(o AddOpts) int {
	if o.Priority == nil {
		return 0
	}
	return *o.Priority
}

// mustAdd adds item whatever the capacity.
func (q *Queue[T]) mustAdd(item T, priority int, delay time.Duration) {
	if err := q.add(item, priority, delay, 0); err != nil {
		q.drop(item, err)
	}
}

func (q *Queue[T]) drop(item T, reason error) {
	if q.onDrop != nil {
		q.onDrop(item, reason)
	}
}

// add is what all ways to add come down to. A capacity of zero is none.
func (q *Queue[T]) add(item T, priority int, delay time.Duration, capacity int) error {
	var keys [4]string // more than four levels of fairness allocate
	path := keys[:0]
	for _, key := range q.fairBy {
		path = append(path, key(item))
	}
	hash := q.items.hash(item)

	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutDown {
		return ErrShutDown
	}
	if delay > 0 && q.meter != nil {
		q.meter.retries.Inc()
	}
	e := q.items.find(item, hash)
	if e == nil || e.where == nowhere {
		if pending := q.ready + q.delays.len(); capacity > 0 && pending >= capacity {
			return &FullError{Pending: pending, Capacity: capacity}
		}
		if e == nil {
			e = q.items.add(item, hash)
		}
		e.priority = priority
		if delay > 0 {
			q.items.keepPath(e, path)
			q.postpone(e, delay)
		} else {
			q.makeReady(e, path)
		}
		return nil
	}
	q.merge(e, path, priority, delay)
	return nil
}

// merge adds to an occurrence that is pending.
func (q *Queue[T]) merge(e *entry[T], path []string, priority int, delay time.Duration) {
	switch {
	case e.where == delayed:
		e.priority = max(e.priority, priority)
		q.hasten(e, delay)
	case priority > e.priority:
		if e.where == queued {
			q.levels.remove(e)
		}
		if q.meter != nil {
			q.meter.left(e)
		}
		e.priority = priority
		q.line(e, path)
	}
}

// makeReady makes an occurrence ready that is nowhere, and wakes a worker for it.
func (q *Queue[T]) makeReady(e *entry[T], path []string) {
	q.ready++
	if q.items.hasExtras {
		q.items.extra(e).since = q.now()
	}
	if q.ageAfter > 0 {
		q.arrivals.pushBack(e)
	}
	if q.meter != nil {
		q.meter.adds.Inc()
	}
	q.line(e, path)
	if !e.busy {
		q.waiters.wakeOne()
	}
}

// line puts e in line behind the others of its priority and keys.
func (q *Queue[T]) line(e *entry[T], path []string) {
	e.where = queued
	e.seq = q.nextSeq()
	q.levels.add(e, path)
	if q.meter != nil {
		q.meter.joined(e, path)
	}
}

// Get returns an item to process, and blocks until there is one. The caller must call Done with it. Once
// the queue is shut down and nothing is ready, it returns true: the worker should end, after the Done
// calls it owes.
func (q *Queue[T]) Get() (item T, shutdown bool) {
	item, _, shutdown = q.GetWithPriority()
	return item, shutdown
}

// GetWithPriority is Get, and also returns the item's priority.
func (q *Queue[T]) GetWithPriority() (item T, priority int, shutdown bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.await(nil); e != nil {
		return e.item, e.priority, false
	}
	return item, 0, true
}

// GetContext is Get with a context. It returns ErrShutDown once the queue is shut down and nothing is ready,
// and the cause of ctx once that is done, even if something is ready; then there is no item and nothing
// to call Done for.
func (q *Queue[T]) GetContext(ctx context.Context) (item T, err error) {
	var one [1]T
	_, err = q.GetBatch(ctx, one[:])
	return one[0], err
}

// GetBatch blocks like GetContext until an item is ready, and then takes as many as are ready and fit
// into items, in the order in which Get would. It returns how many; Done is due for each. The error
// is nil exactly if that is at least one, or if items is empty.
func (q *Queue[T]) GetBatch(ctx context.Context, items []T) (n int, err error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if len(items) == 0 {
		return 0, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.await(ctx.Done())
	if e == nil {
		if q.shutDown {
			return 0, ErrShutDown
		}
		return 0, context.Cause(ctx)
	}
	for ; e != nil; e = q.take() {
		items[n] = e.item
		if n++; n == len(items) {
			break
		}
	}
	return n, nil
}

// Done says that an item from a Get is processed. If it was added meanwhile, it can now be handed out
// again. Done with an item that is not being processed does nothing.
func (q *Queue[T]) Done(item T) {
	hash := q.items.hash(item)
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.items.find(item, hash)
	if e == nil || !e.busy {
		return
	}
	e.busy = false
	q.busy--
	if q.meter != nil {
		q.meter.done(e, q.now())
	}
	switch e.where {
	case nowhere:
		q.items.remove(e)
	case aside:
		e.where = queued
		q.levels.restore(e)
		q.waiters.wakeOne()
	case queued:
		q.waiters.wakeOne()
	}
	q.endDrain()
}

// Len returns how many items are ready, those included that wait for their Done. It does not count what
// is delayed or being processed.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ready
}

// await returns the next entry, handed out. It waits for one until done is closed or the queue is shut
// down, and then returns nil. The caller holds the lock, which await gives up while it waits.
func (q *Queue[T]) await(done <-chan struct{}) *entry[T] {
	for {
		if e := q.take(); e != nil || q.shutDown {
			return e
		}
		w := q.waiters.park()
		q.mu.Unlock()
		cancelled := w.sleep(done)
		q.mu.Lock()
		q.waiters.unpark(w)
		if cancelled {
			q.wakeNext()
			return nil
		}
	}
}

// wakeNext wakes a waiter if there may be something for it.
func (q *Queue[T]) wakeNext() {
	if q.levels.count > 0 {
		q.waiters.wakeOne()
	}
}

// take hands out the next entry, or returns nil if none is available.
func (q *Queue[T]) take() *entry[T] {
	e := q.next()
	if e == nil {
		return nil
	}
	q.wakeNext()
	e.where, e.busy = nowhere, true
	q.ready--
	q.busy++
	q.handOuts++
	if q.ageAfter > 0 {
		q.arrivals.remove(e)
	}
	if q.meter != nil {
		q.meter.left(e)
		q.meter.begun(e, q.now())
		q.measureSoon()
	}
	return e
}

// agedTurn says which hand-outs are for aged items: every agedTurn-th.
const agedTurn = 8

// next takes the entry off its list that is to be handed out next, or returns nil.
func (q *Queue[T]) next() *entry[T] {
	if q.ageAfter > 0 && q.handOuts%agedTurn == agedTurn-1 {
		if e := q.aged(); e != nil {
			q.levels.remove(e)
			return e
		}
	}
	for e := q.levels.front(); e != nil; e = q.levels.front() {
		if !e.busy {
			e.leaf.advance()
			q.levels.remove(e)
			return e
		}
		var keys [4]string
		q.items.keepPath(e, e.leaf.appendPath(keys[:0]))
		q.levels.remove(e)
		e.where = aside
	}
	return nil
}

// aged returns the oldest available entry if it has waited for ageAfter. The entries it steps over are
// being processed, so they are no more than there are workers.
func (q *Queue[T]) aged() *entry[T] {
	now := q.now()
	for e := q.arrivals.first(); e != nil && now-q.items.extra(e).since >= q.ageAfter; e = q.arrivals.after(e) {
		if !e.busy {
			return e
		}
	}
	return nil
}

// now is the time on the queue's clock.
func (q *Queue[T]) now() time.Duration { return q.clock.Since(q.epoch) }

func (q *Queue[T]) nextSeq() uint64 {
	q.seq++
	return q.seq
}
