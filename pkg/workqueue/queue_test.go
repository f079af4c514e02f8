package workqueue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	clientgo "k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// getAll gets what is ready.
func getAll(t *testing.T, q *workqueue.Queue[string]) []string {
	t.Helper()
	items := make([]string, q.Len())
	n, err := q.GetBatch(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	return items[:n]
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// itemsOf returns n names like those of objects, made up of a tenant and a number.
func itemsOf(tenants, n int) []string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf("tenant-%d/object-%d", i%tenants, i)
	}
	return items
}

// tenant is the first fairness key of an item, which is called tenant/number or tenant/namespace/number.
func tenant(item string) string {
	name, _, _ := strings.Cut(item, "/")
	return name
}

// namespace is the second fairness key of an item called tenant/namespace/number.
func namespace(item string) string {
	_, rest, _ := strings.Cut(item, "/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// Invariant: tenants take turns, and within the turns of a tenant its namespaces do.
func TestFairness(t *testing.T) {
	q := workqueue.New(workqueue.Options[string]{FairBy: []func(string) string{tenant, namespace}})
	for i := range 3 {
		q.Add(fmt.Sprintf("big/x/%d", i))
	}
	q.Add("big/y/0")
	q.Add("small/z/0")
	q.Add("small/z/1")
	expect(t, getAll(t, q),
		"big/x/0", "small/z/0", "big/y/0", "small/z/1", "big/x/1", "big/x/2")
}

// Invariant: one that comes and goes gains nothing by it. The tenant that has one item at a time, and adds
// the next when it is done, gets every other turn beside a tenant with a backlog.
func TestFairnessOfReturning(t *testing.T) {
	q := workqueue.New(workqueue.Options[string]{FairBy: []func(string) string{tenant}})
	for i := range 100 {
		q.Add(fmt.Sprintf("big/%d", i))
	}
	q.Add("small/0")
	turns := map[string]int{}
	for range 100 {
		item, _ := q.Get()
		turns[tenant(item)]++
		if item == "small/0" {
			q.Add(item)
		}
		q.Done(item)
	}
	if turns["small"] != 50 {
		t.Errorf("%v of 100 turns", turns)
	}
}

// Invariant: only a hand-out ends a turn. An item that is raised leaves its tenant's line, and nobody loses a
// turn by that.
func TestFairnessOfRaised(t *testing.T) {
	q := workqueue.New(workqueue.Options[string]{FairBy: []func(string) string{tenant}})
	for _, item := range []string{"x/1", "y/1", "z/1", "z/2"} {
		q.Add(item)
	}
	q.AddWithOpts(workqueue.AddOpts{Priority: new(1)}, "y/1")
	expect(t, getAll(t, q), "y/1", "x/1", "z/1", "z/2")
}

// Invariant: an item that comes because of its age comes out of turn, and nobody loses a turn by that.
func TestFairnessOfAged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{FairBy: []func(string) string{tenant}, AgeAfter: time.Second})
		high := workqueue.AddOpts{Priority: new(1)}
		oldest := []string{"z/0", "z/1", "z/2", "z/3"}
		q.AddWithOpts(workqueue.AddOpts{}, oldest...)
		q.AddWithOpts(high, "x/0", "x/1", "x/2", "x/3", "y/0", "y/1", "y/2", "y/3")
		q.AddWithOpts(high, oldest...) // behind the others
		time.Sleep(time.Second)
		expect(t, getAll(t, q),
			"x/0", "y/0", "z/0", "x/1", "y/1", "z/1", "x/2",
			"z/2", // aged, in the turn of y
			"y/2", "z/3", "x/3", "y/3")
	})
}

// Invariant: priority goes before fairness.
func TestFairnessWithinPriority(t *testing.T) {
	q := workqueue.New(workqueue.Options[string]{FairBy: []func(string) string{tenant}})
	q.Add("x/low")
	q.AddWithOpts(workqueue.AddOpts{Priority: new(1)}, "y/1", "y/2", "z/1")
	expect(t, getAll(t, q), "y/1", "z/1", "y/2", "x/low")
}

