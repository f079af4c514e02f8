package clientgo_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// What these tests say of an informer holds for client-go's and for ours.

// A handler is told every change in order, and of a deletion the final state.
func TestEveryChange(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		inf := b.informer(0)
		r, _ := b.recorded(inf, cache.HandlerOptions{})
		b.run(inf)

		b.Add(pod("a"))
		b.Modify(pod("a"))
		b.Modify(pod("a"))
		b.Delete(pod("a"))
		b.Add(pod("a"))
		synctest.Wait()
		r.expectInOrder(t, "one object", "add a@1", "update a@1 a@2", "update a@2 a@3", "delete a@4", "add a@5")
	})
}

// What is there when the informer starts is the initial list, what comes later is
// not; for a handler that comes late, what is there then is.
func TestInitialList(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		inf := b.informer(0)
		early, earlyReg := b.recorded(inf, cache.HandlerOptions{})
		if inf.HasSynced() || earlyReg.HasSynced() || cache.IsDone(inf.HasSyncedChecker()) {
			t.Error("synced before it runs")
		}
		b.run(inf)
		early.expect(t, "first list", "initial a@1")
		if !inf.HasSynced() || !earlyReg.HasSynced() || !cache.IsDone(inf.HasSyncedChecker()) || !cache.IsDone(earlyReg.HasSyncedChecker()) {
			t.Error("not synced after the first list")
		}
		b.Add(pod("b"))
		synctest.Wait()
		early.expect(t, "after the first list", "add b@2")

		late := &recorder{block: make(chan struct{})}
		lateReg, err := inf.AddEventHandler(late)
		if err != nil {
			t.Fatal(err)
		}
		b.Add(pod("c"))
		for range 2 {
			synctest.Wait()
			if lateReg.HasSynced() {
				t.Error("a handler is synced before it has returned from its initial list")
			}
			late.block <- struct{}{}
		}
		synctest.Wait()
		if !lateReg.HasSynced() {
			t.Error("a handler is not synced although it has its initial list")
		}
		late.block <- struct{}{}
		synctest.Wait()
		late.expect(t, "late handler", "initial a@1", "initial b@2", "add c@3")

		name := inf.HasSyncedChecker().Name()
		if name != "SharedIndexInformer *v1.Pod" || !strings.HasPrefix(lateReg.HasSyncedChecker().Name(), name+" + event handler ") {
			t.Errorf("the checkers are called %q and %q", name, lateReg.HasSyncedChecker().Name())
		}
	})
}

// An informer that lists again, because the watch has missed something, tells of
// a deletion by a tombstone with the last state it knew, and repeats what has not
// changed to handlers that resync or have not yet been looked at for it.
func TestRelist(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		for _, name := range []string{"changed", "gone", "same"} {
			b.Add(pod(name))
		}
		inf := b.informer(time.Hour)
		never, _ := b.recorded(inf, cache.HandlerOptions{ResyncPeriod: new(time.Duration)})
		hourly, _ := b.recorded(inf, cache.HandlerOptions{})
		b.run(inf)
		for _, r := range []*recorder{never, hourly} {
			r.expect(t, "first list", "initial changed@1", "initial gone@2", "initial same@3")
		}

		b.DeleteDropWatch(pod("gone"))
		b.ModifyDropWatch(pod("changed"))
		b.AddDropWatch(pod("new"))
		b.ResetWatch()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		want := []string{"tombstone default/gone gone@2", "update changed@1 changed@5", "add new@6", "update same@3 same@3"}
		never.expect(t, "list again, at first", want...)
		hourly.expect(t, "list again, at first", want...)

		time.Sleep(time.Hour)
		synctest.Wait()
		hourly.expect(t, "resync", "update changed@5 changed@5", "update new@6 new@6", "update same@3 same@3")
		b.ModifyDropWatch(pod("changed"))
		b.ResetWatch()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		never.expect(t, "list again, without resync", "update changed@5 changed@7")
		hourly.expect(t, "list again, with resync", "update changed@5 changed@7", "update new@6 new@6", "update same@3 same@3")
	})
}

