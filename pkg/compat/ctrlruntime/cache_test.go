package ctrlruntime_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

var (
	_ cache.NewCacheFunc = ctrlruntime.NewCache
	_                    = cache.Options{NewInformer: ctrlruntime.NewInformer}
	_                    = controller.Options{NewQueue: ctrlruntime.NewQueue[reconcile.Request]}
)

func dataA(o client.Object) []string { return []string{o.(*corev1.ConfigMap).Data["a"]} }
func dataB(o client.Object) []string { return []string{o.(*corev1.ConfigMap).Data["b"]} }

func names(list *corev1.ConfigMapList) (names []string) {
	for i := range list.Items {
		if list.Items[i].Name != "kube-root-ca.crt" {
			names = append(names, list.Items[i].Name)
		}
	}
	return names
}

// A list is sorted, is what labels and several fields select, and page by page it is
// the whole.
func TestList(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"d", "b", "e", "a", "c"} {
		b.create(name, map[string]string{"on": "yes", "name": name}, "a", "1", "b", map[bool]string{true: "x", false: "y"}[name < "c"])
	}
	c := b.cache(cache.Options{})
	ctx := b.Context()
	b.must(c.IndexField(ctx, &corev1.ConfigMap{}, "a", dataA))
	b.must(c.IndexField(ctx, &corev1.ConfigMap{}, "a", dataA)) // once more
	b.must(c.IndexField(ctx, &corev1.ConfigMap{}, "b", dataB))
	if err := c.IndexField(ctx, &corev1.ConfigMap{}, "a", dataB); !errors.Is(err, ctrlruntime.ErrIndexConflict) {
		t.Errorf("another function for the same field: %v", err)
	}
	selector := func(s string) client.ListOption {
		parsed, err := labels.Parse(s)
		b.must(err)
		return client.MatchingLabelsSelector{Selector: parsed}
	}
	for _, tc := range []struct {
		opts []client.ListOption
		want string
	}{
		{[]client.ListOption{client.MatchingLabels{"on": "yes"}}, "a b c d e"},
		{[]client.ListOption{client.MatchingFields{"a": "1", "b": "x"}}, "a b"},
		{[]client.ListOption{client.MatchingFields{"a": "1", "b": "x"}, selector("name!=a,on")}, "b"},
		{[]client.ListOption{selector("name in (a,e),!off")}, "a e"},
		{[]client.ListOption{client.MatchingFields{"metadata.name": "c"}, client.InNamespace(b.namespace)}, "c"},
		{[]client.ListOption{client.MatchingFields{"a": "2"}}, ""},
	} {
		var list corev1.ConfigMapList
		b.must(c.List(ctx, &list, tc.opts...))
		if got := strings.Join(names(&list), " "); got != tc.want {
			t.Errorf("%v: got %q, want %q", tc.opts, got, tc.want)
		}
		if list.ResourceVersion == "" || list.Continue != "" {
			t.Errorf("resourceVersion %q, continue %q", list.ResourceVersion, list.Continue)
		}
	}

	var all []string
	token := ""
	for {
		var list corev1.ConfigMapList
		b.must(c.List(ctx, &list, client.MatchingLabels{"on": "yes"}, client.Limit(2), client.Continue(token)))
		all = append(all, names(&list)...)
		if token = list.Continue; token == "" {
			break
		}
		if *list.RemainingItemCount != int64(5-len(all)) {
			t.Errorf("%d remain after %v", *list.RemainingItemCount, all)
		}
	}
	if !slices.Equal(all, []string{"a", "b", "c", "d", "e"}) {
		t.Errorf("page by page: %v", all)
	}
	var list corev1.ConfigMapList
	if err := c.List(ctx, &list, client.Continue("token")); !apierrors.IsBadRequest(err) {
		t.Errorf("a token of somebody else's: %v", err)
	}
	if err := c.List(ctx, &list, client.MatchingFields{"c": "1"}); !errors.Is(err, ctrlruntime.ErrIndexNotFound) {
		t.Errorf("a field without an index: %v", err)
	}
}

// Reads in every form are of one store, and each has all that its form can hold.
func TestForms(t *testing.T) {
	b := newBed(t)
	b.create("a", map[string]string{"x": "y"}, "a", "1")
	c := b.cache(cache.Options{})
	ctx, key := b.Context(), client.ObjectKey{Namespace: b.namespace, Name: "a"}
	gvk := corev1.SchemeGroupVersion.WithKind("ConfigMap")
	for range 2 {
		m := &metav1.PartialObjectMetadata{}
		m.SetGroupVersionKind(gvk)
		b.must(c.Get(ctx, key, m))
		if m.Labels["x"] != "y" || m.GroupVersionKind() != gvk {
			t.Errorf("metadata: %v", m)
		}
		m.Labels["x"] = "mine" // a copy
		var cm corev1.ConfigMap
		b.must(c.Get(ctx, key, &cm))
		if cm.Data["a"] != "1" || cm.Labels["x"] != "y" || cm.GroupVersionKind() != gvk {
			t.Errorf("typed: %v", cm)
		}
		cm.Data["a"] = "mine"
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(gvk)
		b.must(c.Get(ctx, key, u))
		if v, _, _ := unstructured.NestedString(u.Object, "data", "a"); v != "1" {
			t.Errorf("unstructured: %v", u)
		}
	}
}

