package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/larder-dev/larder/examples/ctrlruntime-operator/api"
	"github.com/larder-dev/larder/examples/ctrlruntime-operator/controller"
	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(zap.New())
	goleak.VerifyTestMain(controlplane.Main(m))
}

// The operator does its work with controller-runtime's cache and with larder's.
func TestOperator(t *testing.T) {
	config := controlplane.Shared(t).Config()
	if _, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{Paths: []string{"crd.yaml"}, ErrorIfPathMissing: true}); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), api.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	for name, newCache := range map[string]cache.NewCacheFunc{
		"controller-runtime": cache.New,
		"larder":             ctrlruntime.NewCache,
		"larder, all packed": ctrlruntime.Options{Budget: informer.AllPacked}.NewCache,
		"larder, plain":      ctrlruntime.Options{Budget: informer.Plain}.NewCache,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- run(ctx, config, newCache) }()
			defer func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			suite(t, c)
		})
	}
}

// suite is what an operator's own tests would be.
func suite(t *testing.T, c client.Client) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-"}}
	must(c.Create(ctx, ns))
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: ns.Name, Name: name} }
	get := func(name string, obj client.Object) error {
		return c.Get(ctx, client.ObjectKey{Namespace: ns.Name, Name: name}, obj)
	}
	eventually := func(what string, met func() (bool, error)) {
		t.Helper()
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
			ok, err := met()
			return ok, client.IgnoreNotFound(err)
		})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	says := func(name, want string) func() (bool, error) {
		return func() (bool, error) {
			var cm corev1.ConfigMap
			err := get(name, &cm)
			return err == nil && cm.Data["text"] == want, err
		}
	}

	source := &corev1.ConfigMap{ObjectMeta: in("source"), Data: map[string]string{"text": "hello"}}
	must(c.Create(ctx, source))
	b := &api.Bulletin{ObjectMeta: in("b"), Spec: api.BulletinSpec{Source: "source"}}
	must(c.Create(ctx, b))
	eventually("a new Bulletin", says("b", "hello"))
	eventually("its status", func() (bool, error) {
		err := get("b", b)
		return b.Status.ObservedGeneration == b.Generation, err
	})

	source.Data["text"] = "news"
	must(c.Update(ctx, source))
	eventually("its source changes", says("b", "news")) // by Watches and the index

	must(c.Delete(ctx, &corev1.ConfigMap{ObjectMeta: in("b")}))
	eventually("its ConfigMap is deleted", says("b", "news")) // by Owns

	must(c.Create(ctx, &corev1.ConfigMap{ObjectMeta: in("other"), Data: map[string]string{"text": "other"}}))
	must(get("b", b))
	b.Spec.Source = "other"
	must(c.Update(ctx, b))
	eventually("its spec changes", says("b", "other"))

	must(c.Delete(ctx, b))
	eventually("its end", func() (bool, error) {
		err := get("b", b)
		return apierrors.IsNotFound(err), err
	})
	var cm corev1.ConfigMap
	must(get("other", &cm))
	if cm.Annotations[controller.Farewell] != "b" {
		t.Errorf("the finalizer did not run: %v", cm.Annotations)
	}
}
