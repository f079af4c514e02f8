package apitest

import (
	_ "embed"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// Kinds returns the resources that a server can list, watch and get, in all versions, by
// kind.
func Kinds(t testing.TB, config *rest.Config) map[schema.GroupVersionKind]metav1.APIResource {
	t.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	_, lists, err := client.ServerGroupsAndResourcesWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[schema.GroupVersionKind]metav1.APIResource{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") && slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "watch") && slices.Contains(r.Verbs, "get") {
				found[gv.WithKind(r.Kind)] = r
			}
		}
	}
	return found
}

//go:embed testdata/objects.yaml
var objects string

// CreateAll creates an object of as many kinds as a server without controllers takes, unless
// it is there, in a namespace where the kind has any.
func CreateAll(t testing.TB, config *rest.Config, namespace string, known map[schema.GroupVersionKind]metav1.APIResource) {
	t.Helper()
	clients, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(strings.ReplaceAll(objects, "NAMESPACE", namespace), "\n---\n") {
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &obj.Object); err != nil {
			t.Fatal(err)
		}
		r, ok := known[obj.GroupVersionKind()]
		if !ok {
			t.Fatalf("the server has no %v", obj.GroupVersionKind())
		}
		var client dynamic.ResourceInterface = clients.Resource(obj.GroupVersionKind().GroupVersion().WithResource(r.Name))
		if r.Namespaced {
			client = client.(dynamic.NamespaceableResourceInterface).Namespace(namespace)
		}
		if _, err := client.Create(t.Context(), obj, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatalf("create %v: %v", obj.GroupVersionKind(), err)
		}
	}
}
