package ctrlruntime_test

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	storagemigrationv1 "k8s.io/api/storagemigration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

// sample is an object of a kind, as a live GET has it in each form.
type sample struct {
	gvk  schema.GroupVersionKind
	key  client.ObjectKey
	live map[core.Form]client.Object
	json client.Object // typed, of JSON
}

// forms are all; without a Go type there is no typed one.
var forms = []core.Form{core.Metadata, core.Typed, core.Unstructured}

// empty returns an empty object of a kind in a form, or nil if the scheme has no type for it.
func empty(s *runtime.Scheme, gvk schema.GroupVersionKind, f core.Form) client.Object {
	if f == core.Typed && !s.Recognizes(gvk) {
		return nil
	}
	obj, err := core.Kind{GroupVersionKind: gvk, Scheme: s}.New(f)
	if err != nil {
		return nil
	}
	return obj.(client.Object)
}

// samples returns an object of every kind that the server has one of.
func (b *bed) samples(s *runtime.Scheme) (all []sample) {
	b.Helper()
	known := apitest.Kinds(b, b.config)
	apitest.CreateAll(b, b.config, b.namespace, known)
	live, err := client.New(b.config, client.Options{Scheme: s})
	b.must(err)
	var none []string
	for _, gvk := range slices.SortedFunc(maps.Keys(known), func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) }) {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		b.must(live.List(b.Context(), list))
		// One of the test's own, if there is one: the server changes its leases and events.
		slices.SortFunc(list.Items, func(a, c metav1.PartialObjectMetadata) int {
			other := map[bool]int{true: 1}
			return other[a.Namespace != b.namespace] - other[c.Namespace != b.namespace]
		})
		if len(list.Items) == 0 {
			none = append(none, gvk.String())
			continue
		}
		one := sample{gvk: gvk, key: client.ObjectKeyFromObject(&list.Items[0]), live: map[core.Form]client.Object{}}
		for _, f := range forms {
			if obj := empty(s, gvk, f); obj != nil {
				b.must(live.Get(b.Context(), one.key, obj))
				one.live[f] = obj
			}
		}
		if one.live[core.Typed] != nil {
			one.json = empty(s, gvk, core.Typed)
			text, err := one.live[core.Unstructured].(*unstructured.Unstructured).MarshalJSON()
			b.must(err)
			b.must(json.Unmarshal(text, one.json))
		}
		all = append(all, one)
	}
	b.Logf("%d kinds, and no object of %v", len(known), none)
	return all
}

