package informer_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

// An informer can be added to a manager.
var (
	_ manager.Runnable               = (*configMaps)(nil)
	_ manager.LeaderElectionRunnable = (*configMaps)(nil)
)

// The copy equals the server after the list, after each kind of change, and
// after a gap in the watch that hid some.
func TestCopyFollowsServer(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		server.put("b", "1")
		inf := newConfigMaps(t, server, nil)
		if inf.Len() != 0 || len(inf.List()) != 0 || inf.ResourceVersion() != "" {
			t.Error("it has something before Start")
		}
		start(t, inf)
		if err := inf.WaitSynced(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectSame(t, "after the list", stored(inf), server.content())

		server.put("a", "2")
		server.put("c", "1")
		server.remove("b")
		synctest.Wait()
		expectSame(t, "after the watch", stored(inf), server.content())
		if got, ok := inf.Get("default", "a"); !ok || got.Data["value"] != "2" {
			t.Errorf("Get a: %v, %v", got, ok)
		}
		if _, ok := inf.Get("default", "b"); ok {
			t.Error("b is still there")
		}
		if _, ok := inf.Get("", ""); ok {
			t.Error("the object without a name is there")
		}

		server.compact()
		server.put("a", "3")
		server.remove("c")
		server.compact()
		time.Sleep(time.Hour)
		expectSame(t, "after the gap", stored(inf), server.content())
		if err := inf.Err(); err != nil {
			t.Errorf("Err after the gap: %v", err)
		}
	})
}

// List is in the order of keys and in a slice of the caller's own.
func TestListIsSorted(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		for _, name := range []string{"c", "a", "d", "b"} {
			server.put(name, name)
		}
		inf := newConfigMaps(t, server, nil)
		start(t, inf)
		synctest.Wait()
		var names []string
		for _, obj := range inf.List() {
			names = append(names, obj.Name)
		}
		if !slices.Equal(names, []string{"a", "b", "c", "d"}) || inf.Len() != 4 {
			t.Errorf("got %v, Len %d", names, inf.Len())
		}
		clear(inf.List())
		if inf.List()[0] == nil {
			t.Error("two Lists share their slice")
		}
	})
}

// A read goes on working after Start has returned, and nothing new begins.
func TestAfterStop(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		inf := newConfigMaps(t, server, nil)
		stop := start(t, inf)
		synctest.Wait()
		stop()
		server.put("a", "2")

		if got, ok := inf.Get("default", "a"); !ok || got.Data["value"] != "1" {
			t.Errorf("Get: %v, %v", got, ok)
		}
		if err := inf.WaitSynced(t.Context()); err != nil {
			t.Errorf("WaitSynced of one that was synced: %v", err)
		}
		if err := inf.WaitFor(t.Context(), "1000"); !errors.Is(err, informer.ErrStopped) {
			t.Errorf("WaitFor: %v", err)
		}
		if _, _, err := inf.Watch(); !errors.Is(err, informer.ErrStopped) {
			t.Errorf("Watch: %v", err)
		}
		if _, err := inf.AddHandler(newRecorder(t, "late"), informer.HandlerOptions{}); !errors.Is(err, informer.ErrStopped) {
			t.Errorf("AddHandler: %v", err)
		}
		if err := inf.Start(t.Context()); !errors.Is(err, informer.ErrStarted) {
			t.Errorf("Start again: %v", err)
		}
	})
}

// Bookmarks move the watermark where nothing else does.
func TestWatermark(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		inf := newConfigMaps(t, server, nil)
		start(t, inf)
		if err := inf.WaitFor(t.Context(), "2"); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		go func() { waited <- inf.WaitFor(t.Context(), "4") }()
		server.put("a", "2")
		synctest.Wait()
		select {
		case err := <-waited:
			t.Fatalf("WaitFor 4 returned at 3: %v", err)
		default:
		}
		if at := server.elsewhere(); at != "4" {
			t.Fatalf("the bookmark is at %s", at)
		}
		if err := <-waited; err != nil {
			t.Error(err)
		}
		if got := inf.ResourceVersion(); got != "4" {
			t.Errorf("the watermark is %q", got)
		}
		// 10 is after 9, not between 1 and 2.
		for range 6 {
			server.elsewhere()
		}
		if err := inf.WaitFor(t.Context(), "9"); err != nil {
			t.Error(err)
		}
		for _, bad := range []string{"", "0", "-1", "abc", "0x10"} {
			if err := inf.WaitFor(t.Context(), bad); !errors.Is(err, informer.ErrInvalidResourceVersion) {
				t.Errorf("WaitFor %q: %v", bad, err)
			}
		}
	})
}

// What WaitFor has waited for can be read.
func TestWaitForThenRead(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		inf := newConfigMaps(t, server, nil)
		start(t, inf)
		for range 100 {
			version := server.put("a", time.Now().String())
			if err := inf.WaitFor(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			if obj, _ := inf.Get("default", "a"); obj == nil || obj.ResourceVersion != version {
				t.Fatalf("waited for %s, read %v", version, obj)
			}
		}
	})
}