// Invariant: the highest priority comes first, also if there are as many as items and none comes back.
func TestManyPriorities(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed: %d", seed)
	source := rand.New(rand.NewPCG(seed, 0))
	q := workqueue.New(workqueue.Options[int]{})
	var ready []int // sorted; every item is its own priority
	for phase := range 20 {
		for range 1 + source.IntN(500) {
			if (source.IntN(3) == 0) == (phase%2 == 0) && len(ready) > 0 {
				item, priority, _ := q.GetWithPriority()
				if want := ready[len(ready)-1]; item != want || priority != want {
					t.Fatalf("got %d with priority %d, want %d", item, priority, want)
				}
				q.Done(item)
				ready = ready[:len(ready)-1]
				continue
			}
			item := source.Int()
			q.AddWithOpts(workqueue.AddOpts{Priority: &item}, item)
			at, _ := slices.BinarySearch(ready, item)
			ready = slices.Insert(ready, at, item)
		}
	}
}

// Invariant: a priority that was forgotten, as many others had come and gone, is a priority like any other when it
// comes back: its items come in order of arrival.
func TestPriorityComesBack(t *testing.T) {
	const priorities = 100
	q := workqueue.New(workqueue.Options[string]{})
	add := func(priority int, item string) { q.AddWithOpts(workqueue.AddOpts{Priority: &priority}, item) }
	for priority := range priorities {
		add(priority, fmt.Sprint(priority))
	}
	for range priorities {
		item, _ := q.Get()
		q.Done(item)
	}
	const last = priorities - 1 // the one that was used last
	add(last, "a")
	add(last+1, "high")
	add(last, "b")
	add(last, "c")
	expect(t, getAll(t, q), "high", "a", "b", "c")
}

// Invariant: beside a flood of high priority that never ends, an item of low priority waits for AgeAfter, and
// then for eight hand-outs for each item that is older.
func TestAgeing(t *testing.T) {
	for _, ageAfter := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q := workqueue.New(workqueue.Options[string]{AgeAfter: ageAfter})
			high := func(i int) { q.AddWithOpts(workqueue.AddOpts{Priority: new(10)}, fmt.Sprintf("high-%d", i)) }
			q.Add("low-0")
			q.Add("low-1")
			var at []int // the hand-outs of low priority
			for i := range 10_000 {
				high(i)
				item, _ := q.Get()
				if !strings.HasPrefix(item, "high") {
					at = append(at, i)
				}
				q.Done(item)
				time.Sleep(time.Millisecond)
			}
			switch {
			case ageAfter == 0 && len(at) > 0:
				t.Errorf("low priority was served at %v without ageing", at)
			case ageAfter > 0 && (len(at) != 2 || at[0] < 1000 || at[0] > 1008 || at[1] > at[0]+8):
				t.Errorf("low priority was served at %v, want from 1000 to 1016", at)
			}
		})
	}
}

// Invariant: an item does not come because of its age while a worker still has it.
func TestAgeingOfBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{AgeAfter: time.Second})
		q.Add("old")
		q.Get()
		q.Add("old")
		items := itemsOf(1, 20)
		q.AddWithOpts(workqueue.AddOpts{}, items...)
		time.Sleep(time.Second)
		for _, want := range items {
			if item, _ := q.Get(); item != want {
				t.Fatalf("got %s, want %s", item, want)
			}
		}
		q.Done("old")
		expect(t, getAll(t, q), "old")
	})
}

// Invariant: retries end where they are capped, the item is handed to OnDrop, and starts anew after that.
func TestMaxRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dropped []string
		q := workqueue.New(workqueue.Options[string]{
			MaxRetries: 2,
			OnDrop: func(item string, reason error) {
				var retries *workqueue.RetriesError
				if !errors.As(reason, &retries) || retries.Retries != 2 || !errors.Is(reason, workqueue.ErrRetriesExhausted) {
					t.Errorf("dropped with %v", reason)
				}
				dropped = append(dropped, item)
			},
		})
		defer q.ShutDown()
		for range 2 {
			q.AddRateLimited("a")
			item, _ := q.Get()
			q.Done(item)
		}
		expect(t, dropped)
		q.AddRateLimited("a")
		expect(t, dropped, "a")
		if n := len(q.Pending()) + q.NumRequeues("a"); n != 0 {
			t.Errorf("%d traces of a dropped item", n)
		}

		rateLimited := workqueue.AddOpts{RateLimited: true}
		for range 2 {
			if err := q.TryAddWithOpts(rateLimited, "b"); err != nil {
				t.Error(err)
			}
		}
		if err := q.TryAddWithOpts(rateLimited, "b"); !errors.Is(err, workqueue.ErrRetriesExhausted) {
			t.Errorf("got %v for one retry too many", err)
		}
		expect(t, dropped, "a")
		q.Cancel("b") // or the shutdown drops it
	})
}

