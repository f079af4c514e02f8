package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// A turn fills its time, or half of it at least, and so do those after one that was held up while it found out how
// many operations that takes.
func TestTimed(t *testing.T) {
	const fill, each = 100 * time.Millisecond, 10 * time.Microsecond
	for _, stalled := range []int{0, 1, 50} { // in which call
		synctest.Test(t, func(t *testing.T) {
			calls, operations := 0, 0
			turn := timed(fill, func(n int) {
				if calls++; calls == stalled {
					time.Sleep(2 * fill)
				}
				operations = n
				time.Sleep(time.Duration(n) * each)
			})
			turn() // warms up
			for range 3 {
				sample := turn()
				took := time.Duration(operations) * each
				if took < fill/2 || took > 2*fill || sample.Value != float64(each) {
					t.Errorf("stalled in call %d: %d operations in %s, %v ns each", stalled, operations, took, sample.Value)
				}
			}
		})
	}
}