// Objects that cease to match the selector are deleted from the copy, also when
// that happened in a gap of the watch.
func TestSelector(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("in", "1", "chosen")
		server.put("out", "1")
		inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) {
			o.LabelSelector = "chosen"
			o.FieldSelector = "metadata.name!=x"
		})
		handler := newRecorder(t, "handler")
		if _, err := inf.AddHandler(handler, informer.HandlerOptions{}); err != nil {
			t.Fatal(err)
		}
		start(t, inf)
		synctest.Wait()
		server.put("in", "2")
		server.put("out", "2", "chosen")
		synctest.Wait()
		down := apierrors.NewInternalError(errors.New("down"))
		server.fail(down, down)
		server.put("out", "3")
		server.put("in", "3", "chosen")
		server.compact()
		server.fail(nil, nil)
		time.Sleep(time.Hour)
		want := []string{"initial in=1", "delete in=1", "add out=2", "add in=3", "delete out=2"}
		if got := handler.take(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, opts := range server.lists() {
			if opts.LabelSelector != "chosen" || opts.FieldSelector != "metadata.name!=x" {
				t.Errorf("listed with %q, %q", opts.LabelSelector, opts.FieldSelector)
			}
		}
	})
}

// Indexes find what is there now, those that were given and those that came later.
func TestIndexes(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "red")
		server.put("b", "blue")
		oneValue := func(obj *corev1.ConfigMap) string { return obj.Data["value"] }
		byValue := func(obj *corev1.ConfigMap) []string { return []string{oneValue(obj)} }
		inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) {
			o.Indexes = map[string]informer.IndexFunc[*corev1.ConfigMap]{"value": byValue}
			o.Fields = map[string]informer.SingleValueFunc[*corev1.ConfigMap]{"field": oneValue}
		})
		start(t, inf)
		synctest.Wait()
		server.put("b", "red")
		synctest.Wait()
		if err := inf.AddIndex("late", byValue); err != nil {
			t.Fatal(err)
		}
		if err := inf.AddSingleValueIndex("late field", oneValue); err != nil {
			t.Fatal(err)
		}
		for _, index := range []string{"value", "late", "field", "late field"} {
			found, err := inf.ByIndex(index, "red")
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(maps.Collect(found))); !slices.Equal(got, []string{"default/a", "default/b"}) {
				t.Errorf("index %s: %v", index, got)
			}
		}
		if _, err := inf.ByIndex("unknown", "red"); !errors.Is(err, informer.ErrIndexNotFound) {
			t.Errorf("unknown index: %v", err)
		}
		if err := inf.AddIndex("late", byValue); !errors.Is(err, informer.ErrIndexExists) {
			t.Errorf("index twice: %v", err)
		}
		if err := inf.AddIndex("nil", nil); !errors.Is(err, store.ErrFuncRequired) {
			t.Errorf("nil index: %v", err)
		}
		if err := inf.AddSingleValueIndex("nil", nil); !errors.Is(err, store.ErrFuncRequired) {
			t.Errorf("nil field: %v", err)
		}
		if err := inf.AddIndex("", byValue); err == nil {
			t.Error("an index without a name was added")
		}
	})
}

// A transform shapes what is stored, whether it came by list or watch.
func TestTransform(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		server.put("a", "1")
		inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) {
			o.Transform = func(obj *corev1.ConfigMap) (*corev1.ConfigMap, error) {
				obj.Data["value"] = "seen"
				return obj, nil
			}
		})
		start(t, inf)
		synctest.Wait()
		server.put("b", "1")
		synctest.Wait()
		expectSame(t, "stored", stored(inf), map[string]string{"default/a": "seen", "default/b": "seen"})
	})
}

// The channel of a watch that nobody cancels is closed when the informer ends.
func TestWatchEndsWithInformer(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		inf := newConfigMaps(t, server, nil)
		events, _, err := inf.Watch(store.WithInitialReplay[*corev1.ConfigMap]())
		if err != nil {
			t.Fatal(err)
		}
		cancelled, cancel, err := inf.Watch()
		if err != nil {
			t.Fatal(err)
		}
		stop := start(t, inf)
		synctest.Wait()
		server.put("a", "1")
		server.put("a", "2")
		server.remove("a")
		synctest.Wait()
		cancel()
		cancel()
		stop()
		var got []store.EventType
		for e := range events {
			if e.Name != "default/a" || e.Kind != inf.Name() {
				t.Errorf("event of %s %s", e.Kind, e.Name)
			}
			got = append(got, e.EventType)
		}
		if !slices.Equal(got, []store.EventType{store.EventTypeCreate, store.EventTypeUpdate, store.EventTypeDelete}) {
			t.Errorf("got %v", got)
		}
		for range cancelled {
		}
	})
}

// Start returns at once when its context is done: before it begins, and while a
// reflector waits for a server that refuses connections.
func TestStopIsPrompt(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := newConfigMaps(t, server, nil).Start(ctx); err != nil {
			t.Error(err)
		}

		server.fail(errRefused, errRefused)
		inf := newConfigMaps(t, server, nil)
		stop := start(t, inf)
		time.Sleep(time.Hour)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}
