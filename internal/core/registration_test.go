package core_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/store"
)

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// gate is a handler that holds each call until it is let go.
type gate struct {
	begun chan string
	let   chan struct{}
	end   <-chan struct{} // of the test
}

func newGate(t *testing.T) *gate {
	return &gate{make(chan string, 100), make(chan struct{}), t.Context().Done()}
}

func (g *gate) tell(n core.Notice) {
	g.begun <- fmt.Sprint(n.EventType, " ", n.Name)
	select {
	case <-g.let:
	case <-g.end:
	}
}

// pass lets one call go, and returns when everything that follows from it has happened.
func (g *gate) pass() {
	g.let <- struct{}{}
	synctest.Wait()
}

func (b *bed) add(handle func(core.Notice), opts core.HandlerOptions) *core.Registration {
	b.Helper()
	if opts.Buffer == 0 {
		opts.Buffer = 1000
	}
	opts.Logger = quiet()
	reg, err := b.AddHandler(handle, opts)
	if err != nil {
		b.Fatal(err)
	}
	return reg
}

// Lag is what the handler has not been told of, the call under way included: first what is left of the initial list, and
// what was written since, then the writes. A handler that has been told everything has none, also of what came to
// nothing.
func TestLag(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		for i := range 3 {
			b.Put(fmt.Sprint("cm-", i), "1", "")
		}
		g := newGate(t)
		reg := b.add(g.tell, core.HandlerOptions{Buffer: 2})
		expect := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if got := reg.Lag(); got != want {
				t.Errorf("%s the lag is %d, want %d", when, got, want)
			}
		}
		expect("before the start", 0)
		b.run()
		expect("during the first call", 3)
		g.pass()
		expect("during the second call", 2)
		b.Put("more", "1", "")
		expect("after a write during the second call", 3)
		if isClosed(reg.Synced()) || reg.HasSynced() {
			t.Error("it is synced")
		}
		g.pass()
		g.pass()
		expect("after the initial list", 1)
		if !isClosed(reg.Synced()) || !reg.HasSynced() {
			t.Error("it is not synced")
		}
		g.pass()
		expect("in the end", 0)
		b.Put("short", "1", "")
		synctest.Wait()
		for range 2500 {
			b.Put("short-lived", "1", "")
			b.Delete("short-lived")
		}
		expect("with many changes", 5001)
		for len(g.begun) > 0 {
			<-g.begun
		}
		g.pass() // short
		expect("with what comes to nothing coalesced", 0)
		if n := len(g.begun); n != 0 {
			t.Errorf("%d calls for what came and went", n)
		}
	})
}

// A resync tells everything once more, of the state that the handler has, between two changes: when it is due by its
// period, and when somebody asks for it. Requests that come while one is due are one.
func TestResync(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		never, reg := b.recorded(core.Typed, core.HandlerOptions{Resync: -1})
		hourly, _ := b.recorded(core.Typed, core.HandlerOptions{Resync: time.Hour})
		b.run()
		never.expect("initial create typed a=1@")
		hourly.expect("initial create typed a=1@")
		time.Sleep(90 * time.Minute)
		hourly.expect("resync update typed a=1@")
		b.Put("a", "2", "")
		time.Sleep(time.Hour)
		hourly.expect("update typed a=2@", "resync update typed a=2@")
		never.expect("update typed a=2@")
		reg.Resync()
		never.expect("resync update typed a=2@")
		hourly.expect()

		g := newGate(t)
		held := b.add(g.tell, core.HandlerOptions{})
		synctest.Wait()
		for range 5 {
			held.Resync()
		}
		b.Put("b", "1", "")
		for range 2 + 2 {
			synctest.Wait()
			g.pass()
		}
		var got []string
		for len(g.begun) > 0 {
			got = append(got, <-g.begun)
		}
		slices.Sort(got[2:]) // a resync has no order
		if want := []string{"create default/a", "create default/b", "update default/a", "update default/b"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		never.expect("create typed b=1@")
		if n := held.Lag(); n != 0 {
			t.Errorf("the lag is %d", n)
		}
	})
}

