package workqueue

import "sync"

// A lock is a mutex that backs off before it waits. The queue holds it for a tenth of a microsecond; to move what
// it guards from one core's cache to another's takes longer than that, and so does putting a goroutine to sleep.
// So who finds it taken leaves it alone for a while, in which the core that has everything in its cache
// gets much done, instead of pulling the queue over for one operation each.
type lock struct{ mu sync.Mutex }

const (
	// backOffs is how often Lock tries before it sleeps: for 5 µs in all, on a core of 3 GHz.
	backOffs = 4

	// backOffSpins is how many times the first back-off goes round its loop, about 0.3 µs. Each is twice as
	// long as the one before it.
	backOffSpins = 1000
)

// Lock takes the lock, and waits for it.
func (l *lock) Lock() {
	for i := range backOffs {
		if l.mu.TryLock() {
			return
		}
		for range backOffSpins << i { // touches nothing that another core has
		}
	}
	l.mu.Lock()
}

// Unlock gives it back.
func (l *lock) Unlock() { l.mu.Unlock() }
