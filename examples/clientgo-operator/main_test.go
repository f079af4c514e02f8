package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/larder-dev/larder/examples/clientgo-operator/greeting"
	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(controlplane.Main(m)) }

// The operator does its work with client-go's informers and with larder's.
func TestOperator(t *testing.T) {
	config := controlplane.Shared(t).Config()
	if _, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{Paths: []string{"crd.yaml"}, ErrorIfPathMissing: true}); err != nil {
		t.Fatal(err)
	}
	defer func(before greeting.Constructor) { greeting.NewInformer = before }(greeting.NewInformer)
	for name, construct := range map[string]greeting.Constructor{
		"client-go": cache.NewSharedIndexInformer,
		"larder":    clientgo.NewSharedIndexInformer,
		"larder, packed": func(lw cache.ListerWatcher, example runtime.Object, resync time.Duration, indexers cache.Indexers) cache.SharedIndexInformer {
			inf, err := clientgo.Options{Budget: informer.AllPacked}.NewSharedIndexInformer(lw, example, resync, indexers)
			if err != nil {
				t.Fatal(err)
			}
			return inf
		},
	} {
		t.Run(name, func(t *testing.T) {
			greeting.NewInformer = construct
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- run(ctx, config, 2) }()
			defer func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			kube, err := kubernetes.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			client, err := greeting.NewClient(config)
			if err != nil {
				t.Fatal(err)
			}
			suite(t, kube, client)
		})
	}
}

// suite is what an operator's own tests would be.
func suite(t *testing.T, kube kubernetes.Interface, client *greeting.Client) {
	ctx := t.Context()
	namespace, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	greetings, configMaps := client.Greetings(namespace.Name), kube.CoreV1().ConfigMaps(namespace.Name)
	create := func(name string) *greeting.Greeting {
		t.Helper()
		g, err := greetings.Create(ctx, &greeting.Greeting{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: greeting.Spec{Name: "world"},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	eventually := func(what string, met func(ctx context.Context) (bool, error)) {
		t.Helper()
		if err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, met); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	greets := func(name, want string) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			cm, err := configMaps.Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			return err == nil && cm.Data["greeting"] == want, err
		}
	}

	g := create("a")
	eventually("the ConfigMap of a new Greeting", greets("a", "Hello, world!"))
	eventually("its status", func(ctx context.Context) (bool, error) {
		g, err = greetings.Get(ctx, "a", metav1.GetOptions{})
		return err == nil && g.Status == greeting.Status{ObservedGeneration: g.Generation}, err
	})

	g.Spec.Name = "moon"
	if _, err := greetings.Update(ctx, g, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually("the ConfigMap of a changed Greeting", greets("a", "Hello, moon!"))

	if err := configMaps.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually("a ConfigMap that was deleted", greets("a", "Hello, moon!"))

	if _, err := configMaps.Patch(ctx, "a", "application/merge-patch+json", []byte(`{"data":{"greeting":"Bye"}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually("a ConfigMap that was changed", greets("a", "Hello, moon!"))

	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Data: map[string]string{"greeting": "mine"}}
	if _, err := configMaps.Create(ctx, foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	create("b")
	eventually("the status of a Greeting whose ConfigMap is taken", func(ctx context.Context) (bool, error) {
		g, err := greetings.Get(ctx, "b", metav1.GetOptions{})
		return err == nil && strings.Contains(g.Status.Problem, "somebody else's"), err
	})
	if cm, err := configMaps.Get(ctx, "b", metav1.GetOptions{}); err != nil || cm.Data["greeting"] != "mine" {
		t.Errorf("the ConfigMap that was taken: %v, %v", cm, err)
	}
}
