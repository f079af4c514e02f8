package workqueue_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clientgo "k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// The table below is the queue's contract, run on both peers too. Where one of them does something else, the
// table says what, so that the differences are known, and noticed if they change.
var semantics = []struct {
	name string
	run  func(s *script)
	want string

	// What the peers do instead; empty if they do the same.
	clientGo          string
	controllerRuntime string
}{
	{
		name: "items come in order of arrival",
		run:  func(s *script) { s.add("a", "b", "c").get().get().get() },
		want: "a b c",
	},
	{
		name: "an item added twice comes once",
		run:  func(s *script) { s.add("a", "b", "a").len().get().get().get() },
		want: "len=2 a b -",
	},
	{
		name: "a getter waits for an item",
		run:  func(s *script) { s.get().add("a").get() },
		want: "- a",
	},
	{
		name: "an item is never handed out twice at a time",
		run:  func(s *script) { s.add("a").get().add("a").get().done("a").get() },
		want: "a - a",
	},
	{
		name: "an item added while it is processed comes once more",
		run:  func(s *script) { s.add("a").get().add("a", "a", "a").done("a").get().done("a").get() },
		want: "a a -",
	},
	{
		name: "a getter waits for an item to be done",
		run:  func(s *script) { s.add("a").get().get().add("a").get().done("a").get() },
		want: "a - - a",
	},
	{
		name: "an item that is done does not come back",
		run:  func(s *script) { s.add("a").get().done("a").get() },
		want: "a -",
	},
	{
		name:     "an item added while it is processed keeps its place in the order of arrival",
		run:      func(s *script) { s.add("a").get().add("a", "b").done("a").get().get() },
		want:     "a a b",
		clientGo: "a b a", // it arrives when it is done
	},
	{
		name:     "and does so if others overtook it meanwhile",
		run:      func(s *script) { s.add("a").get().add("a", "b").get().add("c").done("a").get().get() },
		want:     "a b a c",
		clientGo: "a b c a",
	},
	{
		name:     "an item added while it is processed counts as waiting",
		run:      func(s *script) { s.add("a").get().add("a").len() },
		want:     "a len=1",
		clientGo: "a len=0",
	},
	{
		name:     "done with an item that is not processed changes nothing",
		run:      func(s *script) { s.add("a").done("a").done("b").len().get().get() },
		want:     "len=1 a -",
		clientGo: "len=2 a a", // two workers now have the same item
	},
	{
		name: "a delayed item comes when its time has come",
		run: func(s *script) {
			s.after(time.Second, "a").len().wait(999 * time.Millisecond).len().wait(time.Millisecond).get()
		},
		want: "len=0 len=0 a",
	},
	{
		name: "no delay, or less, is at once",
		run:  func(s *script) { s.after(0, "a").after(-time.Second, "b").get().get() },
		want: "a b",
	},
	{
		name: "delayed items come in order of time",
		run: func(s *script) {
			s.after(3*time.Second, "c").after(time.Second, "a").after(2*time.Second, "b").wait(time.Minute).get().get().get()
		},
		want: "a b c",
	},
	{
		name: "of two delays the earlier counts",
		run: func(s *script) {
			s.after(2*time.Second, "a").after(time.Second, "a").after(3*time.Second, "a").wait(time.Second).get().done("a").wait(time.Minute).get()
		},
		want: "a -",
	},
	{
		name:     "a delayed item that is added comes at once, and only then",
		run:      func(s *script) { s.after(time.Second, "a").add("a").get().done("a").wait(time.Minute).get() },
		want:     "a -",
		clientGo: "a a", // the delayed one is an add of its own
	},
	{
		name:     "a ready item that is added with a delay comes at once, and only then",
		run:      func(s *script) { s.add("a").after(time.Second, "a").get().done("a").wait(time.Minute).get() },
		want:     "a -",
		clientGo: "a a",
	},
	{
		name:              "an item that stops being delayed is behind those that were ready before",
		run:               func(s *script) { s.after(time.Second, "a").add("b", "a").get().get() },
		want:              "b a",
		controllerRuntime: "a b", // it keeps the place of its first add
	},
	{
		name: "an item delayed while it is processed comes when both are over: time first",
		run:  func(s *script) { s.add("a").get().after(time.Second, "a").wait(time.Minute).get().done("a").get() },
		want: "a - a",
	},
	{
		name: "an item delayed while it is processed comes when both are over: done first",
		run:  func(s *script) { s.add("a").get().after(time.Second, "a").done("a").get().wait(time.Second).get() },
		want: "a - a",
	},
	{
		name: "a rate limited item backs off until it is forgotten",
		run: func(s *script) {
			s.limited("a").wait(4 * time.Millisecond).len().wait(time.Millisecond).get().requeues("a").done("a")
			s.limited("a").wait(9 * time.Millisecond).len().wait(time.Millisecond).get().requeues("a").done("a")
			s.q.Forget("a")
			s.requeues("a").limited("a").wait(5 * time.Millisecond).get()
		},
		want: "len=0 a requeues=1 len=0 a requeues=2 requeues=0 a",
	},
	{
		name: "a higher priority comes first, and is told",
		run:  func(s *script) { s.prio(0, "a").prio(5, "b").prio(-5, "c").prio(5, "d").getp().getp().getp().getp() },
		want: "b@5 d@5 a@0 c@-5", clientGo: noPriorities,
	},
	{
		name: "an add with a higher priority raises the item, behind those that are there",
		run:  func(s *script) { s.prio(0, "a").prio(5, "b").prio(5, "a").getp().getp() },
		want: "b@5 a@5", clientGo: noPriorities,
	},
	{
		name: "an add with a lower priority changes nothing",
		run:  func(s *script) { s.prio(5, "a").prio(5, "b").prio(0, "a").getp().getp() },
		want: "a@5 b@5", clientGo: noPriorities,
	},
	{
		name: "an add without a priority is one with priority 0",
		run:  func(s *script) { s.prio(-5, "a").add("a").getp() },
		want: "a@0", clientGo: noPriorities,
	},
	{
		name: "a delayed item that becomes ready comes by its priority",
		run: func(s *script) {
			s.add("a").with(priorityqueue.AddOpts{Priority: new(5), After: time.Second}, "b").wait(time.Second).getp().getp()
		},
		want: "b@5 a@0", clientGo: noPriorities,
	},
	{
		name: "a ready item is raised by an add with a delay",
		run: func(s *script) {
			s.add("a", "b").with(priorityqueue.AddOpts{Priority: new(5), After: time.Second}, "b").getp().getp()
		},
		want: "b@5 a@0", clientGo: noPriorities,
	},
	{
		name: "a delayed item is raised by an add, which does not make it later",
		run: func(s *script) {
			s.after(time.Second, "a").with(priorityqueue.AddOpts{Priority: new(5), After: time.Hour}, "a").wait(time.Second).getp()
		},
		want: "a@5", clientGo: noPriorities,
	},
	{
		name: "an item raised while it is processed comes again by its new priority",
		run:  func(s *script) { s.add("a").getp().add("a", "b").prio(5, "a").done("a").getp().getp() },
		want: "a@0 a@5 b@0", clientGo: noPriorities,
	},
	{
		name: "the priority of what is processed does not count for what is added",
		run:  func(s *script) { s.prio(5, "a").getp().add("a").done("a").getp() },
		want: "a@5 a@0", clientGo: noPriorities,
	},
	{
		name: "with a delay and a rate limit the earlier counts",
		run: func(s *script) {
			s.with(priorityqueue.AddOpts{After: time.Millisecond, RateLimited: true}, "a").wait(time.Millisecond).get()
			s.with(priorityqueue.AddOpts{After: time.Hour, RateLimited: true}, "b").wait(5 * time.Millisecond).get()
		},
		want: "a b", clientGo: noPriorities,
	},
	{
		name: "a getter is told of a shutdown",
		run:  func(s *script) { s.get().shutDown().get().get() },
		want: "- shutdown shutdown",
	},
	{
		name:              "what is ready at a shutdown is handed out",
		run:               func(s *script) { s.add("a", "b").shutDown().get().get().get() },
		want:              "a b shutdown",
		controllerRuntime: "shutdown shutdown shutdown", // it is lost
	},
	{
		name:              "and so is what was added while it was processed",
		run:               func(s *script) { s.add("a").get().add("a").shutDown().get().done("a").get().get() },
		want:              "a shutdown a shutdown",
		controllerRuntime: "a shutdown shutdown shutdown",
	},
	{
		name: "what is added after a shutdown is dropped",
		run: func(s *script) {
			s.shutDown().add("a").after(time.Second, "b").limited("c").wait(time.Minute).len().get()
		},
		want: "len=0 shutdown",
	},
	{
		name: "what is delayed at a shutdown does not come",
		run:  func(s *script) { s.after(time.Second, "a").shutDown().wait(time.Minute).len().get() },
		want: "len=0 shutdown",
	},
	{
		name: "a shutdown shows",
		run:  func(s *script) { s.say(s.q.ShuttingDown()).shutDown().say(s.q.ShuttingDown()) },
		want: "false true",
	},
	{
		name:              "a queue can be shut down again",
		run:               func(s *script) { s.shutDown().shutDown().get() },
		want:              "shutdown",
		controllerRuntime: "panic",
	},
	{
		name:              "a drain waits until what is processed is done",
		run:               func(s *script) { s.add("a").get().drain().drained().done("a").drained() },
		want:              "a draining drained",
		controllerRuntime: "a drained drained", // it does not drain
	},
	{
		name:              "a drain waits until what is ready is handed out and done",
		run:               func(s *script) { s.add("a").drain().drained().get().drained().done("a").drained() },
		want:              "draining a draining drained",
		clientGo:          "drained a drained drained", // it waits for what is processed only
		controllerRuntime: "drained shutdown drained drained",
	},
	{
		name:              "a drain waits for what was added while it was processed",
		run:               func(s *script) { s.add("a").get().add("a").drain().done("a").drained().get().done("a").drained() },
		want:              "a draining a drained",
		clientGo:          "a drained a drained",
		controllerRuntime: "a drained shutdown drained",
	},
	{
		name: "a drain does not wait for what is delayed",
		run:  func(s *script) { s.after(time.Hour, "a").drain().drained().get() },
		want: "drained shutdown",
	},
	{
		name:              "a shutdown cuts a drain short",
		run:               func(s *script) { s.add("a").get().drain().drained().shutDown().drained() },
		want:              "a draining drained",
		controllerRuntime: "a drained panic",
	},
}