// An object of another UID that took the name while nobody was looking is an
// update.
func TestRelistOfARecreatedObject(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		inf := b.informer(0)
		r, _ := b.recorded(inf, cache.HandlerOptions{})
		b.run(inf)
		r.expect(t, "first list", "initial a@1")
		b.DeleteDropWatch(pod("a"))
		next := pod("a")
		next.UID = "another"
		b.AddDropWatch(next)
		b.ResetWatch()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.expect(t, "recreated", "update a@1 a@3")
	})
}

// The periods at which handlers resync: asked for at an informer with a period of
// its own, before it has started and after.
func TestResyncPeriods(t *testing.T) {
	for name, test := range map[string]struct {
		informer     time.Duration
		early, late  *time.Duration
		wantE, wantL time.Duration // 0: never
	}{
		"the informer's":                  {informer: 10 * time.Second, wantE: 10 * time.Second, wantL: 10 * time.Second},
		"none":                            {},
		"an informer without cannot":      {early: new(time.Minute), late: new(time.Minute)},
		"never":                           {informer: 10 * time.Second, early: new(time.Duration), late: new(time.Duration)},
		"less often":                      {informer: 10 * time.Second, early: new(20 * time.Second), late: new(30 * time.Second), wantE: 20 * time.Second, wantL: 30 * time.Second},
		"rounded up":                      {informer: 10 * time.Second, early: new(15 * time.Second), wantE: 20 * time.Second, wantL: 10 * time.Second},
		"an early one makes it faster":    {informer: 10 * time.Second, early: new(4 * time.Second), wantE: 4 * time.Second, wantL: 12 * time.Second},
		"a late one has to do with it":    {informer: 10 * time.Second, late: new(4 * time.Second), wantE: 10 * time.Second, wantL: 10 * time.Second},
		"no more often than every second": {informer: 10 * time.Second, early: new(time.Millisecond), late: new(time.Millisecond), wantE: time.Second, wantL: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, b *bed) {
				b.Add(pod("a"))
				inf := b.informer(test.informer)
				early, _ := b.recorded(inf, cache.HandlerOptions{ResyncPeriod: test.early})
				b.run(inf)
				late, _ := b.recorded(inf, cache.HandlerOptions{ResyncPeriod: test.late})
				synctest.Wait()
				early.expect(t, "first list", "initial a@1")
				late.expect(t, "first list", "initial a@1")

				const horizon = 60 * time.Second
				time.Sleep(horizon + time.Millisecond)
				synctest.Wait()
				for who, c := range map[string]struct {
					r      *recorder
					period time.Duration
				}{"early": {early, test.wantE}, "late": {late, test.wantL}} {
					var want []string
					if c.period > 0 {
						want = slices.Repeat([]string{"update a@1 a@1"}, int(horizon/c.period))
					}
					c.r.expect(t, who, want...)
				}
			})
		})
	}
}

// A transform decides what is stored, the key included, and sees deletions too.
func TestTransform(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		inf := b.informer(0)
		err := inf.SetTransform(func(obj any) (any, error) {
			p := obj.(*corev1.Pod).DeepCopy()
			p.Name = strings.ToUpper(p.Name)
			return p, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r, _ := b.recorded(inf, cache.HandlerOptions{})
		b.run(inf)
		b.Modify(pod("a"))
		synctest.Wait()
		if keys := inf.GetStore().ListKeys(); !slices.Equal(keys, []string{"default/A"}) {
			t.Errorf("the keys are %q", keys)
		}
		b.Delete(pod("a"))
		synctest.Wait()
		r.expectInOrder(t, "transformed", "initial A@1", "update A@1 A@2", "delete A@3")
		if err := inf.SetTransform(nil); err == nil {
			t.Error("SetTransform after Run returned no error")
		}
	})
}

