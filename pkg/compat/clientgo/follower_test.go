package clientgo_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/gomap"
)

// followed is a source of Pods that follows its informer.
type followed struct {
	*bed
	retry chan struct{}

	mu     sync.Mutex
	stored []string // resourceVersions; a list's has an asterisk
	relist bool
}

func (f *followed) Retry() <-chan struct{} { return f.retry }

func (f *followed) Stored(resourceVersion string, list bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if list {
		resourceVersion += "*"
	}
	f.stored = append(f.stored, resourceVersion)
}

func (f *followed) Watch(opts metav1.ListOptions) (watch.Interface, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.relist {
		f.relist = false
		return nil, clientgo.ErrRelist
	}
	return f.bed.Watch(opts)
}

// A follower is told of lists and events, can ask to list again without that being an
// error, and can end the wait between attempts.
func TestFollower(t *testing.T) {
	inBubbles(t, func(t *testing.T, b *bed) {
		f := &followed{bed: b, retry: make(chan struct{}, 1), relist: true}
		f.Add(pod("a"))
		inf := b.construct(f, nil, 0, cache.Indexers{})
		if err := inf.SetWatchErrorHandler(func(_ *cache.Reflector, err error) { t.Error(err) }); err != nil {
			t.Fatal(err)
		}
		f.retry <- struct{}{}
		began := time.Now()
		f.run(inf)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the retry waited for %v", waited)
		}
		f.Add(pod("b"))
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if want := []string{"1*", "1*", "2"}; !slices.Equal(f.stored, want) {
			t.Errorf("stored %v, want %v", f.stored, want)
		}
	})
}

// Select finds what meets all conditions, of indexes and labels.
func TestSelect(t *testing.T) { inForms(t, testSelect) }

func testSelect(t *testing.T, f form) {
	x := f.newIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{
		"labels": clientgo.LabelIndex, cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
	}).(clientgo.Selector)
	for name, labels := range map[string]map[string]string{"a": {"x": "1"}, "b": {"x": "2", "y": ""}, "c": {"x": "1", "y": ""}, "d": nil} {
		p := pod(name)
		p.Labels = labels
		if err := x.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	found, err := x.Select(gomap.Is(cache.NamespaceIndex, "default"), gomap.LabelIs("labels", "x", "1"), gomap.HasLabel("labels", "y"))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key := range found {
		keys = append(keys, key)
	}
	if !slices.Equal(keys, []string{"default/c"}) {
		t.Errorf("found %v", keys)
	}
	if _, err := x.Select(gomap.Is("other", "")); !errors.Is(err, clientgo.ErrIndexNotFound) {
		t.Errorf("an index that does not exist: %v", err)
	}
}