// noPriorities: what client-go's queue, which has none, cannot do.
const noPriorities = "no priorities"

func TestSemantics(t *testing.T) {
	contestants := []struct {
		name string
		make func() clientgo.TypedRateLimitingInterface[string]
	}{
		{"larder", func() clientgo.TypedRateLimitingInterface[string] {
			return workqueue.New(workqueue.Options[string]{RateLimiter: limiter()})
		}},
		{"client-go", func() clientgo.TypedRateLimitingInterface[string] {
			return clientgo.NewTypedRateLimitingQueue(limiter())
		}},
		{"controller-runtime", func() clientgo.TypedRateLimitingInterface[string] {
			return priorityqueue.New("", func(o *priorityqueue.Opts[string]) { o.RateLimiter = limiter() })
		}},
	}
	for _, test := range semantics {
		for i, want := range []string{test.want, test.clientGo, test.controllerRuntime} {
			if want == "" {
				want = test.want
			}
			t.Run(test.name+"/"+contestants[i].name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &script{q: contestants[i].make()}
					defer s.end()
					if got := s.play(test.run); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				})
			})
		}
	}
}

func limiter() clientgo.TypedRateLimiter[string] {
	return clientgo.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, time.Minute)
}

// A script plays on a queue, in a bubble of synctest, and writes down what comes out. After each step it lets
// the queue come to rest, as the peers' work happens in goroutines of their own.
type script struct {
	q       clientgo.TypedRateLimitingInterface[string]
	out     []string
	waiting chan string   // of a getter that found nothing; the next get is its
	drains  chan struct{} // closed by the end of the drain
}