// A handler that was removed is not called any more; removing it again, or from
// another informer, does nothing.
func TestRemoveEventHandler(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		inf, other := b.informer(0), b.informer(0)
		r, reg := b.recorded(inf, cache.HandlerOptions{})
		stays, _ := b.recorded(inf, cache.HandlerOptions{})
		before, beforeReg := b.recorded(inf, cache.HandlerOptions{})
		if err := cache.ShutDownEventHandler(inf, beforeReg); err != nil {
			t.Fatal(err)
		}
		stop := b.run(inf)
		b.Add(pod("a"))
		synctest.Wait()
		if err := other.RemoveEventHandler(reg); err != nil {
			t.Errorf("removing from another informer: %v", err)
		}
		b.Add(pod("b"))
		synctest.Wait()
		r.expect(t, "before", "add a@1", "add b@2")
		for range 2 {
			if err := inf.RemoveEventHandler(reg); err != nil {
				t.Errorf("RemoveEventHandler: %v", err)
			}
		}
		b.Add(pod("c"))
		synctest.Wait()
		r.expect(t, "after")
		before.expect(t, "removed before Run")
		stays.expect(t, "the other one", "add a@1", "add b@2", "add c@3")
		stop()
		if err := inf.RemoveEventHandler(reg); err != nil {
			t.Errorf("RemoveEventHandler after the end: %v", err)
		}
		if err := inf.RemoveEventHandler(foreign{}); err == nil {
			t.Error("RemoveEventHandler took what is no registration")
		}
	})
}

type foreign struct {
	cache.ResourceEventHandlerRegistration
}

// RemoveEventHandler does not wait for a call that is under way, ShutDownEventHandler
// does.
func TestShutDownEventHandler(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		inf := b.informer(0)
		r := &recorder{block: make(chan struct{})}
		reg, err := inf.AddEventHandler(r)
		if err != nil {
			t.Fatal(err)
		}
		b.run(inf)
		if err := inf.RemoveEventHandler(reg); err != nil {
			t.Fatal(err)
		}
		returned := make(chan error)
		go func() { returned <- cache.ShutDownEventHandler(inf, reg) }()
		synctest.Wait()
		select {
		case err := <-returned:
			t.Errorf("ShutDownEventHandler returned %v while the handler was at work", err)
		default:
		}
		close(r.block)
		if err := <-returned; err != nil {
			t.Error(err)
		}
		r.expect(t, "the call under way", "initial a@1")
	})
}

// A handler may remove itself and add another one.
func TestHandlersChangeHandlers(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		inf := b.informer(0)
		next := &recorder{}
		var reg cache.ResourceEventHandlerRegistration
		calls := 0
		reg, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) {
			calls++
			if err := inf.RemoveEventHandler(reg); err != nil {
				t.Error(err)
			}
			if _, err := inf.AddEventHandler(next); err != nil {
				t.Error(err)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		b.run(inf)
		b.Add(pod("a"))
		synctest.Wait()
		b.Add(pod("b"))
		synctest.Wait()
		if calls != 1 {
			t.Errorf("%d calls to a handler that removes itself in the first", calls)
		}
		next.expect(t, "the one it added", "initial a@1", "add b@2")
	})
}

// An informer runs once. Afterwards it can be read, and takes no handlers.
func TestLife(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		inf := b.informer(0)
		started := inf.(interface{ HasStarted() bool })
		r, _ := b.recorded(inf, cache.HandlerOptions{})
		if inf.IsStopped() || started.HasStarted() {
			t.Error("stopped or started before Run")
		}
		stop := b.run(inf)
		if inf.IsStopped() || !started.HasStarted() {
			t.Error("stopped, or not started, while it runs")
		}
		inf.Run(t.Context().Done()) // returns
		stop()
		if !inf.IsStopped() || !started.HasStarted() {
			t.Error("not stopped, or not started, afterwards")
		}
		inf.Run(nil) // returns
		b.Add(pod("b"))
		synctest.Wait()
		r.expect(t, "until the end", "initial a@1")
		if n := len(inf.GetStore().List()); n != 1 {
			t.Errorf("%d objects in the store, want 1", n)
		}
		_, err := inf.AddEventHandler(&recorder{})
		if err == nil || !strings.HasSuffix(err.Error(), "was not added to shared informer because it has stopped already") {
			t.Errorf("AddEventHandler: %v", err)
		}
		if err := inf.AddIndexers(cache.Indexers{"late": cache.MetaNamespaceIndexFunc}); err == nil {
			t.Error("AddIndexers to a stopped informer returned no error")
		}
		if err := inf.SetWatchErrorHandler(nil); err == nil {
			t.Error("SetWatchErrorHandler to a started informer returned no error")
		}
	})
}

