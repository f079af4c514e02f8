package workqueue

import (
	"time"

	"k8s.io/utils/clock"
)

// Cancel takes back a delayed item. It reports whether item was delayed; an item that is ready already,
// or only being processed, stays as it is.
func (q *Queue[T]) Cancel(item T) bool {
	hash := q.items.hash(item)
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.items.find(item, hash)
	if e == nil || e.where != delayed {
		return false
	}
	q.delays.remove(e)
	e.where = nowhere
	if !e.busy {
		q.items.remove(e)
	}
	return true
}

// Reschedule moves a delayed item, so that it becomes ready once delay is over from now: later than planned
// as well as earlier, or at once if delay is not positive. It reports whether item was delayed; if not, it
// does nothing. After a shutdown it does nothing either.
func (q *Queue[T]) Reschedule(item T, delay time.Duration) bool {
	hash := q.items.hash(item)
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.items.find(item, hash)
	if e == nil || e.where != delayed || q.shutDown {
		return false
	}
	if delay <= 0 {
		q.hasten(e, 0)
	} else {
		q.move(e, q.after(delay))
	}
	return true
}

// postpone delays an occurrence that is nowhere.
func (q *Queue[T]) postpone(e *entry[T], delay time.Duration) {
	e.where = delayed
	e.seq = q.nextSeq()
	due := q.after(delay)
	q.delays.push(e, due)
	q.armBy(due)
}

// hasten makes a delayed entry ready after delay, unless that is later than planned.
func (q *Queue[T]) hasten(e *entry[T], delay time.Duration) {
	if delay <= 0 {
		q.delays.remove(e)
		q.makeReady(e, q.items.path(e))
	} else if due := q.after(delay); due < q.delays.due(e) {
		q.move(e, due)
	}
}

// move changes when a delayed entry is due.
func (q *Queue[T]) move(e *entry[T], due time.Duration) {
	q.delays.move(e, due)
	q.armBy(due)
}

// after returns the time that comes delay from now. It is never too late to be told.
func (q *Queue[T]) after(delay time.Duration) time.Duration {
	now := q.now()
	return now + min(delay, never-1-now)
}

// armBy sees to it that the timer fires at due, or earlier: then it is armed anew.
func (q *Queue[T]) armBy(due time.Duration) {
	if due >= q.armed {
		return
	}
	q.armed = due
	wait := max(0, due-q.now())
	if q.timer == nil {
		q.timer = q.afterFunc(wait, q.becomeReady)
	} else {
		reset(q.timer, wait)
	}
}

// becomeReadyBatch is how many entries become ready in one go, so that many that are due at once do not
// keep everybody else from the lock.
const becomeReadyBatch = 256

// becomeReady is run by the timer.
func (q *Queue[T]) becomeReady() {
	for q.becomeSomeReady() {
	}
}

// becomeSomeReady makes ready what is due, and arms the timer for the rest. It reports whether it stopped
// because it had done enough in one go.
func (q *Queue[T]) becomeSomeReady() (more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutDown {
		return false
	}
	q.armed = never
	now := q.now()
	for n := 0; q.delays.len() > 0; n++ {
		e := q.delays.first()
		if due := q.delays.due(e); due > now {
			q.armBy(due)
			return false
		}
		if n == becomeReadyBatch {
			return true
		}
		q.delays.remove(e)
		q.makeReady(e, q.items.path(e))
	}
	return false
}

// afterFunc runs f after d, in a goroutine of its own. Clocks other than the real one may call back with
// a lock of theirs held, which f would need to ask for the time.
func (q *Queue[T]) afterFunc(d time.Duration, f func()) clock.Timer {
	if q.ownsRoutine {
		return q.clock.AfterFunc(d, f)
	}
	return q.clock.AfterFunc(d, func() { go f() })
}

// reset arms a timer of afterFunc anew. A fake clock's timer also sends when it fires, and blocks its clock if
// the last time was not received.
func reset(timer clock.Timer, d time.Duration) {
	select {
	case <-timer.C():
	default:
	}
	timer.Reset(d)
}
