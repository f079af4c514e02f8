package ctrlruntime_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	autoscalingac "k8s.io/client-go/applyconfigurations/autoscaling/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

// verb is a write, and what a read shows that is not older.
type verb struct {
	name  string
	kind  func(name, namespace string) client.Object
	isNew bool // the object is not there before the write
	write func(ctx context.Context, c client.Client, obj client.Object) error
	shows func(obj client.Object) bool // nil: that it is gone
}

func meta1(name, namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"case": name}}
}

func newConfigMap(name, namespace string) client.Object {
	return &corev1.ConfigMap{ObjectMeta: meta1(name, namespace)}
}

func newPod(name, namespace string) client.Object {
	return &corev1.Pod{ObjectMeta: meta1(name, namespace), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
}

func newDeployment(name, namespace string) client.Object {
	return &appsv1.Deployment{ObjectMeta: meta1(name, namespace), Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"case": name}},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"case": name}}, Spec: newPod("", "").(*corev1.Pod).Spec},
	}}
}

func newFinalized(name, namespace string) client.Object {
	obj := newConfigMap(name, namespace)
	obj.SetFinalizers([]string{"larder.dev/test"})
	return obj
}

func untyped(obj client.Object, apiVersion, kind string) *unstructured.Unstructured {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		panic(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	return u
}

func annotated(obj client.Object) bool { return obj.GetAnnotations()["x"] == "y" }

func merge(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }

func ready(obj client.Object) bool {
	pod, ok := obj.(*corev1.Pod)
	return ok && pod.Status.Message == "m" || !ok && obj.(*appsv1.Deployment).Status.ObservedGeneration == 7
}

func scaled(obj client.Object) bool { return *obj.(*appsv1.Deployment).Spec.Replicas == 3 }

var annotate = merge(`{"metadata":{"annotations":{"x":"y"}}}`)

var verbs = []verb{
	{"create", newConfigMap, true, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.Create(ctx, obj)
	}, func(client.Object) bool { return true }},
	{"create-unstructured", newConfigMap, true, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.Create(ctx, untyped(obj, "v1", "ConfigMap"))
	}, func(client.Object) bool { return true }},
	{"update", newConfigMap, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		obj.SetAnnotations(map[string]string{"x": "y"})
		return c.Update(ctx, obj)
	}, annotated},
	{"patch", newConfigMap, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.Patch(ctx, obj, annotate)
	}, annotated},
	{"patch-metadata", newConfigMap, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		m := &metav1.PartialObjectMetadata{ObjectMeta: meta1(obj.GetName(), obj.GetNamespace())}
		m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		return c.Patch(ctx, m, annotate)
	}, annotated},
	{"apply", newConfigMap, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		ac := coreac.ConfigMap(obj.GetName(), obj.GetNamespace()).WithAnnotations(map[string]string{"x": "y"})
		return c.Apply(ctx, ac, client.FieldOwner("test"))
	}, annotated},
	{"apply-new", newConfigMap, true, func(ctx context.Context, c client.Client, obj client.Object) error {
		u := &unstructured.Unstructured{}
		u.SetAPIVersion("v1")
		u.SetKind("ConfigMap")
		u.SetName(obj.GetName())
		u.SetNamespace(obj.GetNamespace())
		u.SetLabels(obj.GetLabels())
		u.SetAnnotations(map[string]string{"x": "y"})
		return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("test"))
	}, annotated},
	{"delete", newConfigMap, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: obj.GetName(), Namespace: obj.GetNamespace()}})
	}, nil},
	{"delete-finalized", newFinalized, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.Delete(ctx, obj)
	}, func(obj client.Object) bool { return obj.GetDeletionTimestamp() != nil }},
	{"finalize", newFinalized, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return errors.Join(c.Delete(ctx, obj), c.Patch(ctx, obj, merge(`{"metadata":{"finalizers":null}}`)))
	}, nil},
	{"delete-all-of", newConfigMap, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(obj.GetNamespace()), client.MatchingLabels(obj.GetLabels()))
	}, nil},
	{"delete-all-of-finalized", newFinalized, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.DeleteAllOf(ctx, untyped(obj, "v1", "ConfigMap"), client.InNamespace(obj.GetNamespace()), client.MatchingLabels(obj.GetLabels()))
	}, func(obj client.Object) bool { return obj.GetDeletionTimestamp() != nil }},
	{"status-update", newPod, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		obj.(*corev1.Pod).Status.Message = "m"
		return c.Status().Update(ctx, obj)
	}, ready},
	{"status-patch", newPod, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.Status().Patch(ctx, obj, merge(`{"status":{"message":"m"}}`))
	}, ready},
	{"status-apply", newDeployment, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		ac := appsac.Deployment(obj.GetName(), obj.GetNamespace()).WithStatus(appsac.DeploymentStatus().WithObservedGeneration(7))
		return c.Status().Apply(ctx, ac, client.FieldOwner("test"))
	}, ready},
	{"binding-create", newPod, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.SubResource("binding").Create(ctx, obj, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "n"}})
	}, func(obj client.Object) bool { return obj.(*corev1.Pod).Spec.NodeName == "n" }},
	{"eviction-create", newPod, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.SubResource("eviction").Create(ctx, obj, &policyv1.Eviction{})
	}, nil},
	{"scale-update", newDeployment, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.SubResource("scale").Update(ctx, obj, client.WithSubResourceBody(&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 3}}))
	}, scaled},
	{"scale-patch", newDeployment, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.SubResource("scale").Patch(ctx, obj, merge(`{"spec":{"replicas":3}}`), client.WithSubResourceBody(&autoscalingv1.Scale{}))
	}, scaled},
	{"scale-patch-unstructured", newDeployment, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		return c.SubResource("scale").Patch(ctx, untyped(obj, "apps/v1", "Deployment"), merge(`{"spec":{"replicas":3}}`))
	}, scaled},
	{"scale-apply", newDeployment, false, func(ctx context.Context, c client.Client, obj client.Object) error {
		scale := autoscalingac.Scale().WithName(obj.GetName()).WithNamespace(obj.GetNamespace()).WithSpec(autoscalingac.ScaleSpec().WithReplicas(3))
		return c.SubResource("scale").Apply(ctx, appsac.Deployment(obj.GetName(), obj.GetNamespace()),
			&client.SubResourceApplyOptions{SubResourceBody: scale}, client.FieldOwner("test"), client.ForceOwnership)
	}, scaled},
}