// Stop is not held up by a list that does not come, and does not let handlers sync.
func TestStopBeforeTheFirstList(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		b.ListError = errors.New("away")
		inf := b.informer(0)
		r, reg := b.recorded(inf, cache.HandlerOptions{})
		stop := b.run(inf)
		late, lateReg := b.recorded(inf, cache.HandlerOptions{})
		stop()
		for _, reg := range []cache.ResourceEventHandlerRegistration{reg, lateReg} {
			if reg.HasSynced() {
				t.Error("synced without a list")
			}
			<-reg.(interface{ ShutdownChan() <-chan struct{} }).ShutdownChan()
		}
		if inf.HasSynced() {
			t.Error("the informer is synced without a list")
		}
		r.expect(t, "no list")
		late.expect(t, "no list")
	})
}

// The watch error handler is told of failures, and the informer tries again.
func TestWatchErrorHandler(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		denied := errors.New("denied")
		b.ListError = denied
		inf := b.informer(0)
		var got []error
		if err := inf.SetWatchErrorHandler(func(r *cache.Reflector, err error) {
			if r.TypeDescription() != "*v1.Pod" {
				t.Errorf("the reflector is of %q", r.TypeDescription())
			}
			got = append(got, err)
			b.ListError = nil // the list follows in this goroutine
		}); err != nil {
			t.Fatal(err)
		}
		b.run(inf)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(got) != 1 || !errors.Is(got[0], denied) {
			t.Errorf("the handler was told %v", got)
		}
		if !inf.HasSynced() {
			t.Error("not synced after the error has gone")
		}
	})
}

// Where panics do not end the process, a handler goes on with the next change after
// a second, and other handlers do not notice.
func TestPanickingHandler(t *testing.T) {
	defer func(crash bool) { utilruntime.ReallyCrash = crash }(utilruntime.ReallyCrash)
	utilruntime.ReallyCrash = false
	inBoth(t, func(t *testing.T, b *bed) {
		inf := b.informer(0)
		var at []time.Time
		if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(any) {
			at = append(at, time.Now())
			panic("on purpose")
		}}); err != nil {
			t.Fatal(err)
		}
		fine, _ := b.recorded(inf, cache.HandlerOptions{})
		b.run(inf)
		for _, name := range []string{"a", "b", "c"} {
			b.Add(pod(name))
		}
		synctest.Wait()
		fine.expect(t, "the other handler", "add a@1", "add b@2", "add c@3")
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(at) != 3 || at[1].Sub(at[0]) < time.Second || at[2].Sub(at[1]) < time.Second {
			t.Errorf("called at %v", at)
		}
	})
}