// play runs the steps and returns what came out. A panic of the queue is the last of it.
func (s *script) play(run func(*script)) (transcript string) {
	defer func() {
		if failure := recover(); failure != nil {
			s.say(failure)
		}
		transcript = strings.Join(s.out, " ")
	}()
	run(s)
	return
}

func (s *script) say(what any) *script {
	synctest.Wait()
	switch what := what.(type) {
	case missing:
		s.out = []string{noPriorities}
	case error:
		s.out = append(s.out, "panic")
	default:
		s.out = append(s.out, fmt.Sprint(what))
	}
	return s
}

// missing is the panic of a step that the queue does not have.
type missing struct{}

func (s *script) add(items ...string) *script {
	for _, item := range items {
		s.q.Add(item)
		synctest.Wait()
	}
	return s
}

func (s *script) after(d time.Duration, item string) *script {
	s.q.AddAfter(item, d)
	synctest.Wait()
	return s
}

func (s *script) limited(item string) *script {
	s.q.AddRateLimited(item)
	synctest.Wait()
	return s
}

func (s *script) priorities() priorityqueue.PriorityQueue[string] {
	q, ok := s.q.(priorityqueue.PriorityQueue[string])
	if !ok {
		panic(missing{})
	}
	return q
}

func (s *script) with(o priorityqueue.AddOpts, item string) *script {
	s.priorities().AddWithOpts(o, item)
	synctest.Wait()
	return s
}