// text returns an object for messages.
func text(obj any) string {
	b, err := json.Marshal(obj)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// same tells whether what was read is what it should be. Only typed objects may or may not say what they are.
func same(f core.Form, got, want client.Object) bool {
	if f == core.Typed {
		got, want = got.DeepCopyObject().(client.Object), want.DeepCopyObject().(client.Object)
		got.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		want.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	}
	return reflect.DeepEqual(got, want)
}

// taster compares what is read of samples.
type taster struct {
	*bed
	scheme *runtime.Scheme
	live   client.Client

	changed int // by the server, meanwhile
}

// compare compares an object that was read, of what came in protobuf or in JSON, with the sample.
func (x *taster) compare(one sample, f core.Form, got client.Object, cameAsJSON bool) {
	x.Helper()
	want := one.live[f]
	if f == core.Typed && cameAsJSON {
		want = one.json
	}
	switch {
	case same(f, got, want):
	case f == core.Metadata && x.isOfWhole(one, got):
	case x.hasChanged(one):
		x.changed++
	default:
		x.Errorf("%v as %v is\n%s\nnot\n%s", one.gvk, f, text(got), text(want))
	}
}

// addsAnnotations are the kinds whose annotations the server makes of other fields, but where it is asked for the
// metadata alone.
var addsAnnotations = []schema.GroupVersionKind{
	{Group: "apps", Version: "v1", Kind: "DaemonSet"}, {Group: "autoscaling", Version: "v1", Kind: "HorizontalPodAutoscaler"},
}

// isOfWhole tells whether metadata is that of the whole object, which has more of it.
func (x *taster) isOfWhole(one sample, got client.Object) bool {
	whole := meta.AsPartialObjectMetadata(one.live[core.Typed])
	whole.SetGroupVersionKind(one.gvk)
	return slices.Contains(addsAnnotations, one.gvk) && reflect.DeepEqual(got, client.Object(whole))
}

// hasChanged tells whether the server has changed an object, so that it is no longer what the sample is.
func (x *taster) hasChanged(one sample) bool {
	x.Helper()
	now := empty(x.scheme, one.gvk, core.Metadata)
	err := x.live.Get(x.Context(), one.key, now)
	if !apierrors.IsNotFound(err) {
		x.must(err)
	}
	return now.GetResourceVersion() != one.live[core.Metadata].GetResourceVersion()
}

// Whatever a built-in kind is, read in whatever form and by whoever it is what a live GET in that form returns, to the
// types of numbers: through a cache that is asked for the narrowest form first or for the widest, that packs or not, and
// through informers in each of the forms.
func TestEveryKind(t *testing.T) {
	b := newBed(t)
	s := runtime.NewScheme()
	b.must(scheme.AddToScheme(s))
	b.must(apiextensionsv1.AddToScheme(s))
	samples := b.samples(s)
	typed := 0
	for _, one := range samples {
		if one.live[core.Typed] != nil {
			typed++
		}
	}
	t.Logf("%d objects, %d of them typed", len(samples), typed)
	if len(samples) < 60 || typed < 55 {
		t.Errorf("there are objects of %d kinds only, %d typed", len(samples), typed)
	}
	live, err := client.New(b.config, client.Options{Scheme: s})
	b.must(err)
	taste := func(name string, test func(x *taster)) {
		t.Run(name, func(t *testing.T) {
			x := &taster{bed: &bed{T: t, config: b.config, client: b.client, namespace: b.namespace}, scheme: s, live: live}
			if test(x); x.changed > 5 {
				t.Errorf("%d objects have changed meanwhile", x.changed)
			}
		})
	}
	for name, options := range map[string]ctrlruntime.Options{
		"packed": {}, "all packed": {Budget: informer.AllPacked}, "plain": {Budget: informer.Plain},
	} {
		taste("cache, "+name, func(x *taster) { x.cached(samples, options, forms) })
		taste("cache, "+name+", unstructured first", func(x *taster) {
			x.cached(samples, options, []core.Form{core.Unstructured, core.Typed, core.Metadata})
		})
	}
	for name, budget := range map[string]int64{"packed": informer.DefaultBudget, "plain": informer.Plain} {
		taste("informers, "+name, func(x *taster) {
			informed := map[schema.GroupVersionKind]bool{}
			for _, one := range samples {
				informed[one.gvk] = x.informed(one, budget)
			}
			for _, one := range samples {
				if !informed[one.gvk] && one.live[core.Typed] != nil {
					t.Errorf("there is no typed informer of %v in the list", one.gvk)
				}
			}
		})
	}
}

// cached compares what a cache has that is asked for forms in an order.
func (x *taster) cached(samples []sample, options ctrlruntime.Options, order []core.Form) {
	made, err := options.NewCache(x.config, cache.Options{Scheme: x.scheme})
	x.must(err)
	stop := x.running(made.Start)
	defer stop()
	for _, one := range samples {
		for _, f := range order {
			if one.live[f] == nil {
				continue
			}
			got := empty(x.scheme, one.gvk, f)
			if err := made.Get(x.Context(), one.key, got); err != nil {
				x.Errorf("%v as %v: %v", one.gvk, f, err)
				continue
			}
			x.compare(one, f, got, order[0] == core.Unstructured)
		}
		x.must(made.RemoveInformer(x.Context(), empty(x.scheme, one.gvk, core.Unstructured)))
	}
}

// informed compares what informers have, and tells whether there is a typed one among them.
func (x *taster) informed(one sample, budget int64) (typed bool) {
	read[*metav1.PartialObjectMetadata](x, one, budget)
	read[*unstructured.Unstructured](x, one, budget)
	for _, t := range builtIns {
		if gvks, _, err := x.scheme.ObjectKinds(t.example); err == nil && slices.Contains(gvks, one.gvk) {
			t.read(x, one, budget)
			typed = true
		}
	}
	return typed
}

// read compares what an informer of a type has.
func read[T client.Object](x *taster, one sample, budget int64) {
	x.Helper()
	inf, err := informer.New(x.config, informer.Options[T]{
		Scheme: x.scheme, GVK: one.gvk, Namespace: one.key.Namespace, Budget: budget,
		FieldSelector: "metadata.name=" + one.key.Name,
	})
	x.must(err)
	ctx, cancel := context.WithCancel(x.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := inf.Start(ctx); err != nil {
			x.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	x.must(inf.WaitSynced(ctx))
	var none T
	for how, get := range map[string]func(namespace, name string) (T, bool){"Get": inf.Get, "GetCopy": inf.GetCopy} {
		got, ok := get(one.key.Namespace, one.key.Name)
		if !ok {
			x.Errorf("%s of an informer of %T has no %v", how, none, one.gvk)
			continue
		}
		x.compare(one, core.FormOf(none), got, false)
	}
}

// typeOf is a type that informers are made of.
type typeOf struct {
	example client.Object
	read    func(x *taster, one sample, budget int64)
}

func of[T client.Object](example T) typeOf { return typeOf{example, read[T]} }

// builtIns are all the built-in ones that a server can list.
var builtIns = []typeOf{
	of(&admissionregistrationv1.MutatingAdmissionPolicy{}), of(&admissionregistrationv1.MutatingAdmissionPolicyBinding{}),
	of(&admissionregistrationv1.MutatingWebhookConfiguration{}), of(&admissionregistrationv1.ValidatingAdmissionPolicy{}),
	of(&admissionregistrationv1.ValidatingAdmissionPolicyBinding{}), of(&admissionregistrationv1.ValidatingWebhookConfiguration{}),
	of(&apiextensionsv1.CustomResourceDefinition{}),
	of(&appsv1.ControllerRevision{}), of(&appsv1.DaemonSet{}), of(&appsv1.Deployment{}), of(&appsv1.ReplicaSet{}), of(&appsv1.StatefulSet{}),
	of(&autoscalingv1.HorizontalPodAutoscaler{}), of(&autoscalingv2.HorizontalPodAutoscaler{}), of(&batchv1.CronJob{}), of(&batchv1.Job{}),
	of(&certificatesv1.CertificateSigningRequest{}), of(&certificatesv1.ClusterTrustBundle{}), of(&coordinationv1.Lease{}),
	of(&corev1.ConfigMap{}), of(&corev1.Event{}), of(&corev1.LimitRange{}), of(&corev1.Namespace{}),
	of(&corev1.Endpoints{}), //nolint:staticcheck // the server has them, deprecated or not
	of(&corev1.Node{}), of(&corev1.PersistentVolume{}), of(&corev1.PersistentVolumeClaim{}), of(&corev1.Pod{}), of(&corev1.PodTemplate{}),
	of(&corev1.ReplicationController{}), of(&corev1.ResourceQuota{}), of(&corev1.Secret{}), of(&corev1.Service{}), of(&corev1.ServiceAccount{}),
	of(&discoveryv1.EndpointSlice{}), of(&eventsv1.Event{}), of(&flowcontrolv1.FlowSchema{}), of(&flowcontrolv1.PriorityLevelConfiguration{}),
	of(&networkingv1.IPAddress{}), of(&networkingv1.Ingress{}), of(&networkingv1.IngressClass{}), of(&networkingv1.NetworkPolicy{}), of(&networkingv1.ServiceCIDR{}),
	of(&nodev1.RuntimeClass{}), of(&policyv1.PodDisruptionBudget{}), of(&rbacv1.ClusterRole{}), of(&rbacv1.ClusterRoleBinding{}), of(&rbacv1.Role{}), of(&rbacv1.RoleBinding{}),
	of(&resourcev1.DeviceClass{}), of(&resourcev1.DeviceTaintRule{}), of(&resourcev1.ResourceClaim{}), of(&resourcev1.ResourceClaimTemplate{}), of(&resourcev1.ResourceSlice{}), of(&schedulingv1.PriorityClass{}),
	of(&storagev1.CSIDriver{}), of(&storagev1.CSINode{}), of(&storagev1.CSIStorageCapacity{}), of(&storagev1.StorageClass{}),
	of(&storagev1.VolumeAttachment{}), of(&storagev1.VolumeAttributesClass{}), of(&storagemigrationv1.StorageVersionMigration{}),
}