// Invariant: no retry waits for longer than MaxBackoff, however many there were.
func TestMaxBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{RateLimiter: limiter(), MaxBackoff: 20 * time.Millisecond})
		defer q.ShutDown()
		for _, want := range []time.Duration{5, 10, 20, 20, 20} {
			start := time.Now()
			q.AddRateLimited("a")
			item, _ := q.Get()
			q.Done(item)
			if got := time.Since(start); got != want*time.Millisecond {
				t.Errorf("waited for %v, want %v", got, want*time.Millisecond)
			}
		}
	})
}

// Invariant: a full queue refuses what is new, and nothing else: not what it has, and not those who do not ask.
func TestCapacity(t *testing.T) {
	q := workqueue.New(workqueue.Options[string]{Capacity: 2})
	defer q.ShutDown()
	q.AddAfter("a", time.Hour)
	for _, item := range []string{"b", "a", "b"} {
		if err := q.TryAdd(item); err != nil {
			t.Errorf("%s: %v", item, err)
		}
		var full *workqueue.FullError
		err := q.TryAdd("c")
		if !errors.As(err, &full) || *full != (workqueue.FullError{Pending: 2, Capacity: 2}) || !errors.Is(err, workqueue.ErrFull) {
			t.Errorf("got %v from a queue with %v", err, q.Pending())
		}
	}
	q.Add("d")
	if n := len(q.Pending()); n != 3 {
		t.Errorf("%d items pending, want 3", n)
	}
	q.ShutDown()
	if err := q.TryAdd("a"); !errors.Is(err, workqueue.ErrShutDown) {
		t.Errorf("got %v after the shutdown", err)
	}
}

// Invariant: all that is due becomes ready, however much that is, and what is never due does not.
func TestManyDue(t *testing.T) {
	const due = 1000
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{})
		defer q.ShutDown()
		time.Sleep(time.Second)
		q.AddAfter("never", math.MaxInt64)
		for _, item := range itemsOf(1, due) {
			q.AddAfter(item, time.Second)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := q.Len(); n != due {
			t.Errorf("%d items are ready, want %d", n, due)
		}
	})
}

// Invariant: what is delayed at a shutdown stays so, also if its time comes at that very moment.
func TestDelayedAtShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{})
		q.AddAfter("a", time.Second)
		q.ShutDown()
		if q.Reschedule("a", 0) {
			t.Error("the item was moved")
		}
		time.Sleep(time.Minute)
		q.Fire()
		if n, left := q.Len(), len(q.Pending()); n != 0 || left != 1 {
			t.Errorf("%d items are ready and %d pending", n, left)
		}
		if !q.Cancel("a") || len(q.Pending()) != 0 {
			t.Error("the item was not cancelled")
		}
	})
}

// Invariant: Cancel and Reschedule act on what is delayed, and say whether it was.
func TestReschedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{})
		defer q.ShutDown()
		for i, item := range []string{"cancelled", "later", "sooner", "now"} {
			q.AddAfter(item, time.Duration(i+1)*time.Minute)
		}
		q.Add("ready")
		if !q.Cancel("cancelled") || !q.Reschedule("later", time.Hour) || !q.Reschedule("sooner", time.Second) || !q.Reschedule("now", 0) {
			t.Error("a delayed item was not found")
		}
		for _, item := range []string{"cancelled", "ready", "now", "unknown"} {
			if q.Cancel(item) || q.Reschedule(item, time.Hour) {
				t.Errorf("%s was found among the delayed", item)
			}
		}
		expect(t, getAll(t, q), "ready", "now")
		time.Sleep(time.Second)
		synctest.Wait()
		expect(t, getAll(t, q), "sooner")
		time.Sleep(time.Hour - 2*time.Second)
		synctest.Wait()
		if n := q.Len(); n != 0 {
			t.Errorf("%d items came before their time", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		expect(t, getAll(t, q), "later")
	})
}

