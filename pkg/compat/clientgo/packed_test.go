package clientgo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer"
)

// opaque is an object that no codec is for.
type opaque struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	secret string
}

func (o *opaque) DeepCopyObject() kruntime.Object { c := *o; return &c }

// What means nothing, and what cannot be packed, is an error before anything is made.
func TestOptions(t *testing.T) {
	for name, test := range map[string]struct {
		options clientgo.Options
		example kruntime.Object
		want    []error
	}{
		"nothing":                     {example: &opaque{}},
		"plain":                       {options: clientgo.Options{Budget: informer.Plain}, example: &opaque{}},
		"packed":                      {options: clientgo.Options{Budget: 1, Compression: codec.Zstd}, example: &corev1.Pod{}},
		"unstructured":                {options: clientgo.Options{Budget: 1}, example: &unstructured.Unstructured{}},
		"whatever comes":              {options: clientgo.Options{Budget: 1}},
		"a budget that is none":       {options: clientgo.Options{Budget: -2}, want: []error{informer.ErrInvalidOption}},
		"a compression that is none":  {options: clientgo.Options{Budget: 1, Compression: "x"}, want: []error{informer.ErrInvalidOption}},
		"a compression of nothing":    {options: clientgo.Options{Compression: codec.S2}, want: []error{informer.ErrInvalidOption}},
		"a type that no codec is for": {options: clientgo.Options{Budget: 1}, example: &opaque{}, want: []error{informer.ErrInvalidOption, codec.ErrType}},
	} {
		inf, err := test.options.NewSharedIndexInformer(&cache.ListWatch{}, test.example, 0, nil)
		if len(test.want) == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range test.want {
			if !errors.Is(err, want) || inf != nil {
				t.Errorf("%s: got %v, want %v", name, err, want)
			}
		}
		x, err := test.options.NewIndexer(cache.MetaNamespaceKeyFunc, nil)
		if wants := len(test.want) == 1; errors.Is(err, informer.ErrInvalidOption) != wants || (x == nil) != wants {
			t.Errorf("%s: the indexer is %v, %v", name, x, err)
		}
	}
	if _, err := clientgo.Stats(cache.NewStore(cache.MetaNamespaceKeyFunc)); !errors.Is(err, clientgo.ErrForeign) {
		t.Errorf("Stats of a store of client-go's: %v", err)
	}
}

// fleet returns n Pods of one workload.
func fleet(n int) []*corev1.Pod {
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		p := pod(fmt.Sprintf("web-%04d", i))
		p.GenerateName = "web-"
		p.Labels = map[string]string{"app": "web", "n": fmt.Sprint(i % 10)}
		p.Spec.NodeName = fmt.Sprint("node-", i%7)
		for c := range 4 {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{
				Name:  fmt.Sprint("container-", c),
				Image: "registry.example.com/team/image:v1.2.3",
				Env:   []corev1.EnvVar{{Name: "TEXT", Value: strings.Repeat(fmt.Sprint(c), 200)}},
			})
		}
		pods[i] = p
	}
	return pods
}

func stats(t *testing.T, s cache.Store) informer.Stats {
	t.Helper()
	figures, err := clientgo.Stats(s)
	if err != nil {
		t.Fatal(err)
	}
	return figures
}

// A packed indexer lets go of what it is given, and holds a tenth of its wire form; a plain
// one holds what it is given.
func TestWhatIsHeld(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		const n = 500
		x := f.newIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc, "labels": byLabels})
		wire := 0
		var given []weak.Pointer[corev1.Pod]
		var list []any
		for i, p := range fleet(n) {
			wire += p.Size()
			given = append(given, weak.Make(p))
			if i < n/2 {
				list = append(list, p)
			} else if err := x.Add(p); err != nil {
				t.Fatal(err)
			}
			if i == n/2-1 {
				if err := x.Replace(list, "1"); err != nil {
					t.Fatal(err)
				}
				list = nil
			}
		}
		runtime.GC()
		held := 0
		for _, p := range given {
			if p.Value() != nil {
				held++
			}
		}
		got := stats(t, x)
		if f.plain() {
			if held != n || got != (informer.Stats{Objects: n}) {
				t.Errorf("%d of %d objects are held: %+v", held, n, got)
			}
			return
		}
		if held != 0 || got.Objects != n || got.Packed != n || got.Decoded != 0 {
			t.Errorf("%d of %d objects are held as they were given: %+v", held, n, got)
		}
		if got.PackedBytes == 0 || got.PackedBytes > int64(wire/10) || got.DictionaryBytes == 0 {
			t.Errorf("%d bytes packed and %d of dictionaries, of %d on the wire", got.PackedBytes, got.DictionaryBytes, wire)
		}
		runtime.KeepAlive(x)
	})
}

