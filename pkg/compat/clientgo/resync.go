package clientgo

import (
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// resyncs are the periods of an informer's handlers, by client-go's rules. The informer looks
// at the handlers at a fixed period. A handler that is added before the informer has started
// shortens it; one that is added later has to do with it.
type resyncs struct {
	mu          sync.Mutex
	started     bool
	checkPeriod time.Duration
	members     map[*registration]struct{}
}

// minResync is the shortest period of resync.
const minResync = time.Second

// add takes in a handler that asks for a period.
func (s *resyncs) add(r *registration, period time.Duration, logger klog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.period = s.admit(r, period, logger)
	r.next = time.Now().Add(r.period)
	if s.members == nil {
		s.members = map[*registration]struct{}{}
	}
	s.members[r] = struct{}{}
}

// admit returns the period that a handler gets which asks for one.
func (s *resyncs) admit(r *registration, period time.Duration, logger klog.Logger) time.Duration {
	switch {
	case period <= 0:
		return 0
	case s.checkPeriod == 0:
		logger.Info("Warning: no resync for a handler that asks for it: the informer has none", "informer", r.informer.core.Name(), "period", period)
		return 0
	}
	asked := period
	period = max(period, minResync)
	if period < s.checkPeriod {
		if !s.started {
			s.checkPeriod = period
		} else {
			period = s.checkPeriod
		}
	}
	if period != asked {
		logger.Info("Warning: a handler resyncs less often than it asks for", "informer", r.informer.core.Name(), "asked", asked, "period", period)
	}
	return period
}

func (s *resyncs) remove(r *registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, r)
}

// start fixes the period at which check is to be called, and returns it.
func (s *resyncs) start() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	return s.checkPeriod
}

// check has those resync that are due.
func (s *resyncs) check(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.members {
		due := r.period > 0 && !now.Before(r.next)
		r.syncing.Store(due)
		if due {
			r.next = now.Add(r.period)
			r.Resync()
		}
	}
}

// all returns the registrations of the handlers.
func (s *resyncs) all() []*registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*registration, 0, len(s.members))
	for r := range s.members {
		all = append(all, r)
	}
	return all
}