// Invariant: a getter that gives up does not take a wake-up with it.
func TestGetContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{})
		giveUp := errors.New("given up")
		ctx, cancel := context.WithCancelCause(t.Context())
		got := make(chan string, 2)
		go func() {
			item, _ := q.Get()
			got <- item
		}()
		synctest.Wait()
		go func() {
			item, err := q.GetContext(ctx)
			if err != nil && !errors.Is(err, giveUp) || err == nil && item != "a" {
				t.Errorf("got %q, %v", item, err)
			}
			if err == nil {
				got <- item
			}
		}()
		synctest.Wait()
		cancel(giveUp)
		q.Add("a")
		if item := <-got; item != "a" {
			t.Errorf("got %q", item)
		}
		q.Add("b")
		if _, err := q.GetContext(ctx); !errors.Is(err, giveUp) {
			t.Errorf("got %v with a context that is done, though an item is ready", err)
		}
		expect(t, getAll(t, q), "b")
		q.ShutDown()
		q.ShutDown()
		synctest.Wait()
		if _, err := q.GetContext(t.Context()); !errors.Is(err, workqueue.ErrShutDown) {
			t.Errorf("got %v after the shutdown", err)
		}
	})
}

// Invariant: no getter sleeps while there is something for it, though a wake-up is handed on from one to the next.
func TestGettersAreWoken(t *testing.T) {
	const getters, rounds = 8, 50
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{})
		items := itemsOf(1, getters)
		for range rounds {
			got := make(chan string, getters)
			for range getters {
				go func() {
					item, _ := q.Get()
					got <- item
				}()
			}
			synctest.Wait()
			q.AddWithOpts(workqueue.AddOpts{}, items...)
			synctest.Wait()
			if len(got) != getters {
				t.Fatalf("%d of %d getters have an item", len(got), getters)
			}
			for range getters {
				q.Done(<-got)
			}
		}
	})
}

// A hookedClock runs its hook when it is asked how much time has passed, and then forgets it. The queue asks it
// with its lock held, before it wakes anybody.
type hookedClock struct {
	clock.RealClock
	hook func()
}

func (c *hookedClock) Since(start time.Time) time.Duration {
	if hook := c.hook; hook != nil {
		c.hook = nil
		hook()
	}
	return c.RealClock.Since(start)
}

// Invariant: a getter that gives up just before it is woken hands the wake-up on.
func TestGiveUpWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &hookedClock{}
		q := workqueue.New(workqueue.Options[string]{Clock: c, AgeAfter: time.Hour})
		defer q.ShutDown()
		got := make(chan string, 1)
		go func() {
			item, _ := q.Get()
			got <- item
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if item, err := q.GetContext(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %q, %v", item, err)
			}
		}()
		synctest.Wait()
		c.hook = cancel
		q.Add("a") // wakes the one that came last
		synctest.Wait()
		select {
		case item := <-got:
			expect(t, []string{item}, "a")
		default:
			t.Error("an item is ready, and the getter that is left sleeps")
		}
	})
}

// Invariant: a shutdown ends every getter.
func TestShutDownEndsGetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{})
		var ended atomic.Int32
		for range 3 {
			go func() {
				if _, err := q.GetContext(t.Context()); errors.Is(err, workqueue.ErrShutDown) {
					ended.Add(1)
				}
			}()
		}
		synctest.Wait()
		q.ShutDown()
		synctest.Wait()
		if n := ended.Load(); n != 3 {
			t.Errorf("%d of 3 getters ended", n)
		}
	})
}

// Invariant: a batch is what is ready and fits, in order, and waits for the first of it only.
func TestGetBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := workqueue.New(workqueue.Options[string]{})
		batch := make([]string, 2)
		if n, err := q.GetBatch(t.Context(), nil); n != 0 || err != nil {
			t.Errorf("got %d, %v for no room", n, err)
		}
		time.AfterFunc(time.Second, func() { q.AddWithOpts(workqueue.AddOpts{}, "a", "b", "c") })
		var got []string
		for len(got) < 3 {
			n, err := q.GetBatch(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, batch[:n]...)
		}
		expect(t, got, "a", "b", "c")
		q.ShutDown()
		if n, err := q.GetBatch(t.Context(), batch); n != 0 || !errors.Is(err, workqueue.ErrShutDown) {
			t.Errorf("got %d, %v after the shutdown", n, err)
		}
	})
}