// inPackedForms is inForms of those that pack.
func inPackedForms(t *testing.T, test func(t *testing.T, f form)) {
	t.Helper()
	for _, f := range forms {
		if !f.plain() {
			t.Run(f.name, func(t *testing.T) { test(t, f) })
		}
	}
}

// Writes, index values included, and reads of keys decode nothing.
func TestWithoutDecoding(t *testing.T) {
	inPackedForms(t, func(t *testing.T, f form) {
		x := f.newIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{"labels": clientgo.LabelIndex, cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
		for range 2 {
			for _, p := range fleet(20) {
				if err := x.Add(p); err != nil {
					t.Fatal(err)
				}
			}
		}
		if keys := x.ListKeys(); len(keys) != 20 {
			t.Errorf("the keys are %q", keys)
		}
		if keys, err := x.IndexKeys("labels", "n=3"); err != nil || !slices.Equal(keys, []string{"default/web-0003", "default/web-0013"}) {
			t.Errorf("the keys of an index are %q, %v", keys, err)
		}
		if values := x.ListIndexFuncValues(cache.NamespaceIndex); !slices.Equal(values, []string{"default"}) {
			t.Errorf("the values of an index are %q", values)
		}
		if got := stats(t, x); got.Decodes != 0 {
			t.Errorf("objects were decoded: %+v", got)
		}
		if found, err := x.ByIndex("labels", "n=3"); err != nil || len(found) != 2 || stats(t, x).Decodes != 2 {
			t.Errorf("found %d, %v: %+v", len(found), err, stats(t, x))
		}
	})
}

// A handler has decoded what it is handed: nothing of a list that repeats what is known.
func TestHandlersDecodeWhatTheyGet(t *testing.T) {
	inPackedForms(t, func(t *testing.T, f form) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, f.newInformer)
			for n := range 100 {
				b.Add(pod(fmt.Sprint(n)))
			}
			inf := b.informer(time.Hour)
			b.run(inf)
			relist := func() {
				b.ResetWatch()
				time.Sleep(10 * time.Second)
				synctest.Wait()
			}
			relist()
			if got := stats(t, inf.GetStore()); got.Objects != 100 || got.Decodes != 0 {
				t.Fatalf("without a handler: %+v", got)
			}
			r, _ := b.recorded(inf, cache.HandlerOptions{ResyncPeriod: new(time.Duration)})
			time.Sleep(2 * time.Hour) // from the first look at who is due on, it gets no repetitions
			synctest.Wait()
			if calls := r.take(); len(calls) != 100 {
				t.Fatalf("%d calls", len(calls))
			}
			before := stats(t, inf.GetStore()).Decodes
			if before != 100 {
				t.Errorf("%d objects were decoded for the initial list", before)
			}
			b.ModifyDropWatch(pod("7"))
			relist()
			r.expect(t, "a list that repeats what is known, but for one", "update 7@8 7@101")
			if n := stats(t, inf.GetStore()).Decodes - before; n == 0 || n > 4 {
				t.Errorf("%d objects were decoded for one update: %+v", n, stats(t, inf.GetStore()))
			}
		})
	})
}

// What somebody does to an object that was written, read or handed over does not reach what
// is packed.
func TestIsolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := formOf(t, "all packed")
		b := newBed(t, f.newInformer)
		inf := b.informer(0)
		spoil := func(obj any) {
			obj.(*corev1.Pod).Labels["app"] = "spoiled"
			obj.(*corev1.Pod).Spec.Containers[0].Env[0].Value = "spoiled"
		}
		if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: spoil, UpdateFunc: func(prev, next any) { spoil(prev); spoil(next) }}); err != nil {
			t.Fatal(err)
		}
		b.run(inf)
		want := fleet(1)[0]
		key := "default/" + want.Name
		written := want.DeepCopy()
		for range 2 {
			if err := inf.GetStore().Update(written); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			spoil(written)
			written = want.DeepCopy()
			for _, read := range []func() any{
				func() any { obj, _, _ := inf.GetStore().GetByKey(key); return obj },
				func() any { return inf.GetStore().List()[0] },
				func() any { return must(inf.GetIndexer().ByIndex(cache.NamespaceIndex, "default"))[0] },
				func() any { return must(inf.GetIndexer().Index(cache.NamespaceIndex, want))[0] },
			} {
				got := read()
				if !equality.Semantic.DeepEqual(got, want) {
					t.Fatalf("got %v", got)
				}
				spoil(got)
			}
		}
	})
}

// formOf returns the form of a name.
func formOf(t *testing.T, name string) form {
	t.Helper()
	n := slices.IndexFunc(forms, func(f form) bool { return f.name == name })
	if n < 0 {
		t.Fatalf("there is no form %q", name)
	}
	return forms[n]
}

