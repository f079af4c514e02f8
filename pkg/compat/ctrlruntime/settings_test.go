package ctrlruntime_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

// mark returns a transform that says who it is.
func mark(who string) toolscache.TransformFunc {
	return func(obj any) (any, error) {
		obj.(*corev1.ConfigMap).Annotations = map[string]string{"mark": who}
		return obj, nil
	}
}

// randomSettings are options of a cache in which every setting is left open, or set,
// at random.
type randomSettings struct {
	*rand.Rand
	namespaces []string
	marks      int
}

func (r *randomSettings) label() labels.Selector {
	return []labels.Selector{nil, nil, labels.Everything(), labels.SelectorFromSet(labels.Set{"on": "yes"}), labels.SelectorFromSet(labels.Set{"on": "no"})}[r.IntN(5)]
}

func (r *randomSettings) field() fields.Selector {
	return []fields.Selector{nil, nil, nil, fields.Everything(), fields.OneTermEqualSelector("metadata.name", "a")}[r.IntN(5)]
}

func (r *randomSettings) transform() toolscache.TransformFunc {
	if r.IntN(2) == 0 {
		return nil
	}
	r.marks++
	return mark(fmt.Sprint(r.marks))
}

func (r *randomSettings) flag() *bool { return []*bool{nil, nil, new(true), new(false)}[r.IntN(4)] }

func (r *randomSettings) config() cache.Config {
	return cache.Config{LabelSelector: r.label(), FieldSelector: r.field(), Transform: r.transform(), UnsafeDisableDeepCopy: r.flag()}
}

func (r *randomSettings) configs() map[string]cache.Config {
	if r.IntN(4) == 0 {
		return nil
	}
	configs := map[string]cache.Config{}
	for _, namespace := range append(r.namespaces[:2:2], cache.AllNamespaces) {
		if r.IntN(2) == 0 {
			configs[namespace] = r.config()
		}
	}
	return configs
}

func (r *randomSettings) options() cache.Options {
	opts := cache.Options{
		DefaultNamespaces:            r.configs(),
		DefaultLabelSelector:         r.label(),
		DefaultFieldSelector:         r.field(),
		DefaultTransform:             r.transform(),
		DefaultUnsafeDisableDeepCopy: r.flag(),
	}
	if r.IntN(3) > 0 {
		o := r.config()
		opts.ByObject = map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {
			Label: o.LabelSelector, Field: o.FieldSelector, Transform: o.Transform, UnsafeDisableDeepCopy: o.UnsafeDisableDeepCopy,
			Namespaces: r.configs(),
		}}
	}
	return opts
}

// look returns what can be read from a cache in namespaces: each object with the
// transform that it has seen, and whether it is shared; or that a namespace is not there.
func (b *bed) look(c cache.Cache, namespaces []string) map[string]string {
	b.Helper()
	ctx, seen := b.Context(), map[string]string{}
	if !c.WaitForCacheSync(ctx) {
		b.Fatal("the cache does not start")
	}
	for _, namespace := range namespaces {
		var list corev1.ConfigMapList
		if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			if !strings.Contains(err.Error(), "unknown namespace for the cache") {
				b.Fatal(err)
			}
			seen[namespace] = "unknown"
			continue
		}
		for _, listed := range list.Items {
			var one, other corev1.ConfigMap
			key := client.ObjectKeyFromObject(&listed)
			b.must(c.Get(ctx, key, &one))
			b.must(c.Get(ctx, key, &other))
			shared := reflect.ValueOf(one.Data).Pointer() == reflect.ValueOf(other.Data).Pointer()
			isListShared := reflect.ValueOf(one.Data).Pointer() == reflect.ValueOf(listed.Data).Pointer()
			seen[key.String()] = fmt.Sprintf("mark %s, shared %v %v", one.Annotations["mark"], shared, isListShared)
		}
	}
	return seen
}

