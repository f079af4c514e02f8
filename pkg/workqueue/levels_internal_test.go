package workqueue

import "testing"

// Invariant: what is kept of priorities is bounded by how many are in use, however many there have been.
func TestLevelsAreBounded(t *testing.T) {
	q := New(Options[int]{})
	for item := range 10_000 {
		q.AddWithOpts(AddOpts{Priority: &item}, item)
		q.Get()
		q.Done(item)
		if kept, listed := len(q.levels.byPriority), len(q.levels.heap); max(kept, listed) > 1+idleLevels {
			t.Fatalf("%d priorities are kept and %d listed, where one is in use", kept, listed)
		}
	}
}