// clients returns two clients over a cache of the bed: one that waits for its writes, and
// one that has no patience.
func (b *bed) clients(c cache.Cache) (patient, hasty client.Client) {
	b.Helper()
	opts := client.Options{Cache: &client.CacheOptions{Reader: c}}
	patient, err := ctrlruntime.NewClient(b.config, opts)
	b.must(err)
	hasty, err = ctrlruntime.ClientOptions{Timeout: 20 * time.Millisecond}.NewClient(b.config, opts)
	b.must(err)
	return patient, hasty
}

// list reads the objects of a case by a list.
func list(ctx context.Context, c client.Client, like client.Object) ([]runtime.Object, error) {
	var list client.ObjectList
	switch like.(type) {
	case *corev1.Pod:
		list = &corev1.PodList{}
	case *appsv1.Deployment:
		list = &appsv1.DeploymentList{}
	default:
		list = &corev1.ConfigMapList{}
	}
	err := c.List(ctx, list, client.InNamespace(like.GetNamespace()), client.MatchingLabels{"case": like.GetName()})
	if err != nil {
		return nil, err
	}
	return meta.ExtractList(list)
}

// Whatever the client writes, its reads wait for it: as long as the cache is not told of
// it they are given up, and as soon as it is they show it. A write that says so, or is
// only tried, is not waited for.
func TestEveryVerb(t *testing.T) {
	b := newBed(t)
	config, wire := b.wired()
	for _, v := range verbs {
		t.Run(v.name, func(t *testing.T) {
			b := &bed{T: t, config: b.config, client: b.client, namespace: b.namespace}
			ctx := b.Context()
			c := b.cacheOf(config, cache.Options{})
			patient, hasty := b.clients(c)
			obj := v.kind(v.name, b.namespace)
			if !v.isNew {
				b.must(b.client.Create(ctx, obj))
			}
			_, err := list(ctx, patient, obj)
			b.must(err)
			wire.hold()
			b.must(v.write(ctx, patient, obj.DeepCopyObject().(client.Object)))
			got := v.kind("", "")
			key := client.ObjectKeyFromObject(obj)
			stale := &ctrlruntime.StaleError{}
			if err := hasty.Get(ctx, key, got); !errors.As(err, &stale) || stale.Key != key || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a get before the event: %v", err)
			}
			if _, err := list(ctx, hasty, obj); !errors.As(err, &stale) {
				t.Errorf("a list before the event: %v", err)
			}
			if err := hasty.Get(ctx, key, got, client.DisableReadYourWritesConsistency); err != nil && !apierrors.IsNotFound(err) {
				t.Errorf("a get that does not want to wait: %v", err)
			}
			wire.release()
			err = patient.Get(ctx, key, got)
			objs, listErr := list(ctx, patient, obj)
			b.must(listErr)
			if v.shows == nil {
				if !apierrors.IsNotFound(err) || len(objs) != 0 {
					t.Errorf("it is not gone: %v, %v", err, objs)
				}
				return
			}
			b.must(err)
			if len(objs) != 1 || !v.shows(got) || !v.shows(objs[0].(client.Object)) {
				t.Errorf("got %v, listed %v", got, objs)
			}
		})
	}
}

