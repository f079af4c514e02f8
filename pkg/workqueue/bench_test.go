package workqueue_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientgo "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// Every benchmark here runs the same work on this queue and on both peers, so that one run compares them:
//
//	go test -run '^$' -bench . -benchmem ./pkg/workqueue

type benchQueue = clientgo.TypedRateLimitingInterface[string]

// benchQueues are the contestants, as they are without further options.
var benchQueues = []struct {
	name string
	make func() benchQueue
}{
	{"larder", func() benchQueue { return workqueue.New(workqueue.Options[string]{}) }},
	{"client-go", func() benchQueue {
		return clientgo.NewTypedRateLimitingQueue(clientgo.DefaultTypedControllerRateLimiter[string]())
	}},
	{"controller-runtime", func() benchQueue { return priorityqueue.New[string]("") }},
}

// eachQueue runs a benchmark on every contestant.
func eachQueue(b *testing.B, run func(b *testing.B, q benchQueue)) {
	for _, contestant := range benchQueues {
		b.Run(contestant.name, func(b *testing.B) {
			q := &shutOnce{benchQueue: contestant.make()}
			defer q.ShutDown()
			b.ReportAllocs()
			run(b, q)
		})
	}
}

// shutOnce is a queue that can be shut down again, which controller-runtime's cannot.
type shutOnce struct {
	benchQueue
	once sync.Once
}

func (q *shutOnce) ShutDown() { q.once.Do(q.benchQueue.ShutDown) }

// itemsOf returns n names like those of objects, made up of a tenant and a number.
func itemsOf(tenants, n int) []string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf("tenant-%d/object-%d", i%tenants, i)
	}
	return items
}

// tenant is the fairness key of the items above.
func tenant(item string) string {
	name, _, _ := strings.Cut(item, "/")
	return name
}

// One goroutine adds, gets and finishes one item at a time.
func BenchmarkAddGetDone(b *testing.B) {
	items := itemsOf(1, 1024)
	eachQueue(b, func(b *testing.B, q benchQueue) {
		for i := 0; b.Loop(); i++ {
			q.Add(items[i%len(items)])
			item, _ := q.Get()
			q.Done(item)
		}
	})
}

// Eight workers each add an item and finish the one they get. An add may be merged into one that another
// worker has yet to finish, so there can be less to get than was added: the first worker to have done its
// share ends the others.
func BenchmarkAddGetDoneWorkers(b *testing.B) {
	const workers = 8
	items := itemsOf(1, workers*1024)
	eachQueue(b, func(b *testing.B, q benchQueue) {
		var left atomic.Int64
		left.Store(int64(b.N))
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				defer q.ShutDown()
				for i := w; left.Add(-1) >= 0; i += workers {
					q.Add(items[i%len(items)])
					item, shutdown := q.Get()
					if shutdown {
						return
					}
					q.Done(item)
				}
			})
		}
		wg.Wait()
	})
}

// One producer keeps eight workers busy.
func BenchmarkProducerWorkers(b *testing.B) {
	const workers = 8
	items := itemsOf(1, 1<<16)
	eachQueue(b, func(b *testing.B, q benchQueue) {
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for {
					item, shutdown := q.Get()
					if shutdown {
						return
					}
					q.Done(item)
				}
			})
		}
		for i := range b.N {
			q.Add(items[i%len(items)])
		}
		for q.Len() > 0 {
			time.Sleep(time.Microsecond)
		}
		b.StopTimer()
		q.ShutDown()
		wg.Wait()
	})
}

// A backlog of 100,000 items of 100 tenants in 3 priorities builds up and is worked off. This queue is fair
// and orders by priority, controller-runtime's orders by priority, client-go's does neither.
func BenchmarkBacklog(b *testing.B) {
	const size = 100_000
	items := itemsOf(100, size)
	priorities := [3]int{-100, 0, 100}
	fair := func() benchQueue {
		return workqueue.New(workqueue.Options[string]{FairBy: []func(string) string{tenant}})
	}
	for i, contestant := range benchQueues {
		if i == 0 {
			contestant.make = fair
		}
		b.Run(contestant.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q := contestant.make()
				byPriority, _ := q.(priorityqueue.PriorityQueue[string])
				for i := range items {
					if byPriority != nil {
						byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: &priorities[i%3]}, items[i:i+1]...)
					} else {
						q.Add(items[i])
					}
				}
				for range items {
					item, _ := q.Get()
					q.Done(item)
				}
				q.ShutDown()
			}
		})
	}
}

// 100,000 items are added with as many different delays.
func BenchmarkAddAfter(b *testing.B) {
	const size = 100_000
	items := itemsOf(1, size)
	for _, contestant := range benchQueues {
		b.Run(contestant.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q := contestant.make()
				for i, item := range items {
					q.AddAfter(item, time.Hour+time.Duration(i*7919%size)*time.Millisecond)
				}
				q.Len() // controller-runtime's queue works off what it has buffered
				q.ShutDown()
			}
		})
	}
}

// Work that fails is retried: every item is delayed and becomes ready by the clock.
func BenchmarkRetry(b *testing.B) {
	items := itemsOf(1, 1024)
	eachQueue(b, func(b *testing.B, q benchQueue) {
		for i := 0; b.Loop(); i++ {
			q.AddAfter(items[i%len(items)], time.Nanosecond)
			item, _ := q.Get()
			q.Done(item)
		}
	})
}

// A tenant with a single item beside one with 100,000: how many others are handed out before it?
func BenchmarkNoisyNeighbour(b *testing.B) {
	const flood = 100_000
	noisy := make([]string, flood)
	for i := range noisy {
		noisy[i] = "noisy/" + strconv.Itoa(i)
	}
	for i, contestant := range benchQueues {
		if i == 0 {
			contestant.make = func() benchQueue {
				return workqueue.New(workqueue.Options[string]{FairBy: []func(string) string{tenant}})
			}
		}
		b.Run(contestant.name, func(b *testing.B) {
			worst := 0
			for b.Loop() {
				q := contestant.make()
				for _, item := range noisy {
					q.Add(item)
				}
				q.Add("quiet/0")
				for before := 0; ; before++ {
					item, _ := q.Get()
					q.Done(item)
					if item == "quiet/0" {
						worst = max(worst, before)
						break
					}
				}
				q.ShutDown()
			}
			b.ReportMetric(float64(worst), "items-before")
		})
	}
}