// A change that comes while everything is told once more, or is just about to be, is told before a resync tells its
// result.
func TestResyncAfterChange(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		b.run()
		known := map[string]string{}
		var late atomic.Bool
		hold, held := make(chan struct{}), make(chan struct{})
		reg := b.add(func(n core.Notice) {
			obj, err := b.Objects().Open(n.Object, core.Typed)
			if err != nil {
				t.Error(err)
			}
			if state := describe(obj); !n.Resync {
				known[n.Name] = state
			} else if known[n.Name] != state {
				t.Errorf("a resync tells of %s, which was %q before", state, known[n.Name])
			}
			if n.Resync && n.Name == "default/a" {
				held <- struct{}{}
				<-hold
			}
		}, core.HandlerOptions{Progress: func() {
			if late.CompareAndSwap(true, false) { // the handler is told everything, and the resync has yet to look
				b.Put("late", "1", "")
				synctest.Wait()
			}
		}})
		synctest.Wait()
		late.Store(true)
		reg.Resync()
		for i := range 30 { // which of the two is looked at first is up to chance
			<-held
			b.Put(fmt.Sprint("new-", i), "1", "")
			b.Put("a", fmt.Sprint(i), "")
			synctest.Wait()
			reg.Resync()
			hold <- struct{}{}
		}
		<-held
		close(hold)
	})
}

// A resync of plain objects is told with the same object twice, which tells it from an update.
func TestResyncIsOfOneState(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		resyncs := 0
		b.add(func(n core.Notice) {
			if !n.Resync {
				return
			}
			resyncs++
			one, err := b.Objects().Open(n.Object, core.Typed)
			if err != nil {
				t.Error(err)
			}
			two, err := b.Objects().Open(n.Old, core.Typed)
			if err != nil {
				t.Error(err)
			}
			if describe(one) != describe(two) || n.EventType != store.EventTypeUpdate || n.Initial || s.Budget != nil && !n.Object.Same(n.Old) {
				t.Errorf("a resync of %v with %v: %+v", one, two, n.Change)
			}
		}, core.HandlerOptions{Resync: time.Minute})
		b.run()
		time.Sleep(150 * time.Second)
		synctest.Wait()
		if resyncs != 2 {
			t.Errorf("%d resyncs", resyncs)
		}
	})
}

// logged has panics of handlers only logged.
func logged(t *testing.T) {
	utilruntime.ReallyCrash = false
	t.Cleanup(func() { utilruntime.ReallyCrash = true })
}

// Where panics are only logged, a handler that has panicked is left alone for a second, and then told what follows;
// nothing but the call that panicked is lost. It can be removed in that second, and other handlers go on.
func TestPanicPause(t *testing.T) {
	logged(t)
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		other, _ := b.recorded(core.Typed, core.HandlerOptions{})
		var mu sync.Mutex
		var told []string
		began := time.Now()
		reg := b.add(func(n core.Notice) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(n.EventType, " ", n.Name, " ", time.Since(began)))
			if n.Name == "default/bad" || n.Name == "default/a" && n.Initial {
				panic(n.Name)
			}
		}, core.HandlerOptions{Name: "panics"})
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			told = nil
		}
		b.run()
		expect("create default/a 0s")
		if reg.HasSynced() {
			t.Error("it is synced before the pause")
		}
		b.Put("b", "1", "")
		other.expect("initial create typed a=1@", "create typed b=1@")
		expect()
		time.Sleep(time.Second)
		expect("create default/b 1s")
		if !reg.HasSynced() || reg.Lag() != 0 {
			t.Errorf("synced: %t, lag: %d", reg.HasSynced(), reg.Lag())
		}
		b.Put("bad", "1", "")
		b.Put("c", "1", "")
		expect("create default/bad 1s")
		removed := time.Now()
		reg.Remove()
		<-reg.Done()
		if took := time.Since(removed); took != 0 {
			t.Errorf("it took %v until the handler was gone", took)
		}
		expect()
		other.expect("create typed bad=1@", "create typed c=1@")
	})
}

// A resync goes on after a panic too.
func TestPanicInResync(t *testing.T) {
	logged(t)
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		b.Put("b", "1", "")
		calls := map[string]int{}
		reg := b.add(func(n core.Notice) {
			if n.Resync {
				calls[n.Name]++
				panic(n.Name)
			}
		}, core.HandlerOptions{})
		stop := b.run()
		reg.Resync()
		time.Sleep(time.Minute)
		stop()
		if len(calls) != 2 || calls["default/a"] != 1 || calls["default/b"] != 1 {
			t.Errorf("called %v", calls)
		}
	})
}

