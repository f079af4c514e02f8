package ctrlruntime_test

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(controlplane.Main(m)) }

// bed is a real kube-apiserver with a namespace of one test's own.
type bed struct {
	*testing.T
	config    *rest.Config
	client    client.Client // without a cache
	namespace string
}

func newBed(t *testing.T) *bed {
	t.Helper()
	config := controlplane.Shared(t).Config()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{T: t, config: config, client: c}
	b.namespace = b.newNamespace()
	return b
}

func (b *bed) newNamespace() string {
	b.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "ctrlruntime-"}}
	b.must(b.client.Create(b.Context(), ns))
	return ns.Name
}

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// create creates a ConfigMap in the bed's namespace.
func (b *bed) create(name string, labels map[string]string, data ...string) *corev1.ConfigMap {
	b.Helper()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: name, Labels: labels}, Data: map[string]string{}}
	for i := 0; i+1 < len(data); i += 2 {
		cm.Data[data[i]] = data[i+1]
	}
	b.must(b.client.Create(b.Context(), cm))
	return cm
}

// cache makes a cache of the bed's namespace and runs it until the end of the test.
func (b *bed) cache(opts cache.Options) *ctrlruntime.Cache {
	b.Helper()
	return b.cacheOf(b.config, opts)
}

// cacheOf is cache with a configuration of its own.
func (b *bed) cacheOf(config *rest.Config, opts cache.Options) *ctrlruntime.Cache {
	b.Helper()
	if opts.DefaultNamespaces == nil {
		opts.DefaultNamespaces = map[string]cache.Config{b.namespace: {}}
	}
	c, err := ctrlruntime.NewCache(config, opts)
	b.must(err)
	b.run(c.Start)
	if !c.WaitForCacheSync(b.Context()) {
		b.Fatal("the cache does not start")
	}
	return c.(*ctrlruntime.Cache)
}

// run runs something until the end of the test.
func (b *bed) run(what func(context.Context) error) { b.Cleanup(b.running(what)) }

// running runs something until stop is called.
func (b *bed) running(what func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := what(ctx); err != nil {
			b.Error(err)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// grant lets a user read the ConfigMaps of the bed's namespace.
func (b *bed) grant(user string) {
	b.Helper()
	m := metav1.ObjectMeta{Namespace: b.namespace, Name: "reader"}
	b.must(b.client.Create(b.Context(), &rbacv1.Role{ObjectMeta: m, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"}},
	}}))
	b.must(b.client.Create(b.Context(), &rbacv1.RoleBinding{
		ObjectMeta: m,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}))
}

// onAdd is an event handler for what is there and what comes.
func onAdd(what func(obj any)) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{AddFunc: what}
}
