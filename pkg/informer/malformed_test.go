package informer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

// An object that its Go type cannot hold is left out of every read, reported, and not told to handlers; a watch ends with
// it. Nothing is listed again, as it would come again. When it can be read it is new.
func TestMalformedObject(t *testing.T) {
	var reports atomic.Int64
	handlers := utilruntime.ErrorHandlers
	utilruntime.ErrorHandlers = []utilruntime.ErrorHandler{func(context.Context, error, string, ...any) { reports.Add(1) }}
	defer func() { utilruntime.ErrorHandlers = handlers }()
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewServer()
		s.Put("bad", apitest.Malformed, "")
		s.Put("good", "1", "")
		config := s.Config()
		config.ContentType = runtime.ContentTypeJSON // in protobuf there is no such thing
		inf, err := informer.New(config, informer.Options[*corev1.ConfigMap]{Logger: quiet(), Mapper: s.Mapper()})
		if err != nil {
			t.Fatal(err)
		}
		handler := newRecorder(t, "handler")
		addHandler(t, inf, handler, informer.HandlerOptions{})
		start(t, inf)
		synctest.Wait()
		asked := len(s.Requests())
		expect := func(want int) {
			t.Helper()
			_, one := inf.Get("default", "bad")
			_, own := inf.GetCopy("default", "bad")
			all := 0
			for range inf.All() {
				all++
			}
			if one != (want == 2) || own != one || all != want || len(inf.List()) != want || inf.Len() != 2 {
				t.Errorf("Get %t, GetCopy %t, All %d, List %d of %d, want %d", one, own, all, len(inf.List()), inf.Len(), want)
			}
		}
		expect(1)
		expectCalls(t, handler, "initial good=1")
		events, cancel, err := inf.Watch(store.WithInitialReplay[*corev1.ConfigMap]())
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		failed := false
		for e := range events {
			failed = e.EventType == store.EventTypeError && e.Name == "default/bad" && e.Err != nil
		}
		if !failed {
			t.Error("the watch did not end with what cannot be read")
		}
		s.Put("good", "2", "")
		time.Sleep(time.Hour)
		synctest.Wait()
		expectCalls(t, handler, "update good=1 good=2")
		if err := inf.Err(); err != nil || len(s.Requests()) != 0 || asked == 0 {
			t.Errorf("the informer has %v, and lists again", err)
		}
		s.Put("bad", "1", "")
		synctest.Wait()
		expectCalls(t, handler, "add bad=1")
		expect(2)
		if n := reports.Load(); n == 0 {
			t.Error("nothing was reported")
		}
	})
}
