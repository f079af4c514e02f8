package clientgo

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// roster is the handlers of an informer. The deliveries to them begin when the
// first list is in the store, so that the replay of each is the initial list, and
// nothing that follows is missed.
type roster struct {
	informer   string // its name
	syncedName string // of its HasSyncedChecker
	indexer    *indexer
	meters     meters

	running sync.WaitGroup // the deliveries

	mu          sync.Mutex
	phase       phase
	checkPeriod time.Duration // how often it is looked who is due for a resync
	members     map[*registration]struct{}
}

// phase is a stage of an informer's life.
type phase int

const (
	created phase = iota
	started
	listed
	stopped
)

// add takes in a handler, for a period of resync.
func (h *roster) add(r *registration, period time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == stopped {
		// Programs look at the end of the message.
		return fmt.Errorf("%w: handler %s was not added to shared informer because it has stopped already", ErrStopped, r.handlerName)
	}
	r.resyncPeriod = h.admit(r.logger, period)
	r.nextResync = time.Now().Add(r.resyncPeriod)
	if h.phase == listed {
		if err := h.launch(r); err != nil {
			return err
		}
	}
	if h.members == nil {
		h.members = map[*registration]struct{}{}
	}
	h.members[r] = struct{}{}
	return nil
}

// minResync is the shortest period of resync.
const minResync = time.Second

// admit returns the period that a handler gets which asks for one. The informer
// looks at the handlers at a fixed period. A handler that is added before the
// informer has started shortens it; one that is added later has to do with it.
func (h *roster) admit(logger klog.Logger, period time.Duration) time.Duration {
	switch {
	case period <= 0:
		return 0
	case h.checkPeriod == 0:
		logger.Info("Warning: no resync for a handler that asks for it: the informer has none", "informer", h.informer, "period", period)
		return 0
	}
	asked := period
	period = max(period, minResync)
	if period < h.checkPeriod {
		if h.phase == created {
			h.checkPeriod = period
		} else {
			period = h.checkPeriod
		}
	}
	if period != asked {
		logger.Info("Warning: a handler resyncs less often than it asks for", "informer", h.informer, "asked", asked, "period", period)
	}
	return period
}

// launch begins the delivery to a handler at the present state of the store.
func (h *roster) launch(r *registration) error {
	if err := r.open(); err != nil {
		return err
	}
	h.running.Go(r.run)
	return nil
}

// remove ends the delivery to a handler, without waiting for it.
func (h *roster) remove(r *registration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.members[r]; ok {
		delete(h.members, r)
		r.leave()
	}
}

// start fixes the period at which resync is to be called, and returns it.
func (h *roster) start() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase = started
	return h.checkPeriod
}

// listed begins the deliveries that wait for the first list.
func (h *roster) listed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase = listed
	for r := range h.members {
		if err := h.launch(r); err != nil {
			r.logger.Error(err, "No changes for a handler", "informer", h.informer)
		}
	}
}

// stop ends the deliveries, and waits for them.
func (h *roster) stop() {
	h.mu.Lock()
	h.phase = stopped
	for r := range h.members {
		r.leave()
	}
	h.members = nil
	h.mu.Unlock()
	h.running.Wait()
}

func (h *roster) isStopped() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.phase == stopped
}

// resync has those resync that are due.
func (h *roster) resync(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.members {
		due := r.resyncPeriod > 0 && !now.Before(r.nextResync)
		r.syncing.Store(due)
		if due {
			r.nextResync = now.Add(r.resyncPeriod)
			r.wake()
		}
	}
}

// status returns the status of each handler.
func (h *roster) status() []HandlerStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]HandlerStatus, 0, len(h.members))
	head, _ := h.indexer.shelf.head()
	for r := range h.members {
		all = append(all, HandlerStatus{Registration: r, Name: r.handlerName, Synced: r.HasSynced(), Lag: r.lag(head)})
	}
	return all
}

// measure sets the metric of what is queued: how far the slowest handler is behind.
func (h *roster) measure() {
	if !h.meters.enabled {
		return
	}
	lag := 0
	for _, s := range h.status() {
		lag = max(lag, s.Lag)
	}
	h.meters.queued.Set(float64(lag))
}
