package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
)

// answers are what a server answers with: how often, and how often with managedFields in it.
type answers struct {
	mu           sync.Mutex
	all, managed int
	statuses     map[int]bool
}

func (a *answers) observe(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.statuses[resp.StatusCode] = true
		if req.URL.Query().Get("watch") == "true" {
			return resp, nil
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		a.all++
		if bytes.Contains(body, []byte("f:metadata")) {
			a.managed++
		}
		return resp, err
	})
}

// Objects that are listed and watched without their managedFields have none, in whatever form they come, and are what a
// GET returns otherwise. The server takes it well to be asked for that, whether it knows how to leave them out or not.
func TestServerDropManagedFields(t *testing.T) {
	config := controlplane.Shared(t).Config()
	namespace, clients := newNamespace(t, config)
	installGadgets(t, config)
	dynamics, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	gadgets := dynamics.Resource(gadgetGVK.GroupVersion().WithResource("gadgets")).Namespace(namespace)
	create := func(name string) {
		t.Helper()
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"a": "b"}}, Data: map[string]string{"managedFields": "x"}}
		if _, err := clients.CoreV1().ConfigMaps(namespace).Create(t.Context(), cm, metav1.CreateOptions{FieldManager: "f:metadata"}); err != nil {
			t.Fatal(err)
		}
		gadget := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"managedFields": "x"}}}
		gadget.SetGroupVersionKind(gadgetGVK)
		gadget.SetName(name)
		if _, err := gadgets.Create(t.Context(), gadget, metav1.CreateOptions{FieldManager: "f:metadata"}); err != nil {
			t.Fatal(err)
		}
	}
	create("before")
	create("later")
	configMapGVK := corev1.SchemeGroupVersion.WithKind("ConfigMap")
	for name, test := range map[string]struct {
		gvk    schema.GroupVersionKind
		goType reflect.Type
	}{
		"protobuf":           {configMapGVK, reflect.TypeFor[*corev1.ConfigMap]()},
		"JSON":               {configMapGVK, reflect.TypeFor[*unstructured.Unstructured]()},
		"metadata":           {configMapGVK, reflect.TypeFor[*metav1.PartialObjectMetadata]()},
		"a custom resource":  {gadgetGVK, reflect.TypeFor[*unstructured.Unstructured]()},
		"metadata of custom": {gadgetGVK, reflect.TypeFor[*metav1.PartialObjectMetadata]()},
	} {
		resource := map[string]string{"ConfigMap": "configmaps", "Gadget": "gadgets"}[test.gvk.Kind]
		c, err := codec.NewOf(test.goType, codec.Options[any]{})
		if err != nil {
			t.Fatal(err)
		}
		drops, err := wire.NewKindOf(test.goType, test.gvk, c, wire.KindOptions[any]{DropManagedFields: true})
		if err != nil {
			t.Fatal(err)
		}
		keeps, err := wire.NewKindOf(test.goType, test.gvk, c, wire.KindOptions[any]{})
		if err != nil {
			t.Fatal(err)
		}
		list := func(kind *wire.Kind, config *rest.Config) map[string]any {
			t.Helper()
			l, err := newClient(t, config, kind).List(within(t), resource, namespace, metav1.ListOptions{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			found := map[string]any{}
			for _, o := range l.Items {
				found[o.Key()] = decoded(t, c, o)
			}
			return found
		}
		observed := &answers{statuses: map[int]bool{}}
		observing := rest.CopyConfig(config)
		observing.Wrap(observed.observe)
		want, got := list(keeps, config), list(drops, observing)
		managed := 0
		for _, obj := range want {
			managed += len(obj.(metav1.Object).GetManagedFields())
			drop(obj)
		}
		if managed < 2 || !equality.Semantic.DeepEqual(got, want) {
			t.Errorf("%s: listed %v\nnot %v", name, got, want)
		}
		for initial, opts := range map[string]metav1.ListOptions{
			"a watch":         {ResourceVersion: "0"},
			"a streamed list": {SendInitialEvents: new(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true},
		} {
			watched := watchAll(within(t), t, newClient(t, observing, drops), c, resource, namespace, opts, len(want))
			if !equality.Semantic.DeepEqual(watched, want) {
				t.Errorf("%s: %s brought %v\nnot %v", name, initial, watched, want)
			}
		}
		if len(observed.statuses) != 1 || !observed.statuses[http.StatusOK] {
			t.Errorf("%s: the server answered with %v", name, observed.statuses)
		}
		t.Logf("%s: of %d lists the server sent %d with managedFields", name, observed.all, observed.managed)
	}
}

// decoded returns what an object is, which must have no managedFields if its kind drops them.
func decoded(t *testing.T, c *codec.Codec[any], o *wire.Object) any {
	t.Helper()
	obj, err := wire.Decode(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// watchAll returns the first n objects of a watch.
func watchAll(ctx context.Context, t *testing.T, client *wire.Client, c *codec.Codec[any], resource, namespace string, opts metav1.ListOptions, n int) map[string]any {
	t.Helper()
	w, err := client.Watch(ctx, resource, namespace, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	found := map[string]any{}
	for len(found) < n {
		select {
		case e, ok := <-w.ResultChan():
			if !ok || e.Type != watch.Added {
				t.Fatal(fmt.Sprint("the watch brought ", e))
			}
			o := e.Object.(*wire.Object)
			found[o.Key()] = decoded(t, c, o)
		case <-ctx.Done():
			t.Fatalf("the watch brought %d objects of %d", len(found), n)
		}
	}
	return found
}