// A write that is only tried, or that says so, is nothing to wait for.
func TestNoWait(t *testing.T) {
	b := newBed(t)
	config, wire := b.wired()
	c := b.cacheOf(config, cache.Options{})
	cl, hasty := b.clients(c)
	ctx := b.Context()
	cm := b.create("a", nil)
	key := client.ObjectKeyFromObject(cm)
	b.must(cl.Get(ctx, key, &corev1.ConfigMap{}))
	wire.hold()
	dry, quiet := client.DryRunAll, client.DisableReadYourWritesConsistency
	all := func() *coreac.ConfigMapApplyConfiguration { return coreac.ConfigMap("a", b.namespace) }
	owner := client.FieldOwner("test")
	for name, err := range map[string]error{
		"create":        cl.Create(ctx, newConfigMap("b", b.namespace), dry),
		"update":        cl.Update(ctx, cm.DeepCopy(), dry),
		"patch":         cl.Patch(ctx, cm.DeepCopy(), annotate, dry),
		"apply":         cl.Apply(ctx, all(), dry, owner),
		"delete":        cl.Delete(ctx, cm, dry),
		"delete all of": cl.DeleteAllOf(ctx, cm, dry, client.InNamespace(b.namespace)),
		"quiet create":  cl.Create(ctx, newConfigMap("c", b.namespace), quiet),
		"quiet patch":   cl.Patch(ctx, cm.DeepCopy(), annotate, quiet),
		"quiet apply":   cl.Apply(ctx, all(), quiet, owner),
		"quiet delete":  cl.Delete(ctx, cm, quiet),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.must(hasty.Get(ctx, key, &corev1.ConfigMap{}))
	b.must(hasty.List(ctx, &corev1.ConfigMapList{}))
}

// before is an option of a read by the client that does something when the client has
// waited and the cache is about to be read.
type before struct {
	calls int
	do    func()
}

func (b *before) ApplyToGet(*client.GetOptions) { b.call() }

func (b *before) ApplyToList(*client.ListOptions) { b.call() }

func (b *before) call() {
	if b.calls++; b.calls == 2 && b.do != nil { // the first is the client's, to see whether to wait
		b.do()
	}
}

// What was on its way when a write put an end to it is never shown, however far the cache
// is behind, and also if it comes when the client has waited already: not an object that
// the client has deleted, by its name or with others, and not one that it has taken out
// of the selector.
func TestOnItsWay(t *testing.T) {
	b := newBed(t)
	config, wire := b.wired()
	c := b.cacheOf(config, cache.Options{DefaultLabelSelector: labels.SelectorFromSet(labels.Set{"on": "yes"})})
	cl, hasty := b.clients(c)
	ctx := b.Context()
	inf, err := c.GetInformer(ctx, &corev1.ConfigMap{})
	b.must(err)
	seen := make(chan string, 10)
	_, err = inf.AddEventHandler(onAdd(func(obj any) { seen <- obj.(*corev1.ConfigMap).Name }))
	b.must(err)
	get := func(cm *corev1.ConfigMap, c client.Client, opts *before) (bool, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(cm), &corev1.ConfigMap{}, opts)
		return err == nil, client.IgnoreNotFound(err)
	}
	list := func(_ *corev1.ConfigMap, c client.Client, opts *before) (bool, error) {
		var list corev1.ConfigMapList
		err := c.List(ctx, &list, opts)
		return len(list.Items) > 0, err
	}
	for end, write := range map[string]func(cm *corev1.ConfigMap) error{
		"update": func(cm *corev1.ConfigMap) error {
			cm.Labels["on"] = "no"
			return cl.Update(ctx, cm)
		},
		"delete": func(cm *corev1.ConfigMap) error { return cl.Delete(ctx, cm) },
		"delete-all-of": func(cm *corev1.ConfigMap) error {
			return cl.DeleteAllOf(ctx, cm, client.InNamespace(b.namespace), client.MatchingLabels{"name": cm.Name})
		},
	} {
		for how, read := range map[string]func(*corev1.ConfigMap, client.Client, *before) (bool, error){"get": get, "list": list} {
			wire.hold()
			cm := b.create(end+"-"+how, map[string]string{"on": "yes", "name": end + "-" + how})
			b.must(write(cm))
			if found, err := read(cm, hasty, &before{}); found || err != nil {
				t.Errorf("%s, before its creation has come: found %v, %v", cm.Name, found, err)
			}
			stale := &ctrlruntime.StaleError{}
			_, err := read(cm, hasty, &before{do: func() {
				wire.let(1)
				if got := <-seen; got != cm.Name {
					t.Errorf("%s: the event was of %s", cm.Name, got)
				}
			}})
			if !errors.As(err, &stale) || stale.Key.Name != cm.Name {
				t.Errorf("%s, when its creation comes: %v", cm.Name, err)
			}
			if _, err := read(cm, hasty, &before{}); !errors.As(err, &stale) {
				t.Errorf("%s, when its creation has come: %v", cm.Name, err)
			}
			wire.release()
			if found, err := read(cm, cl, &before{}); found || err != nil {
				t.Errorf("%s, in the end: found %v, %v", cm.Name, found, err)
			}
		}
	}
}

