package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
)

// damaged is what no codec made.
type damaged struct{}

func (damaged) Size() int    { return 1 }
func (damaged) Len() int     { return 1 }
func (damaged) Hash() uint64 { return 1 }

// packedOptions are those of informers that pack: what an API server sends, and what comes decoded.
func packedOptions(server *apitest.Server) map[string]Options {
	quiet := funcr.New(func(_, _ string) {}, funcr.Options{})
	storage := Storage{Budget: NewBudget(AllPacked)}
	return map[string]Options{
		"from a server": {
			Name: "configmaps", Kind: Kind{GroupVersionKind: apitest.GVK, Scheme: scheme.Scheme}, Form: Typed,
			Remote: Remote{Config: server.Config(), Mapper: server.Mapper()}, Storage: storage, Logger: quiet,
		},
		"decoded": {
			Name: "configmaps", ListerWatcher: &cache.ListWatch{}, Example: &corev1.ConfigMap{}, Storage: storage, Logger: quiet,
		},
	}
}

// What cannot be decoded is left out of what is read, and breaks off the attempt, so that the next list may mend it.
func TestDamaged(t *testing.T) {
	for name, opts := range packedOptions(apitest.NewServer()) {
		for how, read := range map[string]func(*Informer) int{
			"Open": func(i *Informer) int {
				v, _ := i.Objects().Get("default/bad")
				obj, err := i.Objects().Open(v, AsStored)
				if err != nil {
					i.Report("default/bad", err)
				}
				if obj == nil {
					return 0
				}
				return 1
			},
			"Copy": func(i *Informer) int {
				v, _ := i.Objects().Get("default/bad")
				_, err := i.Objects().Copy(v, Typed)
				if err == nil {
					return 1
				}
				i.Report("default/bad", err)
				return 0
			},
			"Opened": func(i *Informer) int {
				n := -1
				for range Opened(i, i.Objects().Sorted(), Typed) {
					n++
				}
				return n
			},
			"Opened in another form": func(i *Informer) int {
				n := -1
				for range Opened(i, i.Objects().Sorted(), Metadata) {
					n++
				}
				return n
			},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				inf, err := New(opts)
				if err != nil {
					t.Fatal(err)
				}
				attempt := inf.sink.begin(t.Context())
				good := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "good", ResourceVersion: "1"}}
				if err := inf.sink.Add(good); err != nil {
					t.Fatal(err)
				}
				if err := inf.objects.Set("default/bad", Item{packed: damaged{}}); err != nil {
					t.Fatal(err)
				}
				if n := read(inf); n != 0 {
					t.Errorf("%d damaged objects were read", n)
				}
				if attempt.Err() == nil {
					t.Error("the attempt goes on")
				}
				var refused *ObjectError
				if err := inf.sink.end(); !errors.As(err, &refused) || refused.Key != "default/bad" || !errors.Is(err, codec.ErrForeign) {
					t.Errorf("the attempt ended with %v", err)
				}
			})
		}
	}
}

// The store says which key it is where it knows it.
func TestDamagedIsDecodeError(t *testing.T) {
	inf, err := New(packedOptions(apitest.NewServer())["from a server"])
	if err != nil {
		t.Fatal(err)
	}
	if err := inf.objects.Set("default/bad", Item{packed: damaged{}}); err != nil {
		t.Fatal(err)
	}
	v, _ := inf.Objects().Get("default/bad")
	_, err = inf.Objects().Open(v, AsStored)
	if failed, ok := errors.AsType[*gomap.DecodeError](err); !ok || failed.Kind != "configmaps" || !errors.Is(err, codec.ErrForeign) {
		t.Errorf("got %v", err)
	}
}

// An object that was damaged is listed again as soon as somebody wants to read it, and is then as it was. A handler is
// not told of what it cannot have, and what mends it is news to it.
func TestDamagedIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := apitest.NewServer()
		server.Put("a", "1", "")
		server.Put("b", "1", "")
		opts := packedOptions(server)["from a server"]
		inf, err := New(opts)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var told []string
		_, err = inf.AddHandler(func(n Notice) {
			obj, err := inf.Objects().Open(n.Object, Typed)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				told = append(told, "damaged "+n.Name)
				inf.Report(n.Name, err)
				return
			}
			_, err = inf.Objects().Open(n.Old, Typed)
			told = append(told, fmt.Sprint(n.EventType, " ", obj.(*corev1.ConfigMap).Data["value"], " old is fine: ", err == nil))
		}, HandlerOptions{Buffer: 10, Logger: opts.Logger})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), opts.Logger))
		var running sync.WaitGroup
		running.Go(func() {
			if err := inf.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		defer running.Wait()
		defer cancel()
		synctest.Wait()
		told = nil
		attempts := inf.status.progress().lists
		if err := inf.objects.Set("default/a", Item{packed: damaged{}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if refused, ok := errors.AsType[*ObjectError](inf.Status().Err()); !ok || refused.Key != "default/a" {
			t.Errorf("the informer has %v", inf.Status().Err())
		}
		time.Sleep(time.Minute)
		if err := inf.Status().Err(); err != nil || inf.status.progress().lists != attempts+1 {
			t.Errorf("after %d more lists: %v", inf.status.progress().lists-attempts, err)
		}
		v, _ := inf.Objects().Get("default/a")
		if obj, err := inf.Objects().Open(v, Typed); err != nil || obj.(*corev1.ConfigMap).Data["value"] != "1" {
			t.Errorf("it is %v, %v", obj, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if got := fmt.Sprint(told); got != "[damaged default/a update 1 old is fine: false]" {
			t.Errorf("told %s", got)
		}
	})
}

// What a form cannot hold, unlike what is damaged, would come again: it is only left out.
func TestReport(t *testing.T) {
	for name, opts := range packedOptions(apitest.NewServer()) {
		inf, err := New(opts)
		if err != nil {
			t.Fatal(err)
		}
		attempt := inf.sink.begin(t.Context())
		for _, err := range []error{errors.New("it is of another type"), ErrNarrow, &codec.DecodeError{Err: errors.New("a number")}} {
			inf.Report("default/a", err)
			if attempt.Err() != nil {
				t.Errorf("%s: %v breaks off the attempt", name, err)
			}
		}
		inf.Report("default/a", fmt.Errorf("read: %w", codec.ErrCorrupt))
		if attempt.Err() == nil {
			t.Errorf("%s: the attempt goes on", name)
		}
	}
}