// A deletion by hand is told as it was made: with the final state, or with a tombstone,
// whatever that is of.
func TestDeletionsByHand(t *testing.T) {
	inBubbles(t, func(t *testing.T, b *bed) {
		inf := b.informer(0)
		var deleted []any
		if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{DeleteFunc: func(obj any) { deleted = append(deleted, obj) }}); err != nil {
			t.Fatal(err)
		}
		b.run(inf)
		last := pod("a")
		last.ResourceVersion = "7"
		for _, want := range []any{
			last,
			cache.DeletedFinalStateUnknown{Key: "default/a", Obj: last},
			cache.DeletedFinalStateUnknown{Key: "default/a"},
			cache.DeletedFinalStateUnknown{Key: "default/a", Obj: "text"},
			cache.DeletedFinalStateUnknown{Key: "default/a", Obj: cache.DeletedFinalStateUnknown{Key: "other"}},
		} {
			deleted = nil
			if err := inf.GetStore().Delete(want); err != nil {
				t.Errorf("Delete of what is not there: %v", err)
			}
			if err := inf.GetStore().Add(pod("a")); err != nil {
				t.Fatal(err)
			}
			if err := inf.GetStore().Delete(want); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(deleted) != 1 || !equality.Semantic.DeepEqual(deleted[0], want) {
				t.Errorf("told %#v, want %#v", deleted, want)
			}
			if n := len(inf.GetStore().ListKeys()); n != 0 {
				t.Errorf("%d objects are left", n)
			}
		}
	})
}

// A transform may make objects of another type, and of several.
func TestTransformToOtherTypes(t *testing.T) {
	inBubbles(t, func(t *testing.T, b *bed) {
		inf := b.informer(0)
		err := inf.SetTransform(func(obj any) (any, error) {
			p, ok := obj.(*corev1.Pod)
			switch {
			case !ok: // it was transformed before
				return obj, nil
			case p.Name == "metadata":
				return meta.AsPartialObjectMetadata(p), nil
			case p.Name == "unstructured":
				u := &unstructured.Unstructured{}
				u.SetNamespace(p.Namespace)
				u.SetName(p.Name)
				u.SetResourceVersion(p.ResourceVersion)
				return u, nil
			}
			return p, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r, _ := b.recorded(inf, cache.HandlerOptions{})
		b.Add(pod("metadata"))
		b.Add(pod("unstructured"))
		b.Add(pod("pod"))
		b.run(inf)
		r.expect(t, "the first list", "initial metadata@1", "initial unstructured@2", "initial pod@3")
		for key, want := range map[string]string{"metadata": "*v1.PartialObjectMetadata", "unstructured": "*unstructured.Unstructured", "pod": "*v1.Pod"} {
			if obj, _, err := inf.GetStore().GetByKey("default/" + key); fmt.Sprintf("%T", obj) != want {
				t.Errorf("%s is a %T, %v", key, obj, err)
			}
		}
		b.Delete(pod("metadata"))
		synctest.Wait()
		r.expect(t, "a deletion", "delete metadata@4")
	})
}

// An object of a type that no codec is for is refused, with its key; the watch error
// handler is told, and nothing is stored of a list that it is in.
func TestTypeWithoutCodec(t *testing.T) {
	inPackedForms(t, func(t *testing.T, f form) {
		bad := &opaque{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "bad"}, secret: "x"}
		x := f.newIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc, nil)
		for what, write := range map[string]func() error{
			"Add":         func() error { return x.Add(bad) },
			"Update":      func() error { return x.Update(bad) },
			"Delete":      func() error { return x.Delete(bad) },
			"Replace":     func() error { return x.Replace([]any{pod("fine"), bad}, "1") },
			"Transaction": func() error { return transact(x, bad) },
		} {
			err := write()
			if refused, ok := errors.AsType[*gomap.EncodeError](err); !ok || refused.Name != "default/bad" || !errors.Is(err, codec.ErrType) {
				t.Errorf("%s: %v", what, err)
			}
		}
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, f.newInformer)
			b.Add(pod("a"))
			b.Add(pod("bad"))
			inf := b.informer(0)
			if err := inf.SetTransform(func(obj any) (any, error) {
				if obj.(metav1.Object).GetName() == "bad" {
					return bad, nil
				}
				return obj, nil
			}); err != nil {
				t.Fatal(err)
			}
			var failures []error
			if err := inf.SetWatchErrorHandler(func(_ *cache.Reflector, err error) { failures = append(failures, err) }); err != nil {
				t.Fatal(err)
			}
			b.run(inf)
			if n := len(inf.GetStore().List()); n != 0 || inf.HasSynced() || len(failures) == 0 {
				t.Fatalf("%d objects are stored, synced %v, told %v", n, inf.HasSynced(), failures)
			}
			if refused, ok := errors.AsType[*informer.ObjectError](failures[0]); !ok || refused.Key != "default/bad" || !errors.Is(refused, codec.ErrType) {
				t.Errorf("told %v", failures[0])
			}
		})
	})
}

