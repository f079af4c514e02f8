package clientgo_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// byLabels finds an object by the value of each label, the empty one too.
func byLabels(obj any) ([]string, error) {
	return slices.Collect(maps.Values(obj.(*corev1.Pod).Labels)), nil
}

// contents is all that an indexer says of itself, with what object says of each object.
func contents(t *testing.T, x cache.Indexer, object func(any) string) string {
	t.Helper()
	var b strings.Builder
	objects := func(list []any, err error) []string {
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, obj := range list {
			names = append(names, object(obj))
		}
		slices.Sort(names)
		return names
	}
	fmt.Fprintln(&b, x.LastStoreSyncResourceVersion())
	fmt.Fprintln(&b, objects(x.List(), nil))
	keys := slices.Sorted(slices.Values(x.ListKeys()))
	fmt.Fprintln(&b, keys)
	for _, key := range keys {
		obj, ok, err := x.GetByKey(key)
		fmt.Fprintln(&b, key, object(obj), ok, err)
	}
	for _, index := range slices.Sorted(maps.Keys(x.GetIndexers())) {
		values := slices.Sorted(slices.Values(x.ListIndexFuncValues(index)))
		fmt.Fprintln(&b, index, values)
		for _, value := range append(values, "no such value") {
			keys, err := x.IndexKeys(index, value)
			fmt.Fprintln(&b, value, objects(x.ByIndex(index, value)), keys, err)
		}
		probe := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "1", Labels: map[string]string{"a": "x", "b": "y", "c": "x"}}}
		fmt.Fprintln(&b, objects(x.Index(index, probe)))
		probe.Labels = nil
		fmt.Fprintln(&b, objects(x.Index(index, probe)))
	}
	return b.String()
}

// Whatever is written, ours says of itself what client-go's does: of the same objects or,
// when it has packed them, of equal ones.
func TestIndexerAgainstClientGo(t *testing.T) { inForms(t, testIndexerAgainstClientGo) }

func testIndexerAgainstClientGo(t *testing.T, f form) {
	object := func(obj any) string {
		if f.plain() {
			return fmt.Sprintf("%s %p", describe(obj), obj)
		}
		return fmt.Sprint(describe(obj), obj.(*corev1.Pod).Namespace, obj.(*corev1.Pod).Labels)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	indexers := func() cache.Indexers {
		return cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc, "": byLabels}
	}
	theirs := cache.NewIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc, indexers())
	ours := f.newIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc, indexers())

	version := 0
	newPod := func() *corev1.Pod {
		version++
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}, ResourceVersion: fmt.Sprint(version)}}
		if n := rnd.IntN(3); n > 0 {
			p.Namespace = fmt.Sprint(n)
		}
		if n := rnd.IntN(8); n > 0 {
			p.Name = fmt.Sprint(n) // or the empty name, and perhaps the empty key
		}
		for _, l := range []string{"a", "b", "c"} {
			p.Labels[l] = []string{"", "x", "y", "z"}[rnd.IntN(4)]
		}
		return p
	}
	both := func(what string, do func(cache.Indexer) error) string {
		t.Helper()
		for name, x := range map[string]cache.Indexer{"theirs": theirs, "ours": ours} {
			if err := do(x); err != nil {
				t.Fatalf("%s, %s: %v", name, what, err)
			}
		}
		return what
	}
	for step := range 400 {
		var what string
		switch obj := newPod(); rnd.IntN(20) {
		default:
			what = both("Update", func(x cache.Indexer) error { return x.Update(obj) })
		case 0, 1, 2:
			what = both("Add", func(x cache.Indexer) error { return x.Add(obj) })
		case 3, 4, 5, 6:
			what = both("Delete", func(x cache.Indexer) error { return x.Delete(obj) })
		case 7:
			tombstone := cache.DeletedFinalStateUnknown{Key: "1/1", Obj: obj}
			what = both("Delete of a tombstone", func(x cache.Indexer) error { return x.Delete(tombstone) })
		case 8:
			var list []any
			for range rnd.IntN(20) {
				list = append(list, newPod())
			}
			what = both("Replace", func(x cache.Indexer) error { return x.Replace(list, fmt.Sprint(version)) })
		case 9:
			what = both("Bookmark", func(x cache.Indexer) error { x.Bookmark(fmt.Sprint(version)); return nil })
		case 10:
			var txns []cache.Transaction
			types := []cache.TransactionType{cache.TransactionTypeAdd, cache.TransactionTypeUpdate, cache.TransactionTypeDelete}
			for range rnd.IntN(5) {
				txns = append(txns, cache.Transaction{Object: newPod(), Type: types[rnd.IntN(3)]})
			}
			what = both("Transaction", func(x cache.Indexer) error {
				if err := x.(cache.TransactionStore).Transaction(txns...); err != nil {
					return err
				}
				return nil
			})
		case 11:
			name := fmt.Sprint("index ", step%7)
			if theirs.GetIndexers()[name] == nil {
				what = both("AddIndexers", func(x cache.Indexer) error { return x.AddIndexers(cache.Indexers{name: byLabels}) })
			}
		}
		if want, got := contents(t, theirs, object), contents(t, ours, object); got != want {
			t.Fatalf("step %d, after %s: client-go has\n%s\nlarder has\n%s", step, what, want, got)
		}
	}
}