// Whatever the settings are, of the cache, of namespaces, of the kind, or of its
// namespaces, they mean what they mean to controller-runtime's cache.
func TestPrecedence(t *testing.T) {
	b := newBed(t)
	namespaces := []string{b.namespace, b.newNamespace(), b.newNamespace()}
	for _, b.namespace = range namespaces {
		for _, name := range []string{"a", "b", "c"} {
			b.create(name, map[string]string{"on": map[bool]string{true: "yes", false: "no"}[name != "b"]}, "name", name)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := &randomSettings{Rand: rand.New(rand.NewPCG(seed, 0)), namespaces: namespaces}
	for range 25 {
		opts := r.options()
		theirs, err := cache.New(b.config, opts)
		b.must(err)
		stop := b.running(theirs.Start)
		want := b.look(theirs, namespaces)
		stop()
		ours, err := ctrlruntime.NewCache(b.config, opts)
		b.must(err)
		stop = b.running(ours.Start)
		got := b.look(ours, namespaces)
		stop()
		if !maps.Equal(got, want) {
			t.Fatalf("with %+v\ngot  %v\nwant %v", opts, got, want)
		}
	}
}

// A kind's own period of resync takes the place of the cache's, whether it is shorter or
// longer.
func TestSyncPeriod(t *testing.T) {
	b := newBed(t)
	b.create("a", nil)
	b.must(b.client.Create(b.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "a"}}))
	for _, period := range []time.Duration{time.Millisecond, time.Hour} {
		c := b.cache(cache.Options{
			SyncPeriod: new(time.Hour + time.Millisecond - period),
			ByObject:   map[client.Object]cache.ByObject{&corev1.Secret{}: {SyncPeriod: &period}},
		})
		resyncs := make(chan any, 1000)
		for _, obj := range []client.Object{&corev1.ConfigMap{}, &corev1.Secret{}} {
			inf, err := c.GetInformer(b.Context(), obj)
			b.must(err)
			_, err = inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(_, obj any) { resyncs <- obj }})
			b.must(err)
		}
		for range 3 {
			if _, isSecret := (<-resyncs).(*corev1.Secret); isSecret != (period < time.Hour) {
				t.Errorf("with a period of %v for secrets: a secret was given again: %v", period, isSecret)
			}
		}
	}
}

// Bookmarks are asked for as the kind's setting says, or else the cache's. What begins
// with a list has them in any case: they tell where it ends.
func TestWatchBookmarks(t *testing.T) {
	b := newBed(t)
	for _, want := range []bool{true, false} {
		config, wire := b.wired()
		c := b.cacheOf(config, cache.Options{
			DefaultEnableWatchBookmarks: new(!want),
			ByObject:                    map[client.Object]cache.ByObject{&corev1.Secret{}: {EnableWatchBookmarks: &want}},
		})
		for _, obj := range []client.Object{&corev1.ConfigMap{}, &corev1.Secret{}} {
			inf, err := c.GetInformer(b.Context(), obj)
			b.must(err)
			// What brings nothing before it ends is listed anew, and not watched further.
			obj.SetNamespace(b.namespace)
			obj.SetName(fmt.Sprint("bookmarks-", want))
			seen := make(chan string, 100)
			_, err = inf.AddEventHandler(onAdd(func(o any) { seen <- o.(client.Object).GetName() }))
			b.must(err)
			b.must(b.client.Create(b.Context(), obj))
			for <-seen != obj.GetName() {
			}
		}
		base := "/api/v1/namespaces/" + b.namespace
		wire.cut()
		wire.await(func() bool {
			for _, path := range []string{base + "/configmaps", base + "/secrets"} {
				if wire.watches[path] != 1 || wire.asked[path].Has("sendInitialEvents") {
					return false
				}
			}
			return true
		})
		wire.await(func() bool {
			maps, secrets := wire.asked[base+"/configmaps"].Has("allowWatchBookmarks"), wire.asked[base+"/secrets"].Has("allowWatchBookmarks")
			if maps == want || secrets != want {
				t.Errorf("bookmarks are asked for of ConfigMaps: %v, of Secrets: %v; want %v, %v", maps, secrets, !want, want)
			}
			return true
		})
	}
}