// moody is an object that does not understand its own JSON at the resourceVersion "bad".
type moody struct{ metav1.PartialObjectMetadata }

func (m *moody) MarshalJSON() ([]byte, error) { return json.Marshal(&m.PartialObjectMetadata) }

func (m *moody) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &m.PartialObjectMetadata); err != nil {
		return err
	}
	if m.ResourceVersion == "bad" {
		return errors.New("sulking")
	}
	return nil
}

// An object that cannot be decoded is an error of the read that can return one, and left
// out of the others, which report it; but its deletion is told.
func TestDamage(t *testing.T) {
	defer func(handlers []utilruntime.ErrorHandler) { utilruntime.ErrorHandlers = handlers }(utilruntime.ErrorHandlers)
	var reports atomic.Int64
	utilruntime.ErrorHandlers = []utilruntime.ErrorHandler{func(context.Context, error, string, ...any) { reports.Add(1) }}
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, formOf(t, "all packed").newInformer)
		inf := b.informer(0)
		r, _ := b.recorded(inf, cache.HandlerOptions{})
		b.run(inf)
		at := func(version string) *moody {
			m := &moody{}
			m.Namespace, m.Name, m.ResourceVersion = "default", "m", version
			return m
		}
		write := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		store := inf.GetIndexer()
		write(store.Add(at("1")))
		write(store.Update(at("2")))
		r.expectInOrder(t, "before", "add m@1", "update m@1 m@2")

		write(store.Add(pod("p")))
		write(store.Update(at("bad")))
		r.expectInOrder(t, "an update that cannot be decoded", "add p@")
		_, ok, err := store.GetByKey("default/m")
		if _, damaged := errors.AsType[*gomap.DecodeError](err); ok || !damaged {
			t.Errorf("GetByKey: %v, %v", ok, err)
		}
		if n := reports.Swap(0); n != 1 { // by the handler
			t.Errorf("%d reports before anybody has read", n)
		}
		if list := store.List(); len(list) != 1 {
			t.Errorf("List: %v", list)
		}
		if list, err := store.ByIndex(cache.NamespaceIndex, "default"); err != nil || len(list) != 1 {
			t.Errorf("ByIndex: %v, %v", list, err)
		}
		if n := reports.Load(); n != 2 {
			t.Errorf("%d reports of two reads", n)
		}
		if keys := store.ListKeys(); len(keys) != 2 {
			t.Errorf("ListKeys: %v", keys)
		}
		write(store.Update(at("4")))
		r.expectInOrder(t, "an update from what cannot be decoded", "add m@4")
		write(store.Update(at("bad")))
		write(store.Replace([]any{pod("p")}, "9"))
		r.expectInOrder(t, "deleted by a list", "tombstone default/m <nil>", "update p@ p@")
	})
}

// Writers of objects of several types, readers and handlers don't get in each other's way.
func TestConcurrentTypes(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		x := f.newIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
		var running sync.WaitGroup
		for _, example := range []interface {
			kruntime.Object
			metav1.Object
		}{&corev1.Pod{}, &corev1.ConfigMap{}, &unstructured.Unstructured{Object: map[string]any{}}, &metav1.PartialObjectMetadata{}} {
			name := strings.ToLower(fmt.Sprintf("%T", example)[1:])
			running.Go(func() {
				for n := range 200 {
					obj := example.DeepCopyObject().(metav1.Object)
					obj.SetNamespace("default")
					obj.SetName(name)
					obj.SetResourceVersion(fmt.Sprint(n))
					if err := x.Update(obj); err != nil {
						t.Error(err)
					}
				}
			})
			running.Go(func() {
				latest := -1
				for range 200 {
					for _, obj := range must(x.ByIndex(cache.NamespaceIndex, "default")) {
						m := obj.(metav1.Object)
						if m.GetName() != name {
							continue
						}
						var version int
						if _, err := fmt.Sscan(m.GetResourceVersion(), &version); err != nil || version < latest {
							t.Errorf("%s is at %s after %d: %v", name, m.GetResourceVersion(), latest, err)
						}
						latest = version
					}
				}
			})
		}
		running.Wait()
		for _, obj := range x.List() {
			if m := obj.(metav1.Object); m.GetName() != strings.ToLower(fmt.Sprintf("%T", obj)[1:]) || m.GetResourceVersion() != "199" {
				t.Errorf("%s ends at %s as a %T", m.GetName(), m.GetResourceVersion(), obj)
			}
		}
	})
}
