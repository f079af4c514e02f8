package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	larderqueue "github.com/larder-dev/larder/pkg/workqueue"
)

// queue is what all queues are.
type queue = workqueue.TypedRateLimitingInterface[string]

// newQueue makes a queue.
type newQueue func() queue

// The queues, as they are without further options; and ours with fairness.
func larderQueue() queue { return larderqueue.New(larderqueue.Options[string]{}) }

func fairQueue() queue {
	return larderqueue.New(larderqueue.Options[string]{FairBy: []func(string) string{tenantOf}})
}

func clientgoQueue() queue {
	return workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
}

// runtimeQueue wraps controller-runtime's queue, which must not be shut down again.
func runtimeQueue() queue {
	q := priorityqueue.New[string]("")
	return &runtimeShutDown{PriorityQueue: q, shutDown: sync.OnceFunc(q.ShutDown)}
}

type runtimeShutDown struct {
	priorityqueue.PriorityQueue[string]
	shutDown func()
}

func (q *runtimeShutDown) ShutDown() { q.shutDown() }

// The names of the other queues.
const (
	clientgoQueueName = "client-go workqueue"
	runtimeQueueName  = "controller-runtime priorityqueue"
)

// requests returns the names of n objects, of several tenants in turn.
func requests(tenants, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("tenant-%d/object-%d", i%tenants, i)
	}
	return names
}

// tenantOf returns the tenant of a request.
func tenantOf(request string) string {
	tenant, _, _ := strings.Cut(request, "/")
	return tenant
}

// process gets an item and finishes it.
func process(q queue) {
	item, _ := q.Get()
	q.Done(item)
}

// onQueues returns contenders that each do the same work on one queue, again and again.
func onQueues(ours newQueue, turn func(q queue) Turn) []Contender {
	return contendingQueues(ours, func(open newQueue) (Turn, func()) {
		q := open()
		return turn(q), q.ShutDown
	})
}

// onNewQueues returns contenders that do n operations on a new queue each turn.
func onNewQueues(ours newQueue, n int, work func(q queue)) []Contender {
	return contendingQueues(ours, func(open newQueue) (Turn, func()) {
		return func() Sample {
			return counted(n, func(int) {
				q := open()
				defer q.ShutDown()
				work(q)
			})
		}, nothing
	})
}

func contendingQueues(ours newQueue, open func(newQueue) (Turn, func())) []Contender {
	return []Contender{
		{Name: "larder", Open: func() (Turn, func()) { return open(ours) }},
		{Name: clientgoQueueName, Open: func() (Turn, func()) { return open(clientgoQueue) }},
		{Name: runtimeQueueName, Open: func() (Turn, func()) { return open(runtimeQueue) }},
	}
}

// oneByOne adds, gets and finishes one item at a time.
func oneByOne(w *World) func(q queue) Turn {
	return func(q queue) Turn {
		items := requests(1, 1024)
		return timed(w.Fill, func(n int) {
			for i := range n {
				q.Add(items[i%len(items)])
				process(q)
			}
		})
	}
}

