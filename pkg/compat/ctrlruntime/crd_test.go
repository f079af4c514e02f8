package ctrlruntime_test

import (
	"context"
	"errors"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

const (
	jarVersion = "test.larder.dev/v1"
	jarKind    = "Jar"
)

// jars returns the definition of a kind. Each call is for one installation.
func jars() envtest.CRDInstallOptions {
	return envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{{
		ObjectMeta: metav1.ObjectMeta{Name: "jars.test.larder.dev"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "test.larder.dev",
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "jars", Singular: "jar", Kind: jarKind, ListKind: "JarList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"}},
			}},
		},
	}}}
}

func newJar(name, namespace string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(jarVersion)
	u.SetKind(jarKind)
	u.SetName(name)
	u.SetNamespace(namespace)
	return u
}

// A kind may come, go and come back under a running cache. While it is not there, reads
// say so, also if it was there before, and the cache is not ready; when it is they work,
// and the handlers go on.
func TestDefinitionComesAndGoes(t *testing.T) {
	b := newBed(t)
	ctx := b.Context()
	gone := make(chan struct{}, 100)
	c := b.cache(cache.Options{DefaultWatchErrorHandler: func(_ context.Context, _ *toolscache.Reflector, err error) {
		if apierrors.IsNotFound(err) {
			gone <- struct{}{}
		}
	}})
	list := func() ([]unstructured.Unstructured, error) {
		l := &unstructured.UnstructuredList{}
		l.SetAPIVersion(jarVersion)
		l.SetKind("JarList")
		err := c.List(ctx, l)
		return l.Items, err
	}
	events := make(chan string, 100)
	for i, name := range []string{"a", "b"} {
		items, err := list()
		problem := &informer.SyncError{}
		if i == 0 && !meta.IsNoMatchError(err) || i > 0 && (!errors.As(err, &problem) || !apierrors.IsNotFound(err)) {
			t.Fatalf("without a definition: %v, %v", items, err)
		}
		if i > 0 && ctrlruntime.Readyz(c)(nil) == nil {
			t.Error("the cache is ready without a definition")
		}
		_, err = envtest.InstallCRDs(b.config, jars())
		b.must(err)
		for items, err = list(); err != nil; items, err = list() {
			if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
		if len(items) != 0 {
			t.Errorf("a new kind has %v", items)
		}
		if i == 0 {
			inf, err := c.GetInformer(ctx, newJar("", ""))
			b.must(err)
			_, err = inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
				AddFunc:    func(obj any) { events <- "add " + obj.(client.Object).GetName() },
				DeleteFunc: func(obj any) { events <- "delete " + obj.(client.Object).GetName() },
			})
			b.must(err)
		}
		b.must(b.client.Create(ctx, newJar(name, b.namespace)))
		if got := <-events; got != "add "+name {
			t.Errorf("the event was %s", got)
		}
		b.must(ctrlruntime.Readyz(c)(nil))
		if items, err = list(); err != nil || len(items) != 1 || items[0].GetName() != name {
			t.Errorf("listed %v, %v", items, err)
		}
		b.must(envtest.UninstallCRDs(b.config, jars()))
		if got := <-events; got != "delete "+name {
			t.Errorf("the event was %s", got)
		}
		<-gone
	}
}