// A cache that selects by a field that only the server knows to evaluate is waited for no
// longer than it takes.
func TestFieldsOfTheServer(t *testing.T) {
	b := newBed(t)
	c := b.cache(cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.Pod{}: {Field: fields.OneTermEqualSelector("spec.nodeName", "n")},
	}})
	cl, _ := b.clients(c)
	ctx := b.Context()
	var list corev1.PodList
	b.must(cl.List(ctx, &list))
	for i := range 10 {
		pod := newPod(fmt.Sprint("pod-", i), b.namespace).(*corev1.Pod)
		b.must(cl.Create(ctx, pod))
		b.must(cl.List(ctx, &list))
		if len(list.Items) != i {
			t.Errorf("a pod on no node is listed: %v", list.Items)
		}
		b.must(cl.SubResource("binding").Create(ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Name: "n"}}))
		b.must(cl.List(ctx, &list))
		if len(list.Items) != i+1 {
			t.Errorf("%d pods, want %d", len(list.Items), i+1)
		}
	}
}

// If the server does not say what has become of an object, the next read asks again, and
// says so if it cannot.
func TestCannotAsk(t *testing.T) {
	b := newBed(t)
	config, wire := b.wired()
	c := b.cacheOf(config, cache.Options{})
	cl, _ := b.clients(c)
	ctx := b.Context()
	cm := b.create("a", nil)
	key := client.ObjectKeyFromObject(cm)
	b.must(cl.Get(ctx, key, cm))
	wire.refuse(true)
	b.must(cl.Delete(ctx, cm))
	stale := &ctrlruntime.StaleError{}
	if err := cl.Get(ctx, key, cm); !errors.As(err, &stale) || !strings.Contains(err.Error(), errRefused.Error()) {
		t.Errorf("while the server cannot be asked: %v", err)
	}
	b.must(client.IgnoreNotFound(cl.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: "b"}, cm))) // another one
	wire.refuse(false)
	if err := cl.Get(ctx, key, cm); !apierrors.IsNotFound(err) {
		t.Errorf("when it can: %v", err)
	}
}