// byWorkers lets each of several workers add an item and finish the one that it gets, n in all. An add may be
// merged into one that another worker has yet to finish, so that there can be less to get than was added: the
// first worker that has nothing left to add ends the others.
func byWorkers(workers, n int) func(q queue) {
	items := requests(1, workers*1024)
	return func(q queue) {
		var left atomic.Int64
		left.Store(int64(n))
		var wg sync.WaitGroup
		for first := range workers {
			wg.Go(func() {
				defer q.ShutDown()
				for i := first; left.Add(-1) >= 0; i += workers {
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
	}
}

// toWorkers adds items that several workers finish.
func toWorkers(workers int, items []string) func(q queue) {
	return func(q queue) {
		var done sync.WaitGroup
		done.Add(len(items))
		for range workers {
			go func() {
				for {
					item, shutdown := q.Get()
					if shutdown {
						return
					}
					q.Done(item)
					done.Done()
				}
			}()
		}
		for _, item := range items {
			q.Add(item)
		}
		done.Wait()
	}
}

// backlog adds items of three priorities, where the queue has them, and then works them off.
func backlog(items []string) func(q queue) {
	priorities := [3]int{-100, 0, 100}
	return func(q queue) {
		prioritized, _ := q.(priorityqueue.PriorityQueue[string])
		for i := range items {
			if prioritized == nil {
				q.Add(items[i])
			} else {
				prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: &priorities[i%3]}, items[i])
			}
		}
		for range items {
			process(q)
		}
	}
}

// delay adds items with as many different delays.
func delay(items []string) func(q queue) {
	return func(q queue) {
		for i, item := range items {
			q.AddAfter(item, time.Hour+time.Duration(i*7919%len(items))*time.Millisecond)
		}
		q.Len() // controller-runtime's queue has buffered them until now
	}
}

// worstWait adds a flood of one tenant, and works it off while another tenant always has one item. It returns how
// many items were handed out, at worst, while that waited.
func worstWait(q queue, flood []string) int {
	const single = "single/object"
	for _, item := range flood {
		q.Add(item)
	}
	q.Add(single)
	worst, waits := 0, 0
	for left := len(flood); left > 0; {
		item, _ := q.Get()
		q.Done(item)
		if item != single {
			left--
			waits++
			continue
		}
		worst, waits = max(worst, waits), 0
		q.Add(single)
	}
	return max(worst, waits)
}

// fairnessContender measures the worst wait.
func fairnessContender(name string, flood []string, open newQueue) Contender {
	return Contender{Name: name, Open: func() (Turn, func()) {
		return func() Sample {
			q := open()
			defer q.ShutDown()
			return Sample{Value: float64(worstWait(q, flood))}
		}, nothing
	}}
}

// queueScenarios are the work of a controller's queue.
func queueScenarios(w *World) []Scenario {
	const many, workers, operations = 100_000, 8, 200_000
	return []Scenario{
		{
			Name:       "queue/one-by-one",
			Title:      "Add, Get, Done",
			Why:        "every reconcile begins and ends with these",
			Unit:       Nanoseconds,
			Contenders: onQueues(larderQueue, oneByOne(w)),
			Ratios:     map[string]float64{clientgoQueueName: 1, runtimeQueueName: 0.1},
			Allocs:     0.01, // none, but for what the runtime does meanwhile
		},
		{
			Name:       "queue/workers",
			Title:      fmt.Sprintf("Add, Get, Done by %d workers at once", workers),
			Why:        "workers that requeue what they did meet at the queue's lock",
			Unit:       Nanoseconds,
			Contenders: onNewQueues(larderQueue, operations, byWorkers(workers, operations)),
			Ratios:     map[string]float64{clientgoQueueName: 0.6},
		},
		{
			Name:       "queue/producer",
			Title:      fmt.Sprintf("Add by one, Get, Done by %d workers", workers),
			Why:        "this is a controller: one informer adds, several workers reconcile",
			Unit:       Nanoseconds,
			Contenders: onNewQueues(larderQueue, many, toWorkers(workers, requests(1, many))),
		},
		{
			Name:       "queue/backlog",
			Title:      fmt.Sprintf("An item of a backlog of %s, 3 priorities, 100 tenants, with fairness", grouped(many)),
			Why:        "after a restart every object is in the queue at once",
			Unit:       Nanoseconds,
			Contenders: onNewQueues(fairQueue, many, backlog(requests(100, many))),
			Ratios:     map[string]float64{clientgoQueueName: 1.5, runtimeQueueName: 0.15},
		},
		{
			Name:       "queue/delay",
			Title:      fmt.Sprintf("AddAfter, %s different delays", grouped(many)),
			Why:        "objects that are looked at again after a while each wait for their own time",
			Unit:       Nanoseconds,
			Contenders: onNewQueues(larderQueue, many, delay(requests(1, many))),
			Ratios:     map[string]float64{clientgoQueueName: 0.7},
		},
		{
			Name:  "queue/fairness",
			Title: fmt.Sprintf("Worst wait of a tenant with one item beside one with %s, in items", grouped(many)),
			Why:   "one tenant's flood should not make the others wait until it is worked off",
			Unit:  Items,
			Contenders: []Contender{
				fairnessContender("larder, FairBy tenant", requests(1, many), fairQueue),
				fairnessContender("larder without", requests(1, many), larderQueue),
				fairnessContender(clientgoQueueName, requests(1, many), clientgoQueue),
				fairnessContender(runtimeQueueName, requests(1, many), runtimeQueue),
			},
			AtMost: 1,
		},
	}
}
