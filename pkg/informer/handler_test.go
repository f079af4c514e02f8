package informer_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/runtime"

	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

func addHandler(t *testing.T, inf *configMaps, h informer.Handler[*corev1.ConfigMap], opts informer.HandlerOptions) *informer.Registration {
	t.Helper()
	reg, err := inf.AddHandler(h, opts)
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func expectCalls(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	if got := r.take(); !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", r.name, got, want)
	}
}

// A handler gets the initial list and each change, whether it came before Start
// or late. Objects that a new list only repeats are not reported.
func TestHandlers(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		server.put("same", "1")
		inf := newConfigMaps(t, server, nil)
		early := newRecorder(t, "early")
		reg := addHandler(t, inf, early, informer.HandlerOptions{})
		if isClosed(reg.Synced()) {
			t.Error("it is synced before Start")
		}
		stop := start(t, inf)
		<-reg.Synced()
		expectCalls(t, early, "initial a=1", "initial same=1")

		server.put("b", "1")
		server.put("b", "2")
		server.remove("a")
		synctest.Wait()
		expectCalls(t, early, "add b=1", "update b=1 b=2", "delete a=1")

		late := newRecorder(t, "late")
		<-addHandler(t, inf, late, informer.HandlerOptions{}).Synced()
		expectCalls(t, late, "initial same=1", "initial b=2")

		server.put("c", "1")
		server.compact()
		server.put("b", "3")
		server.compact()
		time.Sleep(time.Hour)
		expectCalls(t, late, "update b=2 b=3", "add c=1")
		expectCalls(t, early, "update b=2 b=3", "add c=1")

		stop()
		<-reg.Done()
		expectSame(t, "early", early.values(), server.content())
	})
}

// An object that took the name of another is reported as what it is, also when
// the watch missed the change of hands.
func TestRecreated(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		inf := newConfigMaps(t, server, nil)
		handler := newRecorder(t, "handler")
		addHandler(t, inf, handler, informer.HandlerOptions{})
		start(t, inf)
		synctest.Wait()
		server.compact()
		server.remove("a")
		server.put("a", "2")
		server.compact()
		time.Sleep(time.Hour)
		expectCalls(t, handler, "initial a=1", "delete a=1", "add a=2")
	})
}

// A slow handler delays neither the store nor another handler, and once it is
// further behind than its buffer gets one call for many changes.
func TestSlowHandler(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "0")
		inf := newConfigMaps(t, server, nil)
		slow, quick := newRecorder(t, "slow"), newRecorder(t, "quick")
		slow.delay = func() time.Duration { return time.Hour }
		addHandler(t, inf, slow, informer.HandlerOptions{BufferSize: 10})
		addHandler(t, inf, quick, informer.HandlerOptions{})
		start(t, inf)
		synctest.Wait()
		const changes = 20_000
		for n := range changes {
			server.put("a", strings.Repeat("x", n%7))
			if n%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if got := len(quick.take()); got < changes/2 {
			t.Errorf("the quick handler got %d calls for %d changes", got, changes)
		}
		expectCalls(t, slow)
		time.Sleep(10_000 * time.Hour)
		if got := len(slow.take()); got > changes/10 {
			t.Errorf("the slow handler got %d calls for %d changes", got, changes)
		}
		expectSame(t, "slow", slow.values(), server.content())
	})
}

// A resync repeats each object between two changes, in order, and only to the
// handlers that want it.
func TestResync(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) { o.Resync = time.Hour })
		standard, own, never := newRecorder(t, "standard"), newRecorder(t, "own"), newRecorder(t, "never")
		addHandler(t, inf, standard, informer.HandlerOptions{})
		addHandler(t, inf, own, informer.HandlerOptions{Resync: 40 * time.Minute})
		addHandler(t, inf, never, informer.HandlerOptions{Resync: -1})
		start(t, inf)
		time.Sleep(90 * time.Minute)
		server.put("a", "2")
		time.Sleep(40 * time.Minute)
		expectCalls(t, standard, "initial a=1", "resync a=1", "update a=1 a=2", "resync a=2")
		expectCalls(t, own, "initial a=1", "resync a=1", "resync a=1", "update a=1 a=2", "resync a=2")
		expectCalls(t, never, "initial a=1", "update a=1 a=2")
	})
}

