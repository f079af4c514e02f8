package controller_test

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrl "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/controller"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/informer/informertest"
)

// greeter is a reconciler as they are written for controller-runtime: it knows
// nothing of larder. It puts a greeting into every ConfigMap that has none.
type greeter struct {
	client client.Client
}

func (g *greeter) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var cm corev1.ConfigMap
	if err := g.client.Get(ctx, req.NamespacedName, &cm); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if cm.Data["greeting"] != "" {
		return reconcile.Result{}, nil
	}
	log.FromContext(ctx).V(1).Info("Greeting")
	original := cm.DeepCopy()
	if cm.Data == nil {
		cm.Data = make(map[string]string)
	}
	cm.Data["greeting"] = "hello " + cm.Name
	return reconcile.Result{}, g.client.Patch(ctx, &cm, client.MergeFrom(original))
}

// newManager returns a manager that serves nothing and has its lease in a namespace.
func newManager(t *testing.T, cfg *rest.Config, namespace string) manager.Manager {
	t.Helper()
	mgr, err := manager.New(cfg, manager.Options{
		Logger:                        (&logLines{}).logger(),
		Metrics:                       server.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "test",
		LeaderElectionNamespace:       namespace,
		LeaderElectionReleaseOnCancel: true,
		// Reads of the test and the reconciler go to the server.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.ConfigMap{}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return mgr
}

func newNamespace(t *testing.T, c client.Client) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "controller-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func newInformer(t *testing.T, cfg *rest.Config, namespace string) *informer.Informer[*corev1.ConfigMap] {
	t.Helper()
	inf, err := informer.New(cfg, informer.Options[*corev1.ConfigMap]{Namespace: namespace, Logger: (&logLines{}).logger()})
	if err != nil {
		t.Fatal(err)
	}
	return inf
}

// awaitGreeting waits until the informer sees that a ConfigMap is greeted.
func awaitGreeting(t *testing.T, inf *informer.Informer[*corev1.ConfigMap], namespace, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	informertest.WaitKey(ctx, t, inf, namespace, name, "is greeted", func(cm *corev1.ConfigMap) bool {
		return cm.Data["greeting"] == "hello "+name
	})
}

// A manager of controller-runtime runs an informer and two controllers with one
// reconciler, which was written for controller-runtime: one controller is ours, the
// other controller-runtime's own, fed by our source. They share the metrics'
// collectors.
func TestInsideManager(t *testing.T) {
	cfg := controlplane.Shared(t).Config()
	direct, err := client.New(cfg, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := newNamespace(t, direct), newNamespace(t, direct)
	mgr := newManager(t, cfg, ours)
	lines := &logLines{}

	ourInformer, theirInformer := newInformer(t, cfg, ours), newInformer(t, cfg, theirs)
	c := mustNew(t, controller.Options[reconcile.Request]{
		Name:       "greeter",
		Reconciler: &greeter{client: mgr.GetClient()},
		Sources:    []controller.Source[reconcile.Request]{controller.From(ourInformer, controller.EnqueueObject)},
		Workers:    2,
		Logger:     lines.logger(),
	})
	foreign, err := ctrl.New("foreign-greeter", mgr, ctrl.Options{
		Reconciler:         &greeter{client: mgr.GetClient()},
		SkipNameValidation: new(true), // it holds for the process, and the test may be run again
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := foreign.Watch(controller.From(theirInformer, controller.EnqueueObject)); err != nil {
		t.Fatal(err)
	}
	for _, r := range []manager.Runnable{ourInformer, theirInformer, c} {
		if err := mgr.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, ns := range []string{ours, theirs} {
		if err := direct.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "early"}}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- mgr.Start(ctx) }()
	awaitGreeting(t, ourInformer, ours, "early")
	awaitGreeting(t, theirInformer, theirs, "early")
	for _, ns := range []string{ours, theirs} {
		if err := direct.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "late"}}); err != nil {
			t.Fatal(err)
		}
	}
	awaitGreeting(t, ourInformer, ours, "late")
	awaitGreeting(t, theirInformer, theirs, "late")
	cancel()
	if err := <-result; err != nil {
		t.Errorf("the manager returned %v", err)
	}
	lines.expect(t, 1, `"msg"="Greeting"`, `"controller"="greeter"`, `"namespace"="`+ours, `"name"="late"`, `"reconcileID"=`)
	totals := counts(t, ctrlmetrics.Registry, "_reconcile_total", "controller")
	if totals["greeter"] < 2 || totals["foreign-greeter"] < 2 {
		t.Errorf("the totals of calls are %v", totals)
	}
}

// A source that the API server refuses ends the manager at once, with the cause.
func TestInsideManagerWithoutPermission(t *testing.T) {
	cfg := controlplane.Shared(t).Config()
	direct, err := client.New(cfg, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mgr := newManager(t, cfg, newNamespace(t, direct))
	nobody := rest.CopyConfig(cfg)
	nobody.Impersonate = rest.ImpersonationConfig{UserName: "nobody"}
	inf := newInformer(t, nobody, "")
	c := mustNew(t, controller.Options[reconcile.Request]{
		Name:       "refused",
		Reconciler: doNothing,
		Sources:    []controller.Source[reconcile.Request]{controller.From(inf, controller.EnqueueObject)},
	})
	for _, r := range []manager.Runnable{inf, c} {
		if err := mgr.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = mgr.Start(ctx)
	if sync, ok := errors.AsType[*controller.SyncError](err); !ok || !apierrors.IsForbidden(err) || sync.Controller != "refused" {
		t.Errorf("the manager returned %v, want a *SyncError of Forbidden", err)
	}
}
