package core

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// Status is how far an informer has come: whether it runs, whether it is synced, up to which
// resourceVersion and in which form, and what is in the way. Those who wait for any of it
// wait here.
//
// The store is written first and the status afterwards, so that whoever has seen a
// resourceVersion here finds its objects in the store.
type Status struct {
	informer string
	synced   chan struct{} // closed when the first list is in the store

	mu              sync.Mutex
	phase           phase
	form            Form // of the latest list that was stored; AsStored before the first
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
	started
	listed // there is a first list
	stopped
)

// NewStatus returns the status of what has not begun yet.
func NewStatus(informer string) *Status {
	return &Status{informer: informer, synced: make(chan struct{})}
}

// start leads from created to started, or returns ErrStarted.
func (s *Status) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != created {
		return fmt.Errorf("informer %q: %w", s.informer, ErrStarted)
	}
	s.phase = started
	return nil
}

// stop ends the waits that can no longer succeed.
func (s *Status) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = stopped
	s.wakeLocked()
}

// noteList notes that the store equals the server's list at a resourceVersion, in a form.
func (s *Status) noteList(resourceVersion string, f Form) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resourceVersion, s.form, s.err = resourceVersion, f, nil
	s.lists++
	if s.lists == 1 {
		close(s.synced)
	}
	s.wakeLocked()
}

// Reached notes that the store has seen every change up to a resourceVersion.
func (s *Status) Reached(resourceVersion string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resourceVersion, s.err = resourceVersion, nil
	s.wakeLocked()
}

// failed notes what is in the way.
func (s *Status) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.failures++
	s.wakeLocked()
}

// watching notes that the server has accepted a watch, so that nothing is in the way, unless
// it is yet to list by it.
func (s *Status) watching(lists bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches++
	if !lists {
		s.err = nil
		s.wakeLocked()
	}
}

func (s *Status) wakeLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Synced returns a channel that is closed when the first list is in the store.
func (s *Status) Synced() <-chan struct{} { return s.synced }

// HasSynced tells whether the first list is in the store.
func (s *Status) HasSynced() bool { return isClosed(s.synced) }

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// HasStarted tells whether the informer was started.
func (s *Status) HasStarted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase != created
}

// Err returns what is in the way, or nil.
func (s *Status) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Version returns the resourceVersion up to which the store has seen everything, or ""
// before the first list.
func (s *Status) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resourceVersion
}

// Form returns that of the latest list, AsStored before the first.
func (s *Status) Form() Form {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.form
}

// Changed returns a channel that the next change of the status closes. Take it before a look
// at the rest.
func (s *Status) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changedLocked()
}

// IsAtOrAfter tells whether one resourceVersion is at or after another. What cannot be
// compared is not.
func IsAtOrAfter(resourceVersion, other string) bool {
	order, err := resourceversion.CompareResourceVersion(resourceVersion, other)
	return err == nil && order >= 0
}

// WaitSynced waits for the first list.
func (s *Status) WaitSynced(ctx context.Context) error {
	return s.wait(ctx, "the first list", func() bool { return s.lists > 0 })
}

// WaitFor waits until the store has seen everything up to a resourceVersion.
func (s *Status) WaitFor(ctx context.Context, resourceVersion string) error {
	if _, err := resourceversion.CompareResourceVersion(resourceVersion, resourceVersion); err != nil {
		return fmt.Errorf("informer %q: %w: %q", s.informer, ErrInvalidResourceVersion, resourceVersion)
	}
	return s.wait(ctx, "resourceVersion "+resourceVersion, func() bool {
		return IsAtOrAfter(s.resourceVersion, resourceVersion)
	})
}

// wait waits until reached, which is called with mu held, and otherwise returns why that is
// not to be expected.
func (s *Status) wait(ctx context.Context, what string, reached func() bool) error {
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
func (s *Status) changedLocked() <-chan struct{} {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// inVain returns the error of a wait that ended by reason, with what was in the way last.
func (s *Status) inVain(what string, reason error) error {
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

// progress is how far an informer has come, for its metrics.
type progress struct {
	synced                   bool
	version                  float64 // 0: unknown
	lists, watches, failures uint64
}

func (p progress) plus(other progress) progress {
	return progress{
		synced:   p.synced && other.synced,
		version:  min(p.version, other.version),
		lists:    p.lists + other.lists,
		watches:  p.watches + other.watches,
		failures: p.failures + other.failures,
	}
}

func (s *Status) progress() progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	version, _ := strconv.ParseFloat(s.resourceVersion, 64) // 0 for one that is no number
	return progress{
		synced:   s.lists > 0,
		version:  version,
		lists:    s.lists,
		watches:  s.watches,
		failures: s.failures,
	}
}
