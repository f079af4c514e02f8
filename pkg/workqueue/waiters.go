package workqueue

// A waiter is a getter that found nothing to do. It is woken by a token, which says "look again", not "this
// item is yours": a worker that happens to be running may take the item first and spare a switch.
type waiter struct {
	wake chan struct{} // holds one token, so that waking never blocks
	slot int           // position among those parked; -1 once woken
}

// sleep waits for a token, or until done is closed, which it reports. A nil done is never closed.
func (w *waiter) sleep(done <-chan struct{}) (cancelled bool) {
	if done == nil {
		<-w.wake
		return false
	}
	select {
	case <-w.wake:
		return false
	case <-done:
		return true
	}
}

// waiters are the parked getters, the last one to come the first to be woken: its memory is warm, and
// with less work than workers the others stay asleep.
//
// Of those woken, one at a time is on its way. Others would only crowd the lock, as it looks whether there is
// more to do than it takes, and if so wakes the next. So no wake-up is lost if, under the queue's lock,
//   - who makes an entry available calls wakeOne;
//   - a getter that was woken calls unpark, and then takes an entry or finds none, or is cancelled;
//   - and in each case calls wakeOne if entries are left.
type waiters struct {
	parked []*waiter
	free   []*waiter
	coming bool // a woken waiter has yet to call unpark
}

// park registers the caller, which must then release the queue's lock and sleep.
func (ws *waiters) park() *waiter {
	var w *waiter
	if last := len(ws.free) - 1; last >= 0 {
		w, ws.free = ws.free[last], ws.free[:last]
	} else {
		w = &waiter{wake: make(chan struct{}, 1)}
	}
	w.slot = len(ws.parked)
	ws.parked = append(ws.parked, w)
	return w
}

// unpark ends the wait of w, woken or not.
func (ws *waiters) unpark(w *waiter) {
	if w.slot >= 0 {
		last := len(ws.parked) - 1
		moved := ws.parked[last]
		ws.parked[w.slot], moved.slot = moved, w.slot
		ws.parked = ws.parked[:last]
	} else {
		ws.coming = false
		select {
		case <-w.wake: // sent, but the sleep had ended for another reason
		default:
		}
	}
	ws.free = append(ws.free, w)
}

// wakeOne wakes the waiter that came last, unless one is on its way.
func (ws *waiters) wakeOne() {
	if len(ws.parked) > 0 && !ws.coming {
		ws.coming = true
		ws.wake()
	}
}

// wakeAll wakes them all.
func (ws *waiters) wakeAll() {
	for len(ws.parked) > 0 {
		ws.wake()
	}
}

func (ws *waiters) wake() {
	last := len(ws.parked) - 1
	w := ws.parked[last]
	ws.parked = ws.parked[:last]
	w.slot = -1
	w.wake <- struct{}{}
}
