package workqueue

// Known returns how many items q knows: those pending, being processed, or both.
func (q *Queue[T]) Known() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items.count
}

// Fire does what the timer of delayed items does.
func (q *Queue[T]) Fire() { q.becomeReady() }

// Locked reports whether somebody has q locked.
func (q *Queue[T]) Locked() bool {
	if !q.mu.mu.TryLock() {
		return true
	}
	q.mu.Unlock()
	return false
}