// A handler may remove itself, or be removed while it is called: no call follows, and Done tells when the last has
// returned. It may be removed before the start, and twice.
func TestRemove(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		b.Put("b", "1", "")
		early := b.add(func(core.Notice) { t.Error("it was removed") }, core.HandlerOptions{})
		early.Remove()
		early.Remove()
		<-early.Done()
		calls := 0
		var self *core.Registration
		self = b.add(func(core.Notice) {
			calls++
			self.Remove()
			self.Resync()
			if isClosed(self.Done()) {
				t.Error("it is done during the call")
			}
		}, core.HandlerOptions{Resync: time.Second})
		g := newGate(t)
		held := b.add(g.tell, core.HandlerOptions{})
		b.run()
		<-self.Done()
		held.Remove()
		b.Put("c", "1", "")
		synctest.Wait()
		if isClosed(held.Done()) {
			t.Error("it is done during the call")
		}
		g.pass()
		<-held.Done()
		time.Sleep(time.Hour)
		synctest.Wait()
		if calls != 1 || len(g.begun) != 1 {
			t.Errorf("%d calls of the one that removed itself, %d of the other", calls, len(g.begun))
		}
		for _, reg := range []*core.Registration{early, self, held} {
			if isClosed(reg.Synced()) {
				t.Error("one that was removed before is synced")
			}
		}
		if n := len(b.Handlers()); n != 0 {
			t.Errorf("there are %d handlers", n)
		}
	})
}

// A handler may add another one, which is told all that there is.
func TestHandlerAddsHandler(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		var inner *recorder
		b.add(func(core.Notice) {
			if inner == nil {
				inner, _ = b.recorded(core.Typed, core.HandlerOptions{})
			}
		}, core.HandlerOptions{})
		b.run()
		b.Put("b", "1", "")
		synctest.Wait()
		inner.expect("initial create typed a=1@", "create typed b=1@")
	})
}

// An informer that has stopped takes no handlers, has called those that it had for the last time, and does not run
// again. What it had can be read still, and takes nothing of the budget.
func TestAfterStop(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		g := newGate(t)
		held := b.add(g.tell, core.HandlerOptions{})
		stop := b.run()
		b.open("a", core.Typed)
		b.Put("b", "1", "")
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			stop()
		}()
		synctest.Wait()
		if isClosed(stopped) {
			t.Error("it has stopped while a handler was called")
		}
		if _, err := b.AddHandler(func(core.Notice) { t.Error("it was called") }, core.HandlerOptions{Buffer: 1}); !errors.Is(err, core.ErrStopped) {
			t.Errorf("a handler while it stops: %v", err)
		}
		g.pass()
		<-stopped
		<-held.Done()
		if n := len(g.begun); n != 1 {
			t.Errorf("%d calls", n)
		}
		if _, err := b.AddHandler(func(core.Notice) { t.Error("it was called") }, core.HandlerOptions{Buffer: 1}); !errors.Is(err, core.ErrStopped) {
			t.Errorf("a handler after the end: %v", err)
		}
		if err := b.Informer.Run(t.Context()); !errors.Is(err, core.ErrStarted) {
			t.Errorf("once more: %v", err)
		}
		if !b.IsStopped() || b.Life().Err() == nil {
			t.Error("it lives")
		}
		for range 2 {
			b.expectForms("a", map[core.Form]string{core.Metadata: "metadata a@ConfigMap", core.Typed: "typed a=1@"})
		}
		if s.Budget != nil && s.Budget.Bytes() != 0 {
			t.Errorf("%d bytes of the budget are taken", s.Budget.Bytes())
		}
		held.Remove()
	})
}

// An informer that is stopped before its first list has its handlers end too.
func TestStopBeforeList(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Refuse(forbidden)
		reg := b.add(func(core.Notice) { t.Error("it was called") }, core.HandlerOptions{})
		stop := b.run()
		if isClosed(reg.Done()) {
			t.Error("it is done before the end")
		}
		stop()
		<-reg.Done()
		if isClosed(reg.Synced()) {
			t.Error("it is synced")
		}
	})
}

// Progress is called when the handler has been told everything, and not before.
func TestProgress(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		b.Put("b", "1", "")
		told, wrong := 0, 0
		progress := make(chan int, 100)
		b.add(func(core.Notice) { told++ }, core.HandlerOptions{Progress: func() {
			if told < 2 {
				wrong++
			}
			progress <- told
		}})
		b.run()
		if n := <-progress; n != 2 || wrong != 0 {
			t.Errorf("progress after %d calls, %d times too early", n, wrong)
		}
	})
}
