package main

import (
	"runtime"
	"sync"
	"time"
)

// timed returns a turn that does as many operations as fill the time, or half of it, and takes the mean. How many
// that are is found out by the first turn, which warms up; a later one corrects it, should the first have been held
// up.
func timed(fill time.Duration, operations func(n int)) Turn {
	n := 1
	return func() Sample {
		for {
			sample := counted(n, operations)
			took := sample.Value * float64(n)
			if took >= float64(fill)/2 {
				return sample
			}
			n = max(n+1, int(float64(n)*min(100, float64(fill)/(took+1))))
		}
	}
}

// counted does n operations and returns what one of them took.
func counted(n int, operations func(n int)) Sample {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took := clock(n, operations)
	runtime.ReadMemStats(&after)
	return Sample{
		Value: float64(took) / float64(n),
		Cost: &Cost{
			Allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
			Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
		},
	}
}

func clock(n int, operations func(n int)) time.Duration {
	begin := time.Now()
	operations(n)
	return time.Since(begin)
}

// parallel returns operations that are done by several goroutines at once. Each is told where in the objects
// to begin, so that they do not follow each other.
func parallel(goroutines int, operations func(first, n int)) func(n int) {
	return func(n int) {
		var wg sync.WaitGroup
		for g := range goroutines {
			share := n / goroutines
			if g == 0 {
				share += n % goroutines
			}
			wg.Go(func() { operations(g*1_000_003, share) })
		}
		wg.Wait()
	}
}

// collector collects garbage before a turn, so that nobody pays for another's. A collection of the large heaps
// here takes a second: it is left out while next to nothing was allocated.
type collector struct{ allocated uint64 }

func (c *collector) collect() {
	const nothingMuch = 1 << 20
	var stats runtime.MemStats
	if runtime.ReadMemStats(&stats); stats.TotalAlloc-c.allocated < nothingMuch {
		return
	}
	runtime.GC()
	runtime.ReadMemStats(&stats)
	c.allocated = stats.TotalAlloc
}
