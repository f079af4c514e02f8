package wire_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
)

// patience is how long the integration tests wait for what must come.
const patience = time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// newNamespace makes a namespace of one test's own.
func newNamespace(t *testing.T, config *rest.Config) (string, *kubernetes.Clientset) {
	t.Helper()
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := clients.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "wire-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Name, clients
}

func newClient(t *testing.T, config *rest.Config, kind *wire.Kind) *wire.Client {
	t.Helper()
	client, err := wire.NewClient(config, nil, kind)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Every object of every kind that the server serves, listed and watched, is what a GET of the moment returns.
func TestServerKinds(t *testing.T) {
	config := controlplane.Shared(t).Config()
	namespace, _ := newNamespace(t, config)
	known := apitest.Kinds(t, config)
	apitest.CreateAll(t, config, namespace, known)
	types := builtIns()
	typed, kindsWithObjects := 0, 0
	for gvk, r := range known {
		goType, ok := types[gvk]
		if ok {
			typed++
		}
		if n := readKind(t, config, gvk, r, goType); n > 0 {
			kindsWithObjects++
		} else {
			t.Logf("no object of %v", gvk)
		}
	}
	t.Logf("%d kinds, %d of them typed, %d with objects", len(known), typed, kindsWithObjects)
	if typed < 50 || kindsWithObjects < 50 {
		t.Errorf("only %d typed kinds, %d with objects", typed, kindsWithObjects)
	}
}

// readKind compares the objects of a kind with what stock clients get, and returns how many there are. Without a Go
// type they are unstructured.
func readKind(t *testing.T, config *rest.Config, gvk schema.GroupVersionKind, r metav1.APIResource, goType reflect.Type) int {
	t.Helper()
	if goType == nil {
		goType = reflect.TypeFor[unstructured.Unstructured]()
	}
	kind, err := wire.BareKind(gvk, reflect.PointerTo(goType))
	if err != nil {
		t.Fatal(err)
	}
	client, get := newClient(t, config, kind), newGetter(t, config, gvk, r)
	list, err := client.List(within(t), r.Name, "", metav1.ListOptions{})
	if err != nil {
		t.Fatalf("%v: %v", gvk, err)
	}
	listed := map[string]*wire.Object{}
	for _, item := range list.Items {
		listed[item.Key()] = item
		got, want := reflect.New(goType).Interface().(runtime.Object), reflect.New(goType).Interface().(runtime.Object)
		if !get(within(t), item.GetNamespace(), item.GetName(), want) {
			continue // changed meanwhile, such as a lease of the server
		}
		if want.(metav1.Object).GetResourceVersion() != item.GetResourceVersion() {
			continue
		}
		decode(t, item, got)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v %s is %+v\nnot %+v", gvk, item.Key(), got, want)
		}
	}
	w, err := client.Watch(within(t), r.Name, "", metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		t.Fatalf("%v: %v", gvk, err)
	}
	defer w.Stop()
	for range list.Items {
		e, ok := <-w.ResultChan()
		if !ok || e.Type != watch.Added {
			t.Fatalf("%v: %v %v", gvk, e.Type, e.Object)
		}
		o := e.Object.(*wire.Object)
		if same := listed[o.Key()]; same != nil && same.GetResourceVersion() == o.GetResourceVersion() && !same.Equal(o) {
			t.Errorf("%v %s has other bytes in a watch than in a list", gvk, o.Key())
		}
	}
	return len(list.Items)
}