// Indexes can be added at any time, and cover what is there.
func TestAddIndexers(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		b.Add(pod("a"))
		inf := b.informer(0)
		byName := func(obj any) ([]string, error) { return []string{obj.(*corev1.Pod).Name}, nil }
		if err := inf.AddIndexers(cache.Indexers{"early": byName}); err != nil {
			t.Fatal(err)
		}
		b.run(inf)
		if err := inf.AddIndexers(cache.Indexers{"late": byName}); err != nil {
			t.Fatal(err)
		}
		b.Add(pod("b"))
		synctest.Wait()
		for _, index := range []string{"early", "late"} {
			for _, name := range []string{"a", "b"} {
				if objs, err := inf.GetIndexer().ByIndex(index, name); err != nil || len(objs) != 1 {
					t.Errorf("ByIndex %s %s: %v, %v", index, name, objs, err)
				}
			}
		}
		if err := inf.AddIndexers(cache.Indexers{"late": byName}); err == nil || !strings.Contains(err.Error(), "indexer conflict") {
			t.Errorf("AddIndexers of a name that is taken: %v", err)
		}
		if n := len(inf.GetIndexer().GetIndexers()); n != 3 {
			t.Errorf("%d indexers, want 3", n)
		}
	})
}

// The resourceVersion of the store follows objects, lists and bookmarks, and what
// is not of the informer's type is passed over.
func TestResourceVersion(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		watching := watch.NewFake()
		lw := &cache.ListWatch{
			ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
				return &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "10"}}, nil
			},
			WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) { return watching, nil },
		}
		inf := b.construct(withoutStreams{lw}, &corev1.Pod{}, 0, nil)
		expect := func(what, want string) {
			t.Helper()
			synctest.Wait()
			if got := inf.GetStore().LastStoreSyncResourceVersion(); got != want {
				t.Errorf("%s: the store is at %q, want %q", what, got, want)
			}
			if got := inf.LastSyncResourceVersion(); got != want {
				t.Errorf("%s: the informer is at %q, want %q", what, got, want)
			}
			if got := inf.GetController().LastSyncResourceVersion(); got != want {
				t.Errorf("%s: the controller is at %q, want %q", what, got, want)
			}
		}
		expect("before", "")
		b.run(inf)
		expect("list", "10")
		at := func(version string) *corev1.Pod {
			p := pod("a")
			p.ResourceVersion = version
			return p
		}
		watching.Add(at("11"))
		expect("add", "11")
		watching.Action(watch.Bookmark, at("20"))
		expect("bookmark", "20")
		watching.Modify(at("21"))
		expect("update", "21")
		watching.Delete(at("22"))
		expect("delete", "22")
		watching.Add(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "b", ResourceVersion: "23"}})
		expect("another type", "22")
		if n := len(inf.GetStore().List()); n != 0 {
			t.Errorf("%d objects in the store, want none", n)
		}
		if c := inf.GetController(); !c.HasSynced() || !cache.IsDone(c.HasSyncedChecker()) {
			t.Error("the controller is not synced")
		}
		inf.GetController().Run(nil) // returns
		inf.GetController().RunWithContext(t.Context())
	})
}

// withoutStreams tells a reflector not to ask for streamed lists.
type withoutStreams struct{ *cache.ListWatch }

func (withoutStreams) IsWatchListSemanticsUnSupported() bool { return true }

// The typed face of client-go fits.
func TestTyped(t *testing.T) {
	inBoth(t, func(t *testing.T, b *bed) {
		inf := cache.NewTypedSharedIndexInformer[*corev1.Pod](b.informer(0))
		var deleted []string
		if _, err := inf.AddTypedEventHandler(cache.TypedResourceEventHandlerFuncs[*corev1.Pod]{
			DeleteFunc: func(obj cache.DeletedObject[*corev1.Pod]) { deleted = append(deleted, obj.GetKey()) },
		}); err != nil {
			t.Fatal(err)
		}
		b.run(inf)
		b.Add(pod("a"))
		b.Add(pod("b"))
		synctest.Wait()
		pods, err := inf.GetTypedIndexer().ByTypedIndex(cache.NamespaceIndex, "default")
		if err != nil || len(pods) != 2 {
			t.Errorf("got %v, %v", pods, err)
		}
		b.Delete(pod("a"))
		b.DeleteDropWatch(pod("b"))
		b.ResetWatch()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !slices.Equal(deleted, []string{"default/a", "default/b"}) {
			t.Errorf("deleted %q", deleted)
		}
	})
}
