package informer

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// status is how far an informer has come: whether it runs, whether it is synced,
// up to which resourceVersion, and what is in the way. Those who wait for any of
// it wait here.
//
// The store is written first and the status afterwards, so that whoever has seen
// a resourceVersion here finds its objects in the store.
type status struct {
	informer string
	synced   chan struct{} // closed when the first list is in the store

	mu              sync.Mutex
	phase           phase
	isSynced        bool
	resourceVersion string
	err             error
	lists           uint64        // that were stored
	watches         uint64        // that the server accepted
	failures        uint64        // that were noted
	changed         chan struct{} // closed by the next change; nil while nobody waits
}

// phase is a stage of an informer's life.
type phase int

const (
	created phase = iota
	running
	stopped
)

func newStatus(informer string) *status {
	return &status{informer: informer, synced: make(chan struct{})}
}

// start leads from created to running, or returns ErrStarted.
func (s *status) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != created {
		return fmt.Errorf("informer %q: %w", s.informer, ErrStarted)
	}
	s.phase = running
	return nil
}

// stop ends the waits that can no longer succeed.
func (s *status) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = stopped
	s.wakeLocked()
}

// listed notes that the store equals the server's list at a resourceVersion.
func (s *status) listed(resourceVersion string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resourceVersion = resourceVersion
	s.lists++
	if !s.isSynced {
		s.isSynced = true
		close(s.synced)
	}
	s.wakeLocked()
}

// watched notes that the store has seen every change up to a resourceVersion.
func (s *status) watched(resourceVersion string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resourceVersion = resourceVersion
	s.wakeLocked()
}

// failed notes what is in the way.
func (s *status) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.failures++
	s.wakeLocked()
}

// watching notes that the server has accepted a watch, so that nothing is in the way.
func (s *status) watching() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = nil
	s.watches++
}

func (s *status) wakeLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// lastError returns what is in the way, or nil.
func (s *status) lastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// version returns the resourceVersion up to which the store has seen everything,
// or "" before the first list.
func (s *status) version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resourceVersion
}

// waitSynced waits for the first list.
func (s *status) waitSynced(ctx context.Context) error {
	return s.wait(ctx, "the first list", func() bool { return s.isSynced })
}

// waitFor waits until the store has seen everything up to a resourceVersion.
func (s *status) waitFor(ctx context.Context, resourceVersion string) error {
	if _, err := resourceversion.CompareResourceVersion(resourceVersion, resourceVersion); err != nil {
		return fmt.Errorf("informer %q: %w: %q", s.informer, ErrInvalidResourceVersion, resourceVersion)
	}
	return s.wait(ctx, "resourceVersion "+resourceVersion, func() bool {
		// What cannot be compared, the "" before the first list for one, is not
		// there yet.
		order, err := resourceversion.CompareResourceVersion(s.resourceVersion, resourceVersion)
		return err == nil && order >= 0
	})
}

// wait waits until reached, which is called with mu held, and otherwise returns
// why that is not to be expected, as Informer.WaitSynced documents.
func (s *status) wait(ctx context.Context, what string, reached func() bool) error {
	for {
		s.mu.Lock()
		done, phase, err := reached(), s.phase, s.err
		changed := s.changedLocked()
		s.mu.Unlock()

		switch {
		case done:
			return nil
		case phase == stopped:
			return s.inVain(what, ErrStopped)
		case IsLasting(err):
			return &SyncError{Informer: s.informer, Err: err}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s.inVain(what, ctx.Err())
		}
	}
}

// changedLocked returns a channel that the next change closes.
func (s *status) changedLocked() <-chan struct{} {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// inVain returns the error of a wait that ended by reason, with what was in the
// way last.
func (s *status) inVain(what string, reason error) error {
	s.mu.Lock()
	obstacle := s.err
	if s.phase == created {
		obstacle = ErrNotStarted
	}
	s.mu.Unlock()
	if obstacle == nil {
		return fmt.Errorf("informer %q, waiting for %s: %w", s.informer, what, reason)
	}
	return fmt.Errorf("informer %q, waiting for %s: %w; the last obstacle: %w", s.informer, what, reason, obstacle)
}