// Invariant: a drain tells what it leaves behind and why it ended; OnDrop hears of each item once.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dropped []string
		q := workqueue.New(workqueue.Options[string]{OnDrop: func(item string, reason error) {
			if !errors.Is(reason, workqueue.ErrShutDown) {
				t.Errorf("dropped with %v", reason)
			}
			dropped = append(dropped, item)
		}})
		q.Add("ready")
		q.AddAfter("delayed", time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		left, err := q.Drain(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the drain ended with %v", err)
		}
		want := []workqueue.Pending[string]{{Item: "ready"}, {Item: "delayed", Delay: time.Hour - time.Minute}}
		if !slices.Equal(left, want) {
			t.Errorf("left %v, want %v", left, want)
		}
		expect(t, dropped, "delayed")
		q.Add("late")
		expect(t, dropped, "delayed", "late")

		time.AfterFunc(time.Second, q.ShutDown)
		if left, err = q.Drain(t.Context()); !errors.Is(err, workqueue.ErrShutDown) || len(left) != 2 {
			t.Errorf("left %v, %v after it was cut short", left, err)
		}
		item, _ := q.Get()
		q.Done(item)
		if left, err = q.Drain(t.Context()); err != nil || len(left) != 1 {
			t.Errorf("left %v, %v at last", left, err)
		}
		expect(t, dropped, "delayed", "late")
	})
}

// Invariant: a drain that had nothing to wait for says so, also if its time was over before.
func TestDrainOfIdle(t *testing.T) {
	q := workqueue.New(workqueue.Options[string]{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if left, err := q.Drain(ctx); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A hookedLimiter runs its hook before it does anything.
type hookedLimiter struct {
	clientgo.TypedRateLimiter[string]
	hook func(of string)
}

func (l hookedLimiter) When(item string) time.Duration {
	l.hook("RateLimiter.When")
	return l.TypedRateLimiter.When(item)
}

func (l hookedLimiter) Forget(item string) {
	l.hook("RateLimiter.Forget")
	l.TypedRateLimiter.Forget(item)
}

func (l hookedLimiter) NumRequeues(item string) int {
	l.hook("RateLimiter.NumRequeues")
	return l.TypedRateLimiter.NumRequeues(item)
}

// Invariant: the queue is not locked while a function of the options runs, so that this can be slow and call the queue.
func TestFunctionsRunUnlocked(t *testing.T) {
	for name, shutDown := range map[string]func(*workqueue.Queue[string]){
		"shut down": (*workqueue.Queue[string]).ShutDown,
		"drain":     (*workqueue.Queue[string]).ShutDownWithDrain,
	} {
		t.Run(name, func(t *testing.T) {
			var q *workqueue.Queue[string]
			calls := map[string]int{}
			called := func(function string) {
				calls[function]++
				if q.Locked() {
					t.Errorf("%s is called with the queue locked", function)
				}
			}
			q = workqueue.New(workqueue.Options[string]{
				RateLimiter: hookedLimiter{limiter(), called},
				MaxRetries:  1,
				FairBy:      []func(string) string{func(item string) string { called("FairBy"); return item }},
				OnDrop:      func(string, error) { called("OnDrop") },
			})
			q.AddAfter("a", time.Hour)
			q.AddRateLimited("a")
			q.AddRateLimited("a") // one retry too many: dropped
			q.AddAfter("b", time.Hour)
			q.Cancel("a")
			shutDown(q)
			q.Add("late")
			if len(calls) != 5 {
				t.Errorf("called but %v", calls)
			}
		})
	}
}

// Invariant: any clock will do, also one that calls back while it holds a lock of its own.
func TestClock(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Now())
	q := workqueue.New(workqueue.Options[string]{Clock: c, Name: "q", MetricsProvider: newLedger()})
	defer q.ShutDown()
	for i := range 3 {
		q.AddAfter(fmt.Sprint(i), time.Second)
		c.Step(time.Second)
		item, _ := q.Get()
		q.Done(item)
	}
}

// Invariant: a shutdown stops the timers, that of delayed items and that of the metrics.
func TestTimersStop(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Now())
	for name, begin := range map[string]func(q *workqueue.Queue[string]){
		"delayed":   func(q *workqueue.Queue[string]) { q.AddAfter("a", time.Hour) },
		"processed": func(q *workqueue.Queue[string]) { q.Add("a"); q.Get() },
	} {
		q := workqueue.New(workqueue.Options[string]{Clock: c, Name: "q", MetricsProvider: newLedger()})
		begin(q)
		if !c.HasWaiters() {
			t.Errorf("%s: no timer is running", name)
		}
		q.ShutDown()
		if c.HasWaiters() {
			t.Errorf("%s: a timer is left", name)
		}
	}
}

// Invariant: an unhashable item is the caller's panic, and the queue survives it.
func TestUnhashable(t *testing.T) {
	q := workqueue.New(workqueue.Options[any]{})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		q.Add([]string{})
	}()
	q.Add("a")
	if item, _ := q.Get(); item != "a" {
		t.Errorf("got %v", item)
	}
}

