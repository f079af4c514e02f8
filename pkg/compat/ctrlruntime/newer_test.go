package ctrlruntime_test

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

// When the server knows a field that the Go type lacks, who reads unstructured objects gets it, at the price of a list in
// JSON; handlers of typed objects and of metadata are told nothing of that.
func TestNewerThanType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := apitest.NewServer()
		s.Put("a", "1", "yes")
		s.Put("b", "1", "")
		c := faked(t, s, ctrlruntime.Options{}, cache.Options{})
		m, u := &metav1.PartialObjectMetadata{}, &unstructured.Unstructured{}
		m.SetGroupVersionKind(apitest.GVK)
		u.SetGroupVersionKind(apitest.GVK)
		var mu sync.Mutex
		var told []string
		tell := func(what string, obj any) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprintf("%s %T %s", what, obj, obj.(client.Object).GetName()))
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(told)
			if !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			told = nil
		}
		for _, form := range []client.Object{m.DeepCopy(), &corev1.ConfigMap{}} {
			inf, err := c.GetInformer(t.Context(), form)
			if err != nil {
				t.Fatal(err)
			}
			_, err = inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
				AddFunc:    func(obj any) { tell("add", obj) },
				UpdateFunc: func(_, obj any) { tell("update", obj) },
				DeleteFunc: func(obj any) { tell("delete", obj) },
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		expect("add *v1.ConfigMap a", "add *v1.ConfigMap b", "add *v1.PartialObjectMetadata a", "add *v1.PartialObjectMetadata b")
		s.Requests()
		read := func(name string, out client.Object) {
			t.Helper()
			if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, out); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"a", "b", "a"} {
			want := &unstructured.Unstructured{}
			if err := want.UnmarshalJSON(s.JSON(name)); err != nil {
				t.Fatal(err)
			}
			read(name, u)
			if !reflect.DeepEqual(u.Object, want.Object) {
				t.Errorf("%s is\n%v\nnot\n%v", name, u.Object, want.Object)
			}
			var cm corev1.ConfigMap
			if read(name, &cm); cm.Data["value"] != "1" {
				t.Errorf("%s is %v", name, cm)
			}
		}
		if asked := s.Requests(); len(asked) == 0 || slices.ContainsFunc(asked, func(r string) bool { return r != "stream JSON" }) || len(asked) > 1 {
			t.Errorf("the requests were %q", asked)
		}
		expect()
		s.Put("a", "2", "yes")
		expect("update *v1.ConfigMap a", "update *v1.PartialObjectMetadata a")
	})
}
