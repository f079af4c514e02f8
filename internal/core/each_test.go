package core_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/larder-dev/larder/internal/core"
)

// sizes are numbers of items, around those from which on several goroutines are at work.
var sizes = []int{0, 1, 31, 32, 33, 127, 128, 129, 1000, 10_000}

// numbers returns n items.
func numbers(n int) []int {
	items := make([]int, n)
	for i := range items {
		items[i] = i
	}
	return items
}

// inParallel has several goroutines at work, whatever the machine has, and looks afterwards whether they have gone.
func inParallel(t *testing.T) {
	t.Helper()
	previous := runtime.GOMAXPROCS(4)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		runtime.GOMAXPROCS(previous)
		goleak.VerifyNone(t, before)
	})
}

var errOdd = errors.New("it is odd")

// half returns half of a number, or an error.
func half(n int) (any, error) {
	if n%2 == 1 {
		return nil, fmt.Errorf("%d: %w", n, errOdd)
	}
	return n / 2, nil
}

// Each yields every item once, in order, with what it was opened to or why it could not be.
func TestEach(t *testing.T) {
	inParallel(t)
	for _, takesLong := range []bool{false, true} {
		for _, size := range sizes {
			next := 0
			for n, result := range core.Each(numbers(size), takesLong, half) {
				if n != next {
					t.Fatalf("%d of %d came after %d", n, size, next-1)
				}
				next++
				obj, err := half(n)
				if result.Object != obj || fmt.Sprint(result.Err) != fmt.Sprint(err) || errors.Is(result.Err, errOdd) != (n%2 == 1) {
					t.Fatalf("%d was opened to %v", n, result)
				}
			}
			if next != size {
				t.Errorf("%d of %d items came", next, size)
			}
		}
	}
}

// One loop can be run again, and several at once.
func TestEachAgain(t *testing.T) {
	inParallel(t)
	all := core.Each(numbers(1000), true, half)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 3 {
				next := 0
				for n := range all {
					if n != next {
						t.Errorf("%d came after %d", n, next-1)
					}
					next++
				}
				if next != 1000 {
					t.Errorf("%d items came", next)
				}
			}
		})
	}
	running.Wait()
}

// A loop that is left early leaves nothing running: when it has ended nothing is opened any more, and not much was in
// advance.
func TestEachBreak(t *testing.T) {
	inParallel(t)
	const size = 100_000
	for _, after := range []int{0, 1, 31, 32, 33, 500} {
		var opened atomic.Int64
		here := goleak.IgnoreCurrent()
		for n := range core.Each(numbers(size), true, func(n int) (any, error) { opened.Add(1); return n, nil }) {
			if n == after {
				break
			}
		}
		if err := goleak.Find(here); err != nil {
			t.Errorf("after %d: %v", after, err)
		}
		at := opened.Load()
		if at > int64(after)+1000 {
			t.Errorf("after %d: %d were opened", after, at)
		}
		runtime.Gosched()
		if opened.Load() != at {
			t.Errorf("after %d: the loop has ended, and more was opened", after)
		}
	}
}

// A loop has ended when those who were opening have, also if they take their time.
func TestEachWaits(t *testing.T) {
	inParallel(t)
	synctest.Test(t, func(t *testing.T) {
		var inside atomic.Int64
		for n := range core.Each(numbers(1000), true, func(n int) (any, error) {
			inside.Add(1)
			defer inside.Add(-1)
			time.Sleep(time.Duration(n) * time.Second)
			return n, nil
		}) {
			if n == 40 {
				break
			}
		}
		if n := inside.Load(); n != 0 {
			t.Errorf("%d are opening still", n)
		}
	})
}

// recovered returns what a function panics with, or nil.
func recovered(f func()) (r any) {
	defer func() { r = recover() }()
	f()
	return nil
}

// A panic, be it of the loop or of what opens, is one of who loops, who may recover, and leaves nothing running. What
// came before it was yielded.
func TestEachPanics(t *testing.T) {
	inParallel(t)
	for _, takesLong := range []bool{false, true} {
		for _, at := range []int{0, 40, 999} {
			here, seen := goleak.IgnoreCurrent(), -1
			r := recovered(func() {
				for n := range core.Each(numbers(1000), takesLong, half) {
					if seen = n; n == at {
						panic("the loop's own")
					}
				}
			})
			if r != "the loop's own" || seen != at {
				t.Errorf("recovered %v at %d", r, seen)
			}
			if err := goleak.Find(here); err != nil {
				t.Error(err)
			}
			seen = -1
			r = recovered(func() {
				for n := range core.Each(numbers(1000), takesLong, func(n int) (any, error) {
					if n == at {
						panic("the opener's own")
					}
					return n, nil
				}) {
					seen = n
				}
			})
			if !strings.HasPrefix(fmt.Sprint(r), "the opener's own") || seen != at-1 {
				t.Errorf("recovered %v at %d, want that of %d", r, seen, at)
			}
			if err := goleak.Find(here); err != nil {
				t.Error(err)
			}
		}
	}
}