// What the settings leave out is not there, and what is not known is an error.
func TestErrors(t *testing.T) {
	b := newBed(t)
	c := b.cache(cache.Options{ReaderFailOnMissingInformer: true})
	var cm corev1.ConfigMap
	missing := &cache.ErrResourceNotCached{}
	if err := c.Get(b.Context(), client.ObjectKey{Namespace: b.namespace, Name: "a"}, &cm); !errors.As(err, &missing) {
		t.Errorf("a kind without an informer: %v", err)
	}
	if _, err := c.GetInformer(b.Context(), &cm); err != nil {
		t.Error(err)
	}
	done, cancel := context.WithCancel(b.Context())
	cancel()
	if _, err := c.GetInformer(done, &corev1.Secret{}); !apierrors.IsTimeout(err) {
		t.Errorf("no time to wait for an informer: %v", err)
	}
	if _, err := c.GetInformer(done, &corev1.Service{}, cache.BlockUntilSynced(false)); err != nil {
		t.Errorf("no need to wait for an informer: %v", err)
	}
	if err := b.cache(cache.Options{}).List(done, &corev1.ConfigMapList{}); !apierrors.IsTimeout(err) {
		t.Errorf("no time to wait for a list: %v", err)
	}
	if err := c.Get(b.Context(), client.ObjectKey{Namespace: b.namespace, Name: "a"}, &cm); !apierrors.IsNotFound(err) {
		t.Errorf("an object that is not there: %v", err)
	}
	if err := c.Get(b.Context(), client.ObjectKey{Namespace: "other", Name: "a"}, &cm); !errors.Is(err, ctrlruntime.ErrNamespaceNotCached) {
		t.Errorf("another namespace: %v", err)
	}
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("nowhere.dev/v1")
	u.SetKind("Nothing")
	if _, err := c.GetInformer(b.Context(), u); !meta.IsNoMatchError(err) {
		t.Errorf("a kind that does not exist: %v", err)
	}
	if err := c.Start(b.Context()); !errors.Is(err, ctrlruntime.ErrStarted) {
		t.Errorf("the second start: %v", err)
	}
	if ctrlruntime.Readyz(nil)(nil) == nil {
		t.Error("a cache of somebody else's is ready")
	}
}

// A read that is not permitted fails with the cause, the cache is not ready, and both
// are well again when the credentials are.
func TestForbidden(t *testing.T) {
	b := newBed(t)
	config := rest.CopyConfig(b.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: b.namespace}
	c, err := ctrlruntime.NewCache(config, cache.Options{DefaultNamespaces: map[string]cache.Config{b.namespace: {}}})
	b.must(err)
	b.run(c.Start)
	var list corev1.ConfigMapList
	err = c.List(b.Context(), &list)
	if _, ok := errors.AsType[*informer.SyncError](err); !ok || !apierrors.IsForbidden(err) {
		t.Fatalf("a list that is forbidden: %v", err)
	}
	if err := ctrlruntime.Readyz(c)(nil); !apierrors.IsForbidden(err) {
		t.Errorf("readyz: %v", err)
	}
	b.grant(b.namespace)
	for deadline := time.Now().Add(time.Minute); ; {
		if err = c.List(b.Context(), &list); err == nil || time.Now().After(deadline) {
			break
		}
	}
	b.must(err)
	b.create("a", nil)
	ready := make(chan error, 1)
	inf, err := c.GetInformer(b.Context(), &corev1.ConfigMap{})
	b.must(err)
	_, err = inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: func(obj any) {
		if obj.(*corev1.ConfigMap).Name == "a" {
			ready <- ctrlruntime.Readyz(c)(nil)
		}
	}})
	b.must(err)
	b.must(<-ready)
}

// The last event handler to go stops the watch, and a read starts it again.
func TestUsers(t *testing.T) {
	b := newBed(t)
	b.create("a", nil)
	config, wire := b.wired()
	c := b.cacheOf(config, cache.Options{})
	watches := func(n int) {
		wire.await(func() bool { return wire.watches["/api/v1/namespaces/"+b.namespace+"/configmaps"] == n })
	}
	ctx := b.Context()
	inf, err := c.GetInformer(ctx, &corev1.ConfigMap{})
	b.must(err)
	one, err := inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{})
	b.must(err)
	two, err := inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{})
	b.must(err)
	b.must(inf.RemoveEventHandler(one))
	b.must(inf.RemoveEventHandler(one)) // once more
	if inf.IsStopped() {
		t.Error("it was stopped under a user")
	}
	watches(1)
	other, err := c.GetInformer(ctx, &corev1.ConfigMap{})
	b.must(err)
	b.must(other.RemoveEventHandler(two))
	if !inf.IsStopped() {
		t.Error("it was not stopped after its last user")
	}
	watches(0)
	var cm corev1.ConfigMap
	b.must(c.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: "a"}, &cm))
	watches(1)
	_, err = inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{})
	b.must(err)
	if inf.IsStopped() {
		t.Error("it is stopped under a new user")
	}
	b.must(c.RemoveInformer(ctx, &corev1.ConfigMap{}))
	if !inf.IsStopped() {
		t.Error("it was not stopped when it was removed")
	}
	watches(0)
	if _, err := inf.AddEventHandler(toolscache.ResourceEventHandlerFuncs{}); !errors.Is(err, clientgo.ErrStopped) {
		t.Errorf("a handler for an informer that was removed: %v", err)
	}
}

// With a NewInformer in the options it is controller-runtime's own cache.
func TestForeignInformers(t *testing.T) {
	b := newBed(t)
	c, err := ctrlruntime.NewCache(b.config, cache.Options{NewInformer: toolscache.NewSharedIndexInformer})
	b.must(err)
	if _, ours := c.(*ctrlruntime.Cache); ours {
		t.Error("the cache has informers of its own")
	}
	if _, err := ctrlruntime.NewClient(b.config, client.Options{Cache: &client.CacheOptions{Reader: c}}); !errors.Is(err, ctrlruntime.ErrForeign) {
		t.Errorf("a client: %v", err)
	}
}