// What client-go answers with an error or a panic is an error that can be told.
func TestIndexerErrors(t *testing.T) { inForms(t, testIndexerErrors) }

func testIndexerErrors(t *testing.T, f form) {
	broken := errors.New("broken")
	x := f.newIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{
		"some": func(obj any) ([]string, error) {
			switch obj.(*corev1.Pod).Name {
			case "fails":
				return nil, broken
			case "panics":
				panic(broken)
			}
			return []string{"value"}, nil
		},
		"nil": nil,
	})
	if err := x.Add(pod("fine")); err != nil {
		t.Fatal(err)
	}
	for what, write := range map[string]func(any) error{
		"Add": x.Add, "Update": x.Update,
		"Replace":     func(obj any) error { return x.Replace([]any{obj}, "7") },
		"Transaction": func(obj any) error { return transact(x, obj) },
	} {
		for _, name := range []string{"fails", "panics"} {
			if _, ok := errors.AsType[*store.IndexError](write(pod(name))); !ok {
				t.Errorf("%s of an object that %s: no IndexError", what, name)
			}
		}
		if _, ok := errors.AsType[cache.KeyError](write("no key")); !ok {
			t.Errorf("%s of an object without a key: no KeyError", what)
		}
	}
	if _, ok := errors.AsType[cache.KeyError](x.Delete("no key")); !ok {
		t.Error("Delete of an object without a key: no KeyError")
	}
	if _, _, err := x.Get("no key"); err == nil {
		t.Error("Get of an object without a key: no error")
	}
	if keys := x.ListKeys(); !slices.Equal(keys, []string{"default/fine"}) {
		t.Errorf("writes that were refused have left %q", keys)
	}
	for _, index := range []string{"none", "nil"} {
		_, byIndex := x.ByIndex(index, "value")
		_, indexKeys := x.IndexKeys(index, "value")
		_, of := x.Index(index, pod("fine"))
		for _, err := range []error{byIndex, indexKeys, of} {
			if !errors.Is(err, clientgo.ErrIndexNotFound) {
				t.Errorf("index %s: %v", index, err)
			}
		}
		if values := x.ListIndexFuncValues(index); values == nil || len(values) > 0 {
			t.Errorf("index %s has the values %#v", index, values)
		}
	}
	if _, err := x.Index("some", pod("fails")); !errors.Is(err, broken) {
		t.Errorf("Index of an object that fails: %v", err)
	}
	if err := x.AddIndexers(cache.Indexers{"new": byLabels, "some": byLabels}); !errors.Is(err, clientgo.ErrIndexConflict) {
		t.Errorf("AddIndexers of a name that is taken: %v", err)
	}
	if err := x.AddIndexers(cache.Indexers{"new": nil}); !errors.Is(err, store.ErrFuncRequired) {
		t.Errorf("AddIndexers of nil: %v", err)
	}
	failing := func(any) ([]string, error) { return nil, broken }
	if err := x.AddIndexers(cache.Indexers{"new": failing}); !errors.Is(err, broken) {
		t.Errorf("AddIndexers that fails on what is there: %v", err)
	}
	if n := len(x.GetIndexers()); n != 1 {
		t.Errorf("%d indexers, want the one", n)
	}
	x.GetIndexers()["another"] = byLabels
	if n := len(x.GetIndexers()); n != 1 {
		t.Errorf("a change to what GetIndexers returns reaches the indexer")
	}
}

func transact(x cache.Indexer, obj any) error {
	err := x.(cache.TransactionStore).Transaction(
		cache.Transaction{Type: cache.TransactionTypeUpdate, Object: obj},
		cache.Transaction{Type: cache.TransactionTypeUpdate, Object: pod("fine")},
	)
	if err == nil {
		return nil
	}
	if !slices.Equal(err.SuccessfulIndices, []int{1}) || err.TotalTransactions != 2 {
		return fmt.Errorf("the other transaction was not done: %w", err)
	}
	return errors.Join(err.Errors...)
}

// Generated listers work over the indexer.
func TestGeneratedLister(t *testing.T) { inForms(t, testGeneratedLister) }

func testGeneratedLister(t *testing.T, f form) {
	x := f.newIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	other := pod("b")
	other.Namespace, other.Labels = "other", map[string]string{"app": "web"}
	for _, p := range []*corev1.Pod{pod("a"), pod("b"), other} {
		if err := x.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	lister := corelisters.NewPodLister(x)
	if got, err := lister.Pods("default").Get("a"); err != nil || got.Name != "a" {
		t.Errorf("Get: %v, %v", got, err)
	}
	if got, err := lister.Pods("default").List(labels.Everything()); err != nil || len(got) != 2 {
		t.Errorf("List of a namespace: %v, %v", got, err)
	}
	if got, err := lister.List(labels.SelectorFromSet(labels.Set{"app": "web"})); err != nil || len(got) != 1 || !equality.Semantic.DeepEqual(got[0], other) {
		t.Errorf("List by label: %v, %v", got, err)
	}
	if _, err := lister.Pods("default").Get("c"); err == nil {
		t.Error("Get of what is not there: no error")
	}
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