// The answer to a write to a subresource may be of another kind, with the name and the
// version of the object but not its labels: the object is in the cache nevertheless.
func TestAnswerOfAnotherKind(t *testing.T) {
	b := newBed(t)
	config, wire := b.wired()
	c := b.cacheOf(config, cache.Options{DefaultLabelSelector: labels.SelectorFromSet(labels.Set{"case": "a"})})
	cl, hasty := b.clients(c)
	ctx := b.Context()
	b.must(cl.List(ctx, &appsv1.DeploymentList{}))
	wire.hold()
	obj := newDeployment("a", b.namespace)
	b.must(b.client.Create(ctx, obj))
	b.must(cl.SubResource("scale").Patch(ctx, untyped(obj, "apps/v1", "Deployment"), merge(`{"spec":{"replicas":3}}`)))
	stale := &ctrlruntime.StaleError{}
	if err := hasty.Get(ctx, client.ObjectKeyFromObject(obj), obj); !errors.As(err, &stale) {
		t.Errorf("before it has come: %v", err)
	}
	wire.release()
	b.must(cl.Get(ctx, client.ObjectKeyFromObject(obj), obj))
	if !scaled(obj) {
		t.Errorf("got %v", obj)
	}
}

// DeleteAllOf in one namespace is no reason to wait for what is in others, however the
// cache divides them.
func TestDeleteAllOfInOneNamespace(t *testing.T) {
	b := newBed(t)
	other := b.newNamespace()
	for name, namespaces := range map[string]map[string]cache.Config{
		"all":      {cache.AllNamespaces: {}},
		"named":    {b.namespace: {}, other: {}},
		"the-rest": {b.namespace: {}, cache.AllNamespaces: {}},
	} {
		ctx := b.Context()
		cl, hasty := b.clients(b.cache(cache.Options{DefaultNamespaces: namespaces}))
		label := client.MatchingLabels{"case": name}
		for i := range 3 {
			for _, namespace := range []string{b.namespace, other} {
				cm := newConfigMap(name, namespace)
				cm.SetName(fmt.Sprint(name, i))
				b.must(b.client.Create(ctx, cm))
			}
		}
		var list corev1.ConfigMapList
		b.must(cl.List(ctx, &list, label))
		// The server is ahead of the kind's last event, and the deletion is of nothing.
		b.must(cl.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(b.newNamespace()), label))
		b.must(hasty.List(ctx, &list, label))
		for _, namespace := range []string{b.namespace, other} {
			b.must(cl.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(namespace), label))
			b.must(cl.List(ctx, &list, label))
			want := 3
			if namespace == other {
				want = 0
			}
			if len(list.Items) != want {
				t.Errorf("%s: %d are left, want %d: %v", name, len(list.Items), want, list.Items)
			}
		}
	}
}