// decode unpacks an object into one of its type.
func decode(t *testing.T, o *wire.Object, into runtime.Object) {
	t.Helper()
	bytes, err := codec.Unpack(nil, o.Packed())
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := into.(*unstructured.Unstructured); ok {
		err = u.UnmarshalJSON(bytes)
	} else {
		err = into.(object).Unmarshal(bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newGetter returns what gets one object with client-go's own decoders, in the form that is compared.
func newGetter(t *testing.T, config *rest.Config, gvk schema.GroupVersionKind, r metav1.APIResource) func(ctx context.Context, namespace, name string, into runtime.Object) bool {
	t.Helper()
	known := runtime.NewScheme()
	if err := scheme.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	if err := apiextensionsv1.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	gv := gvk.GroupVersion()
	config = rest.CopyConfig(config)
	config.GroupVersion, config.APIPath = &gv, "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = serializer.NewCodecFactory(known).WithoutConversion()
	config.ContentType = runtime.ContentTypeProtobuf
	client, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	dynamics, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, namespace, name string, into runtime.Object) bool {
		t.Helper()
		var err error
		if u, ok := into.(*unstructured.Unstructured); ok {
			var got *unstructured.Unstructured
			if got, err = dynamics.Resource(gv.WithResource(r.Name)).Namespace(namespace).Get(ctx, name, metav1.GetOptions{}); err == nil {
				*u = *got
			}
		} else {
			err = client.Get().NamespaceIfScoped(namespace, namespace != "").Resource(r.Name).Name(name).Do(ctx).Into(into)
			into.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{}) // as the typed clients have it
		}
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		return err == nil
	}
}

var gadgetGVK = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Gadget"}

// installGadgets installs a custom resource with 50 fields.
func installGadgets(t *testing.T, config *rest.Config) {
	t.Helper()
	fields := map[string]apiextensionsv1.JSONSchemaProps{}
	for i := range 50 {
		fields[fmt.Sprintf("field%02d", i)] = []apiextensionsv1.JSONSchemaProps{
			{Type: "string"},
			{Type: "integer", Format: "int64"},
			{Type: "number"},
			{Type: "boolean"},
			{Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{Type: "string"}}},
		}[i%5]
	}
	preserve := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiextensionsv1.SchemeGroupVersion.String(), Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: "gadgets.example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: gadgetGVK.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gadgets", Singular: "gadget", Kind: "Gadget", ListKind: "Inventory"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
						"spec": {Type: "object", Properties: fields, XPreserveUnknownFields: &preserve},
					},
				}},
			}},
		},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		t.Fatal(err)
	}
	clients, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	definitions := clients.Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	if _, err := definitions.Create(t.Context(), &unstructured.Unstructured{Object: content}, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		_, err := clients.Resource(gadgetGVK.GroupVersion().WithResource("gadgets")).List(ctx, metav1.ListOptions{})
		return err == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// randomGadget returns a gadget with anything in its 50 fields.
func randomGadget(random *rand.Rand, name string) *unstructured.Unstructured {
	spec := map[string]any{"unknown": map[string]any{"<&>\u2028": []any{nil, int64(1), 1.5, map[string]any{}}}}
	for i := range 50 {
		text := fmt.Sprintf("text \"%d\" \\ é <&> \u2028", random.Uint32())
		spec[fmt.Sprintf("field%02d", i)] = []any{text, random.Int64(), random.Float64() * 1e6, random.IntN(2) == 0, []any{text, ""}}[i%5]
	}
	obj := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	obj.SetGroupVersionKind(gadgetGVK)
	obj.SetName(name)
	obj.SetLabels(map[string]string{"gadget": name})
	return obj
}

// A custom resource with 50 fields, of which the server has JSON only, comes back as it is from lists and watches, and
// so does its metadata alone, which the server has as protobuf.
func TestServerCustomResource(t *testing.T) {
	config := controlplane.Shared(t).Config()
	namespace, _ := newNamespace(t, config)
	installGadgets(t, config)
	seed := newSeed(t)
	random := rand.New(rand.NewPCG(seed, 2))
	clients, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	gadgets := clients.Resource(gadgetGVK.GroupVersion().WithResource("gadgets")).Namespace(namespace)
	want := map[string]*unstructured.Unstructured{}
	for i := range 30 {
		created, err := gadgets.Create(t.Context(), randomGadget(random, fmt.Sprintf("g%d", i)), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want[created.GetName()] = created
	}
	kind, c := newKind(t, gadgetGVK, wire.KindOptions[*unstructured.Unstructured]{Fields: []wire.Field{{"spec", "field00"}}})
	client := newClient(t, config, kind)
	list, err := client.List(within(t), "gadgets", namespace, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != len(want) || list.Kind != "Inventory" {
		t.Fatalf("%d objects in %v", len(list.Items), list.TypeMeta)
	}
	compare := func(o *wire.Object) {
		t.Helper()
		got, err := wire.Decode(c, o)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want[o.GetName()]) {
			t.Errorf("got  %v\nwant %v", got, want[o.GetName()])
		}
		text, _, _ := unstructured.NestedString(got.Object, "spec", "field00")
		if values := slices.Collect(o.Values(0)); !slices.Equal(values, []string{text}) {
			t.Errorf("scanned %q, not %q", values, text)
		}
	}
	listed := map[string]*wire.Object{}
	for _, o := range list.Items {
		listed[o.Key()] = o
		compare(o)
	}
	w, err := client.Watch(within(t), "gadgets", namespace, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for range want {
		o := (<-w.ResultChan()).Object.(*wire.Object)
		compare(o)
		if !o.Equal(listed[o.Key()]) {
			t.Errorf("%v has other bytes in a watch than in a list", o)
		}
	}
	partial, cp := newKind(t, gadgetGVK, wire.KindOptions[*metav1.PartialObjectMetadata]{})
	pages, err := newClient(t, config, partial).List(within(t), "gadgets", namespace, metav1.ListOptions{Limit: 7})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages.Items) != 7 || pages.Continue == "" {
		t.Errorf("a page of %d, then %q", len(pages.Items), pages.Continue)
	}
	for _, o := range pages.Items {
		got, err := wire.Decode(cp, o)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(wire.MetadataOf(got), wire.MetadataOf(want[o.GetName()])) {
			t.Errorf("got  %v\nwant %v", got, want[o.GetName()])
		}
	}
}

// Errors of the server are the ones that client-go's clients return.
func TestServerErrors(t *testing.T) {
	config := controlplane.Shared(t).Config()
	kind, _ := newKind(t, podGVK, wire.KindOptions[*corev1.Pod]{})
	client := newClient(t, config, kind)
	if _, err := client.List(within(t), "nosuch", "", metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a list of what is not there: %v", err)
	}
	if _, err := client.Watch(within(t), "nosuch", "", metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a watch of what is not there: %v", err)
	}
	if _, err := client.List(within(t), "pods", "", metav1.ListOptions{Continue: "x"}); !apierrors.IsBadRequest(err) {
		t.Errorf("a wrong page: %v", err)
	}
	anonymous := rest.AnonymousClientConfig(config)
	if _, err := newClient(t, anonymous, kind).List(within(t), "pods", "", metav1.ListOptions{}); !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		t.Errorf("anonymous: %v", err)
	}
	nodes, _ := newKind(t, corev1.SchemeGroupVersion.WithKind("Node"), wire.KindOptions[*corev1.Node]{})
	w, err := newClient(t, config, nodes).Watch(within(t), "namespaces", "", metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if e := <-w.ResultChan(); e.Type != watch.Error || !strings.Contains(apierrors.FromObject(e.Object).Error(), "malformed Node") {
		t.Errorf("a watch of another kind: %v", e)
	}
}
