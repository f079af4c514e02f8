package informer_test

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/informer/informertest"
)

// promptly is how soon a cause is told that waiting does not cure.
const promptly = 10 * time.Second

// What the server refuses is told promptly and with its cause.
func TestServerRefuses(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	anonymous := rest.AnonymousClientConfig(c.config)
	anonymous.BearerToken = "nobody knows it"
	powerless := rest.CopyConfig(c.config)
	powerless.Impersonate.UserName = "powerless"

	for name, refused := range map[string]struct {
		config *rest.Config
		opts   informer.Options[*unstructured.Unstructured]
		cause  func(error) bool
	}{
		"401": {anonymous, informer.Options[*unstructured.Unstructured]{GVK: configMapGVK}, apierrors.IsUnauthorized},
		"403": {powerless, informer.Options[*unstructured.Unstructured]{GVK: configMapGVK}, apierrors.IsForbidden},
		"field": {
			c.config,
			informer.Options[*unstructured.Unstructured]{GVK: configMapGVK, FieldSelector: "data.value=1"},
			apierrors.IsBadRequest,
		},
		"no such kind": {
			c.config,
			informer.Options[*unstructured.Unstructured]{GVK: schema.GroupVersionKind{Version: "v1", Kind: "Nothing"}},
			meta.IsNoMatchError,
		},
		"no such group": {
			c.config,
			informer.Options[*unstructured.Unstructured]{GVK: schema.GroupVersionKind{Group: "nowhere.org", Version: "v1", Kind: "Nothing"}},
			meta.IsNoMatchError,
		},
		"cannot be listed": {
			c.config,
			informer.Options[*unstructured.Unstructured]{GVK: schema.GroupVersionKind{Group: "authorization.k8s.io", Version: "v1", Kind: "SubjectAccessReview"}},
			apierrors.IsMethodNotSupported,
		},
		"namespace of a cluster-scoped resource": {
			c.config,
			informer.Options[*unstructured.Unstructured]{GVK: schema.GroupVersionKind{Version: "v1", Kind: "Node"}, Namespace: "default"},
			func(err error) bool { return errors.Is(err, informer.ErrInvalidOption) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inf, _ := run(t, refused.config, refused.opts)
			err := inf.WaitSynced(within(t, promptly))
			if _, ok := errors.AsType[*informer.SyncError](err); !ok || !refused.cause(err) {
				t.Errorf("WaitSynced: %v", err)
			}
		})
	}
}

// A permission that is given later lets the informer go on by itself.
func TestServerGrants(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx := within(t, patience)
	config := rest.CopyConfig(c.config)
	config.Impersonate.UserName = "beginner"
	inf, _ := run(t, config, informer.Options[*corev1.ConfigMap]{Namespace: c.namespace})
	if err := inf.WaitSynced(ctx); !apierrors.IsForbidden(err) {
		t.Errorf("WaitSynced: %v", err)
	}
	role, binding := reader(c.namespace, "beginner")
	if _, err := c.clients.RbacV1().Roles(c.namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.clients.RbacV1().RoleBindings(c.namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-inf.Synced():
	case <-ctx.Done():
		t.Errorf("it does not sync: %v", inf.Err())
	}
}

// reader returns what lets a user read ConfigMaps of a namespace.
func reader(namespace, user string) (*rbacv1.Role, *rbacv1.RoleBinding) {
	at := metav1.ObjectMeta{Namespace: namespace, Name: "reader"}
	role := &rbacv1.Role{ObjectMeta: at, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"}},
	}}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: at,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: at.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	return role, binding
}

// A CustomResourceDefinition may come after the informers, whatever their form,
// and however they find resources; and may go and come again.
func TestServerLateCRD(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx := within(t, 2*patience)

	discoveryClient, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discoveryClient))
	typed, _ := run(t, c.config, informer.Options[*widget]{Scheme: widgetScheme()})
	untyped, _ := run(t, c.config, informer.Options[*unstructured.Unstructured]{GVK: widgetGVK, Mapper: mapper})
	metadata, _ := run(t, c.config, informer.Options[*metav1.PartialObjectMetadata]{GVK: widgetGVK, Namespace: c.namespace})
	for name, waitSynced := range map[string]func() error{
		"typed":    func() error { return typed.WaitSynced(ctx) },
		"untyped":  func() error { return untyped.WaitSynced(ctx) },
		"metadata": func() error { return metadata.WaitSynced(ctx) },
	} {
		if err := waitSynced(); !meta.IsNoMatchError(err) {
			t.Errorf("%s: WaitSynced: %v", name, err)
		}
	}

	dynamicClient, err := dynamic.NewForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	widgets := dynamicClient.Resource(widgetGVK.GroupVersion().WithResource("widgets")).Namespace(c.namespace)
	for _, name := range []string{"first", "second"} {
		crds := envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{widgetCRD()}}
		if _, err := envtest.InstallCRDs(c.config, crds); err != nil {
			t.Fatal(err)
		}
		if _, err := widgets.Create(ctx, newWidget(name), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, synced := range []<-chan struct{}{typed.Synced(), untyped.Synced(), metadata.Synced()} {
			select {
			case <-synced:
			case <-ctx.Done():
				t.Fatalf("not synced: %v, %v, %v", typed.Err(), untyped.Err(), metadata.Err())
			}
		}
		obj := informertest.WaitKey(ctx, t, typed, c.namespace, name, "exists", nil)
		if obj.Spec.Size != 3 {
			t.Errorf("typed: got %v", obj)
		}
		informertest.WaitKey(ctx, t, untyped, c.namespace, name, "exists", nil)
		informertest.WaitKey(ctx, t, metadata, c.namespace, name, "exists", nil)

		if err := envtest.UninstallCRDs(c.config, crds); err != nil {
			t.Fatal(err)
		}
		informertest.WaitGone(ctx, t, typed, c.namespace, name)
		informertest.WaitGone(ctx, t, untyped, c.namespace, name)
		informertest.WaitGone(ctx, t, metadata, c.namespace, name)
	}
}

var widgetGVK = schema.GroupVersionKind{Group: "informer.larder.dev", Version: "v1", Kind: "Widget"}

// widget is the Go type of a custom resource.
type widget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Size int `json:"size"`
	} `json:"spec"`
}

func (w *widget) DeepCopyObject() runtime.Object {
	c := *w
	w.DeepCopyInto(&c.ObjectMeta)
	return &c
}

type widgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []widget `json:"items"`
}

func (l *widgetList) DeepCopyObject() runtime.Object {
	c := *l
	c.Items = nil
	for i := range l.Items {
		c.Items = append(c.Items, *l.Items[i].DeepCopyObject().(*widget))
	}
	return &c
}

func widgetScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypeWithName(widgetGVK, &widget{})
	scheme.AddKnownTypeWithName(widgetGVK.GroupVersion().WithKind("WidgetList"), &widgetList{})
	metav1.AddToGroupVersion(scheme, widgetGVK.GroupVersion())
	return scheme
}

func newWidget(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": widgetGVK.GroupVersion().String(),
		"kind":       widgetGVK.Kind,
		"metadata":   map[string]any{"name": name},
		"spec":       map[string]any{"size": int64(3)},
	}}
}

func widgetCRD() *apiextensionsv1.CustomResourceDefinition {
	preserve := true
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets." + widgetGVK.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: widgetGVK.Group,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Scope: apiextensionsv1.NamespaceScoped,
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: &preserve,
				}},
			}},
		},
	}
}
