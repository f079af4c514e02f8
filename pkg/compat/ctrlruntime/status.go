package ctrlruntime

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// status is how far a share of a kind has come: in what form its store is, up to
// which resourceVersion, and what is in the way. Whoever waits does it here.
//
// The store is written first and the status afterwards: whoever has seen a
// resourceVersion here finds its objects.
type status struct {
	mu              sync.Mutex
	form            form // of the objects in the store; 0 before the first list
	resourceVersion string
	err             error         // of the latest attempt, nil if that goes well
	kicked          time.Time     // when the latest attempt was asked for
	changed         chan struct{} // closed by the next change; nil while nobody waits
}

// stored notes that the store has come to a resourceVersion, so that nothing is in the
// way. f is the form of the list that it was made equal to, or 0.
func (s *status) stored(resourceVersion string, f form) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resourceVersion, s.err = resourceVersion, nil
	if f != 0 {
		s.form = f
	}
	s.wakeLocked()
}

// failed notes what is in the way, nil for nothing.
func (s *status) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.wakeLocked()
}

func (s *status) wakeLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// look returns the form, a channel that is closed by the next change, and what is in
// the way.
func (s *status) look() (f form, changed <-chan struct{}, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.form, s.changed, s.err
}

// cause returns what is in the way.
func (s *status) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// version returns the resourceVersion up to which the store has seen every change.
func (s *status) version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resourceVersion
}

// minKick is how long an attempt is let alone that somebody has asked for.
const minKick = time.Second

// kick tells whether another attempt is to be made now, and notes that.
func (s *status) kick(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.kicked) < minKick {
		return false
	}
	s.kicked = now
	return true
}

// reached tells whether one resourceVersion is at or after another. What is not a
// number is not.
func reached(resourceVersion, other string) bool {
	order, err := resourceversion.CompareResourceVersion(resourceVersion, other)
	return err == nil && order >= 0
}