func (s *script) prio(priority int, item string) *script {
	return s.with(priorityqueue.AddOpts{Priority: &priority}, item)
}

// get says which item comes, "-" if the getter waits, or "shutdown".
func (s *script) get() *script {
	return s.getBy(func() (string, bool) { return s.q.Get() })
}

// getp is get that says the priority too.
func (s *script) getp() *script {
	q := s.priorities()
	return s.getBy(func() (string, bool) {
		item, priority, shutdown := q.GetWithPriority()
		return fmt.Sprintf("%s@%d", item, priority), shutdown
	})
}

func (s *script) getBy(get func() (string, bool)) *script {
	if s.waiting == nil {
		got := make(chan string, 1)
		s.waiting = got
		go func() {
			item, shutdown := get()
			if shutdown {
				item = "shutdown"
			}
			got <- item
		}()
	}
	synctest.Wait()
	select {
	case item := <-s.waiting:
		s.waiting = nil
		return s.say(item)
	default:
		return s.say("-")
	}
}

func (s *script) done(item string) *script {
	s.q.Done(item)
	synctest.Wait()
	return s
}

func (s *script) len() *script { return s.say(fmt.Sprintf("len=%d", s.q.Len())) }

func (s *script) requeues(item string) *script {
	return s.say(fmt.Sprintf("requeues=%d", s.q.NumRequeues(item)))
}

func (s *script) wait(d time.Duration) *script {
	time.Sleep(d)
	synctest.Wait()
	return s
}

func (s *script) shutDown() *script {
	s.q.ShutDown()
	synctest.Wait()
	return s
}

func (s *script) drain() *script {
	s.drains = make(chan struct{})
	go func() {
		defer close(s.drains)
		s.q.ShutDownWithDrain()
	}()
	synctest.Wait()
	return s
}

// drained says whether the drain has ended.
func (s *script) drained() *script {
	select {
	case <-s.drains:
		return s.say("drained")
	default:
		return s.say("draining")
	}
}

// end releases what the script left behind.
func (s *script) end() {
	defer func() { _ = recover() }() // controller-runtime's queue cannot be shut down twice
	s.q.ShutDown()
}
