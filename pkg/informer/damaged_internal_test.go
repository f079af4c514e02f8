package informer

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
)

// damaged is what no codec made.
type damaged struct{}

func (damaged) Size() int    { return 1 }
func (damaged) Len() int     { return 1 }
func (damaged) Hash() uint64 { return 1 }

// An object that cannot be decoded is left out of every read, and breaks off the attempt,
// so that the next list may mend it.
func TestDamaged(t *testing.T) {
	for name, read := range map[string]func(*Informer[*corev1.ConfigMap]) int{
		"Get":     func(i *Informer[*corev1.ConfigMap]) int { return found(i.Get("default", "bad")) },
		"GetCopy": func(i *Informer[*corev1.ConfigMap]) int { return found(i.GetCopy("default", "bad")) },
		"List":    func(i *Informer[*corev1.ConfigMap]) int { return len(i.List()) - 1 },
		"All": func(i *Informer[*corev1.ConfigMap]) int {
			n := -1
			for range i.All() {
				n++
			}
			return n
		},
	} {
		t.Run(name, func(t *testing.T) {
			inf, err := NewFromListerWatcher(&cache.ListWatch{}, Options[*corev1.ConfigMap]{Budget: AllPacked})
			if err != nil {
				t.Fatal(err)
			}
			attempt := inf.feed.begin(t.Context())
			good := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "good"}}
			if err := inf.feed.Add(good); err != nil {
				t.Fatal(err)
			}
			if err := inf.shelf.set("default/bad", item[*corev1.ConfigMap]{packed: damaged{}}); err != nil {
				t.Fatal(err)
			}
			if n := read(inf); n != 0 {
				t.Errorf("%d damaged objects were read", n)
			}
			if attempt.Err() == nil {
				t.Error("the attempt goes on")
			}
			var refused *ObjectError
			if err := inf.feed.end(); !errors.As(err, &refused) || refused.Key != "default/bad" || !errors.Is(err, codec.ErrForeign) {
				t.Errorf("the attempt ended with %v", err)
			}
			if _, ok := errors.AsType[*gomap.DecodeError](refused); !ok {
				t.Errorf("the reason is %v", refused)
			}
		})
	}
}

func found(_ *corev1.ConfigMap, ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// A handler is not told of what cannot be decoded; what mends it is new to the handler.
func TestDamagedDelivery(t *testing.T) {
	var calls []string
	var reported int
	call := func(what string) func(*corev1.ConfigMap) {
		return func(obj *corev1.ConfigMap) { calls = append(calls, what+" "+obj.Name) }
	}
	d := &delivery[*corev1.ConfigMap]{
		handler: HandlerFuncs[*corev1.ConfigMap]{
			AddFunc:    func(obj *corev1.ConfigMap, _ bool) { call("add")(obj) },
			UpdateFunc: func(_, obj *corev1.ConfigMap) { call("update")(obj) },
			DeleteFunc: call("delete"),
		},
		damaged: func(string, error) { reported++ },
		meter:   &handlerMeter{},
	}
	c, err := codec.New(codec.Options[*corev1.ConfigMap]{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newPacked("configmaps", c, AllPacked, d.damaged)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := s.follow()
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	good := item[*corev1.ConfigMap]{obj: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}
	for _, it := range []item[*corev1.ConfigMap]{{packed: damaged{}}, good} {
		if err := s.set("a", it); err != nil {
			t.Fatal(err)
		}
	}
	cursor.each(func(e change[*corev1.ConfigMap]) bool {
		d.deliver(t.Context(), e, false)
		return true
	})
	if len(calls) != 1 || calls[0] != "add a" || reported != 2 {
		t.Errorf("the handler was called with %q, and %d failures were reported", calls, reported)
	}
}