// A removed handler is not called any more; one that waits for Start, one that is
// in a call, and one that removes itself.
func TestRemove(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		server.put("b", "1")
		inf := newConfigMaps(t, server, nil)

		never := newRecorder(t, "never")
		reg := addHandler(t, inf, never, informer.HandlerOptions{})
		reg.Remove()
		<-reg.Done()
		reg.Remove()

		var self *informer.Registration
		calls := 0
		self = addHandler(t, inf, informer.HandlerFuncs[*corev1.ConfigMap]{
			AddFunc: func(*corev1.ConfigMap, bool) { calls++; self.Remove() },
		}, informer.HandlerOptions{})

		slow := newRecorder(t, "slow")
		slow.delay = func() time.Duration { return time.Hour }
		slowReg := addHandler(t, inf, slow, informer.HandlerOptions{})

		start(t, inf)
		synctest.Wait()
		began := time.Now()
		slowReg.Remove()
		if took := time.Since(began); took > 0 {
			t.Errorf("Remove waited %v for a call", took)
		}
		if isClosed(slowReg.Done()) {
			t.Error("Done is closed during a call")
		}
		<-slowReg.Done()
		<-self.Done()
		server.put("c", "1")
		time.Sleep(10 * time.Hour)
		expectCalls(t, never)
		if got := slow.take(); len(got) != 1 {
			t.Errorf("slow: got %q, want one call", got)
		}
		if calls != 1 {
			t.Errorf("the handler that removed itself got %d calls", calls)
		}
		if isClosed(slowReg.Synced()) || isClosed(reg.Synced()) {
			t.Error("Synced is closed for one that was removed before")
		}
	})
}

// Start waits for the call that a handler is in, and lets no other begin.
func TestStopWaitsForHandlers(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		server.put("b", "1")
		inf := newConfigMaps(t, server, nil)
		slow := newRecorder(t, "slow")
		slow.delay = func() time.Duration { return time.Hour }
		addHandler(t, inf, slow, informer.HandlerOptions{})
		stop := start(t, inf)
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it took %v", took)
		}
		if got := slow.take(); len(got) != 1 {
			t.Errorf("got %q, want one call", got)
		}
	})
}

// Handlers come from handlers, and functions that are nil are not called.
func TestHandlerAddsHandler(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		inf := newConfigMaps(t, server, nil)
		inner := newRecorder(t, "inner")
		addHandler(t, inf, informer.HandlerFuncs[*corev1.ConfigMap]{
			AddFunc: func(*corev1.ConfigMap, bool) { addHandler(t, inf, inner, informer.HandlerOptions{}) },
		}, informer.HandlerOptions{})
		start(t, inf)
		synctest.Wait()
		expectCalls(t, inner, "initial a=1")
		server.put("a", "2")
		server.remove("a")
		synctest.Wait()
		expectCalls(t, inner, "update a=1 a=2", "delete a=2")
	})
}

// Where panics are only logged, a handler that panics is called with what follows, a second
// later.
func TestHandlerPanicLogged(t *testing.T) {
	runtime.ReallyCrash = false
	defer func() { runtime.ReallyCrash = true }()
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		inf := newConfigMaps(t, server, nil)
		var updates atomic.Int64
		addHandler(t, inf, informer.HandlerFuncs[*corev1.ConfigMap]{
			AddFunc:    func(*corev1.ConfigMap, bool) { panic("add") },
			UpdateFunc: func(_, _ *corev1.ConfigMap) { updates.Add(1) },
		}, informer.HandlerOptions{})
		start(t, inf)
		synctest.Wait()
		server.put("a", "2")
		synctest.Wait()
		if n := updates.Load(); n != 0 {
			t.Errorf("%d updates at once", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := updates.Load(); n != 1 {
			t.Errorf("%d updates", n)
		}
	})
}

// A panic in a handler ends the process, and says where it was.
func TestHandlerPanicCrashes(t *testing.T) {
	const crash = "LARDER_TEST_CRASH"
	if os.Getenv(crash) != "" {
		server := newServer(false)
		server.put("a", "1")
		inf := newConfigMaps(t, server, nil)
		addHandler(t, inf, informer.HandlerFuncs[*corev1.ConfigMap]{
			AddFunc: func(*corev1.ConfigMap, bool) { panic("the handler's own words") },
		}, informer.HandlerOptions{})
		_ = inf.Start(t.Context())
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), crash+"=1")
	out, err := cmd.CombinedOutput()
	if exit := (&exec.ExitError{}); !errors.As(err, &exit) || !strings.Contains(string(out), "the handler's own words") {
		t.Errorf("the process ended with %v and said:\n%s", err, out)
	}
}

// A wrong call is an error, from the call that was wrong.
func TestAddHandlerErrors(t *testing.T) {
	inf := newConfigMaps(t, newServer(false), nil)
	if _, err := inf.AddHandler(nil, informer.HandlerOptions{}); !errors.Is(err, store.ErrFuncRequired) {
		t.Errorf("nil handler: %v", err)
	}
	if _, err := inf.AddHandler(newRecorder(t, ""), informer.HandlerOptions{BufferSize: -1}); !errors.Is(err, informer.ErrInvalidOption) {
		t.Errorf("BufferSize -1: %v", err)
	}
	if _, err := inf.AddHandler(newRecorder(t, ""), informer.HandlerOptions{Name: "\xff"}); !errors.Is(err, informer.ErrInvalidOption) {
		t.Errorf("Name in another encoding: %v", err)
	}
	if _, _, err := inf.Watch(store.WithBufferSize[*corev1.ConfigMap](-1)); !errors.Is(err, store.ErrInvalidOption) {
		t.Errorf("a watch with BufferSize -1: %v", err)
	}
}