// Invariant: at rest, a queue allocates nothing, whatever its options.
func TestAllocations(t *testing.T) {
	items := itemsOf(10, 100)
	for name, o := range map[string]workqueue.Options[string]{
		"plain": {},
		"all": {
			FairBy: []func(string) string{tenant, namespace}, AgeAfter: time.Millisecond, Capacity: 1000,
			Name: "q", MetricsProvider: tenantLedger{newLedger()},
		},
	} {
		q := workqueue.New(o)
		t.Cleanup(q.ShutDown)
		batch := make([]string, len(items))
		if allocs := testing.AllocsPerRun(100, func() {
			for i, item := range items {
				if i%2 == 0 {
					q.AddAfter(item, time.Hour)
					q.Reschedule(item, time.Minute)
				}
				q.Add(item)
			}
			n, _ := q.GetBatch(t.Context(), batch)
			for _, item := range batch[:n] {
				q.Add(item)
				q.Done(item)
			}
			first, _ := q.Get()
			q.Add(first)
			for range len(items) - 1 {
				item, _ := q.Get() // has to pass by the first one when that is next
				q.Done(item)
			}
			q.Done(first)
			first, _ = q.Get()
			q.Done(first)
		}); allocs > 0 {
			t.Errorf("%s: %v allocations in a round", name, allocs)
		}
	}
}

// Invariants, with many producers and workers at once:
//   - an item is in one worker at a time;
//   - no add is lost: whoever adds an item sees it processed by someone who began after that;
//   - a drain leaves nothing ready, and the queue hands out nothing more.
func TestConcurrent(t *testing.T) {
	const producers, workers, items, adds = 8, 8, 50, 2000
	seed := rand.Uint64()
	t.Logf("seed: %d", seed)
	for name, o := range map[string]workqueue.Options[int]{
		"plain": {},
		"all": {
			FairBy:   []func(int) string{func(item int) string { return fmt.Sprint(item % 3) }},
			AgeAfter: time.Microsecond, Name: "concurrent", MaxBackoff: time.Microsecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := workqueue.New(o)
			var added, processed [items]atomic.Int64 // versions
			var busy [items]atomic.Bool

			var working sync.WaitGroup
			for w := range workers {
				process := func(item int) {
					if !busy[item].CompareAndSwap(false, true) {
						t.Errorf("%d is in two workers", item)
					}
					version := added[item].Load()
					processed[item].Store(version)
					busy[item].Store(false)
					q.Done(item)
				}
				working.Go(func() {
					for batch := make([]int, 1+w%3); ; {
						n, err := q.GetBatch(context.Background(), batch)
						if err != nil {
							return
						}
						for _, item := range batch[:n] {
							process(item)
						}
					}
				})
			}
			var producing sync.WaitGroup
			for p := range producers {
				producing.Go(func() {
					source := rand.New(rand.NewPCG(seed, uint64(p)))
					for range adds {
						item := source.IntN(items)
						added[item].Add(1)
						switch source.IntN(4) {
						case 0:
							q.AddAfter(item, time.Duration(source.IntN(100))*time.Microsecond)
						case 1:
							q.AddWithOpts(workqueue.AddOpts{Priority: new(source.IntN(5))}, item)
						case 2:
							q.Reschedule(item, time.Duration(source.IntN(10))*time.Microsecond)
							q.Add(item)
						default:
							q.Add(item)
						}
						if source.IntN(100) == 0 {
							ctx, cancel := context.WithTimeout(context.Background(), time.Microsecond)
							if item, err := q.GetContext(ctx); err == nil {
								q.Add(item)
								q.Done(item)
							}
							cancel()
						}
					}
				})
			}
			producing.Wait()
			for item := range items {
				q.Add(item) // now, if it is still delayed
			}
			left, err := q.Drain(context.Background())
			if err != nil || len(left) > 0 {
				t.Errorf("the drain left %v, %v", left, err)
			}
			working.Wait()
			for item := range items {
				if a, p := added[item].Load(), processed[item].Load(); a != p {
					t.Errorf("%d was added in version %d and processed in %d", item, a, p)
				}
			}
		})
	}
}
