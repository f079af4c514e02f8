package wire_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
)

// object is what the tests make of every kind.
type object interface {
	runtime.Object
	metav1.Object
	Marshal() ([]byte, error)
	Unmarshal(data []byte) error
}

// builtIns are the types that a server stores, with protobuf methods.
func builtIns() map[schema.GroupVersionKind]reflect.Type {
	types := map[schema.GroupVersionKind]reflect.Type{
		apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"): reflect.TypeFor[apiextensionsv1.CustomResourceDefinition](),
	}
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version != runtime.APIVersionInternal && reflect.PointerTo(t).Implements(reflect.TypeFor[object]()) {
			types[gvk] = t
		}
	}
	return types
}

func newSeed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return seed
}

// randSource is a source of the first generation of math/rand, which the filler wants.
type randSource struct{ *rand.PCG }

func (s randSource) Int63() int64 { return int64(s.Uint64() >> 1) }
func (s randSource) Seed(int64)   {}

func newFiller(seed uint64) *randfill.Filler {
	codecs := serializer.NewCodecFactory(scheme.Scheme)
	filler := fuzzer.FuzzerFor(metafuzzer.Funcs, randSource{rand.NewPCG(seed, 0)}, codecs).NilChance(0.3).NumElements(1, 3).MaxDepth(12)
	return filler.Funcs(func(j *apiextensionsv1.JSON, _ randfill.Continue) { j.Raw = []byte(`{"a":[1]}`) })
}

// fill returns a random object of a type, as a client could have read it.
func fill(t testing.TB, filler *randfill.Filler, goType reflect.Type) object {
	t.Helper()
	obj := reflect.New(goType).Interface().(object)
	filler.Fill(obj)
	obj.SetName("n" + obj.GetName())
	obj.SetResourceVersion("1" + obj.GetResourceVersion())
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	if obj.GetCreationTimestamp().Nanosecond() != 0 {
		t.Fatal("a server sends whole seconds")
	}
	return obj
}

// check compares what was scanned with the object that was read by its own decoder.
func check(t *testing.T, m *wire.Meta, want metav1.Object) {
	t.Helper()
	controller := ""
	if owner := metav1.GetControllerOfNoCopy(want); owner != nil {
		controller = string(owner.UID)
	}
	for field, texts := range map[string][2]string{
		"name": {string(m.Name), want.GetName()}, "namespace": {string(m.Namespace), want.GetNamespace()},
		"generateName": {string(m.GenerateName), want.GetGenerateName()}, "uid": {string(m.UID), string(want.GetUID())},
		"resourceVersion": {string(m.ResourceVersion), want.GetResourceVersion()}, "controller": {string(m.Controller), controller},
	} {
		if texts[0] != texts[1] {
			t.Errorf("%s is %q, not %q", field, texts[0], texts[1])
		}
	}
	if m.Generation != want.GetGeneration() {
		t.Errorf("generation is %d, not %d", m.Generation, want.GetGeneration())
	}
	if created := want.GetCreationTimestamp(); !m.CreationTimestamp.Equal(created.Time) {
		t.Errorf("creationTimestamp is %v, not %v", m.CreationTimestamp, created)
	}
	if deleted := want.GetDeletionTimestamp(); deleted == nil && !m.DeletionTimestamp.IsZero() ||
		deleted != nil && !m.DeletionTimestamp.Equal(deleted.Time) {
		t.Errorf("deletionTimestamp is %v, not %v", m.DeletionTimestamp, deleted)
	}
	labels := map[string]string{}
	for _, l := range m.Labels {
		labels[string(l.Key)] = string(l.Value)
	}
	if !maps.Equal(labels, want.GetLabels()) {
		t.Errorf("labels are %v, not %v", labels, want.GetLabels())
	}
	for key, value := range want.GetLabels() {
		if got, ok := m.Label(key); !ok || string(got) != value {
			t.Errorf("label %q is %q, %v, not %q", key, got, ok, value)
		}
	}
	if m.InitialEventsEnd != (want.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true") {
		t.Errorf("initial events' end is %v: %v", m.InitialEventsEnd, want.GetAnnotations())
	}
}

// What a server sends of any built-in kind is scanned to what the type's decoder reads, in protobuf and in JSON,
// and an Object has it.
func TestScanBuiltIn(t *testing.T) {
	filler := newFiller(newSeed(t))
	tested := 0
	for gvk, goType := range builtIns() {
		tested++
		kind, err := wire.BareKind(gvk, reflect.PointerTo(goType))
		if err != nil {
			t.Fatalf("%v: %v", gvk, err)
		}
		for i := range 5 {
			obj := fill(t, filler, goType)
			if i == 0 {
				obj.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
			}
			protobuf, err := obj.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(obj)
			if err != nil {
				t.Fatal(err)
			}
			for _, bytes := range [][]byte{protobuf, text} {
				checkBytes(t, kind, bytes, goType)
			}
			if t.Failed() {
				t.Fatalf("%v: %s", gvk, text)
			}
		}
	}
	if tested < 100 {
		t.Errorf("tested %d types", tested)
	}
}

func checkBytes(t *testing.T, kind *wire.Kind, bytes []byte, goType reflect.Type) {
	t.Helper()
	var m wire.Meta
	want := reflect.New(goType).Interface().(object)
	var err error
	if bytes[0] == '{' {
		err = json.Unmarshal(bytes, want)
	} else {
		err = want.Unmarshal(bytes)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := kind.Scan(bytes, &m); err != nil {
		t.Fatal(err)
	}
	check(t, &m, want)
	o, err := kind.Object(bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.MetadataOf(o); !equality.Semantic.DeepEqual(got, wire.MetadataOf(want)) {
		t.Errorf("the object has %+v\nnot %+v", got, wire.MetadataOf(want))
	}
}

// Bytes that were damaged anywhere are an error of the scanner, or can be decoded, and then it has scanned the same.
func TestScanDamaged(t *testing.T) {
	seed := newSeed(t)
	filler, random := newFiller(seed), rand.New(rand.NewPCG(seed, 1))
	types := builtIns()
	refused, accepted := 0, 0
	for _, gvk := range slices.SortedFunc(maps.Keys(types), func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) }) {
		kind, err := wire.BareKind(gvk, reflect.PointerTo(types[gvk]))
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := fill(t, filler, types[gvk]).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			damaged := slices.Clone(bytes)
			for range 1 + random.IntN(3) {
				damaged[random.IntN(len(damaged))] = byte(random.Uint32())
			}
			if random.IntN(4) == 0 {
				damaged = damaged[:random.IntN(len(damaged))]
			}
			if scanDamaged(t, kind, damaged, reflect.New(types[gvk]).Interface().(object)) {
				accepted++
			} else {
				refused++
			}
		}
	}
	if refused < 1000 || accepted < 1000 {
		t.Errorf("%d refused, %d accepted", refused, accepted)
	}
}

// scanDamaged tells whether the scanner accepts the bytes, and checks it against the decoder of want's type.
func scanDamaged(t *testing.T, kind *wire.Kind, damaged []byte, want object) bool {
	t.Helper()
	var m wire.Meta
	if err := kind.Scan(damaged, &m); err != nil {
		if _, ok := errors.AsType[*wire.MalformedError](err); !ok {
			t.Fatalf("%v is no MalformedError", err)
		}
		return false
	}
	if len(damaged) > 0 && damaged[0] == '{' {
		return true
	}
	if err := want.Unmarshal(damaged); err != nil {
		t.Fatalf("%T: scanned %q, which is: %v", want, damaged, err)
	}
	if check(t, &m, want); t.Failed() {
		t.Fatalf("%T: scanned %q", want, damaged)
	}
	return true
}

func newKind[T any](t testing.TB, gvk schema.GroupVersionKind, opts wire.KindOptions[T]) (*wire.Kind, *codec.Codec[T]) {
	t.Helper()
	c, err := codec.New(codec.Options[T]{})
	if err != nil {
		t.Fatal(err)
	}
	kind, err := wire.NewKind(gvk, c, opts)
	if err != nil {
		t.Fatal(err)
	}
	return kind, c
}

var podGVK = corev1.SchemeGroupVersion.WithKind("Pod")

// The values of fields are found in protobuf and in JSON, of a Go type and of none, through lists, maps and structs
// that JSON does not show.
func TestFields(t *testing.T) {
	fields := []wire.Field{
		{"spec", "nodeName"},
		{"metadata", "labels", "app.kubernetes.io/name"},
		{"spec", "containers", "image"},
		{"spec", "volumes", "configMap", "name"}, // in an inlined LocalObjectReference in an inlined VolumeSource
		{"status", "podIP"},
		{"metadata", "name"},
		{"spec", "nodeName"},
	}
	want := [][]string{{"node-1"}, {"a \"shop\" é"}, {"one", "two"}, {"settings"}, nil, {"p"}, {"node-1"}}
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "p", ResourceVersion: "1", Labels: map[string]string{"app.kubernetes.io/name": "a \"shop\" é", "x": "y"}},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Image: "one"}, {Image: "two"}}, Volumes: []corev1.Volume{
			{Name: "v", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}},
		}},
	}
	typed, _ := newKind(t, podGVK, wire.KindOptions[*corev1.Pod]{Fields: fields})
	untyped, _ := newKind(t, podGVK, wire.KindOptions[*unstructured.Unstructured]{Fields: fields})
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	protobuf, err := pod.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, made := range map[string]func() (*wire.Object, error){
		"protobuf":     func() (*wire.Object, error) { return typed.Object(protobuf) },
		"JSON":         func() (*wire.Object, error) { return typed.Object(text) },
		"unstructured": func() (*wire.Object, error) { return untyped.Object(text) },
	} {
		o, err := made()
		if err != nil {
			t.Fatal(err)
		}
		for i := range fields {
			if got := slices.Collect(o.Values(i)); !slices.Equal(got, want[i]) {
				t.Errorf("%s: field %v is %q, not %q", name, fields[i], got, want[i])
			}
		}
		if o.GetName() != "p" || o.GetNamespace() != "" || o.Key() != "p" || o.GetResourceVersion() != "1" {
			t.Errorf("%s: it is %v", name, o)
		}
	}
}

// What cannot be scanned is refused when the Kind is made.
func TestWrongKinds(t *testing.T) {
	c, err := codec.New(codec.Options[*corev1.Pod]{})
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []wire.Field{{}, {"spec"}, {"spec", "noSuch"}, {"spec", "nodeName", "x"}, {"spec", "priority"}, {"TypeMeta"}} {
		if _, err := wire.NewKind(podGVK, c, wire.KindOptions[*corev1.Pod]{Fields: []wire.Field{field}}); !errors.Is(err, wire.ErrField) {
			t.Errorf("field %v: %v", field, err)
		}
	}
	if _, err := wire.BareKind(podGVK, reflect.TypeFor[*corev1.PodSpec]()); !errors.Is(err, wire.ErrType) {
		t.Errorf("a type without metadata: %v", err)
	}
	if _, err := wire.BareKind(podGVK, reflect.TypeFor[corev1.Pod]()); !errors.Is(err, wire.ErrType) {
		t.Errorf("no pointer: %v", err)
	}
	if _, err := wire.BareKind(podGVK, reflect.TypeFor[*metav1.PartialObjectMetadata]()); err != nil {
		t.Error(err)
	}
}

// Objects that lack what every object has, or are of another kind, are refused.
func TestIncompleteObjects(t *testing.T) {
	kind, _ := newKind(t, podGVK, wire.KindOptions[*corev1.Pod]{})
	role, err := (&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "a"}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, bytes := range []string{
		"", "{", "{}", string(role), "k8s\x00", `{"metadata":{"name":"a"}}`, `{"metadata":{"resourceVersion":"1"}}`,
		`{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","resourceVersion":"1"}}`,
		`{"kind":"Pod","metadata":{"name":"a","resourceVersion":"1"}}`,
		`{"metadata":{"name":"a","resourceVersion":1}}`, `{"metadata":["a"]}`,
		`{"metadata":{"name":"a","name":"b","resourceVersion":"1"}}`,
		`{"metadata":{"name":"a","resourceVersion":"1"}} x`,
		`{"metadata":{"name":"a","resourceVersion":"1","generation":1.5}}`,
		`{"metadata":{"name":"a","resourceVersion":"1","creationTimestamp":"now"}}`,
		`{"metadata":{"name":"a","resourceVersion":"1","labels":{"a":1}}}`,
		`{"metadata":{"name":"a","resourceVersion":"1"},"spec":{"x":01}}`,
	} {
		_, err := kind.Object([]byte(bytes))
		if _, ok := errors.AsType[*wire.MalformedError](err); !ok {
			t.Errorf("%q: %v", bytes, err)
		}
	}
}

// Nothing is allocated to scan an object.
func TestScanAllocates(t *testing.T) {
	kind, _ := newKind(t, podGVK, wire.KindOptions[*corev1.Pod]{Fields: []wire.Field{{"spec", "nodeName"}}})
	pod := fill(t, newFiller(newSeed(t)), reflect.TypeFor[corev1.Pod]()).(*corev1.Pod)
	pod.Labels = map[string]string{"a": "b"}
	pod.Status = corev1.PodStatus{PodIP: "10.0.0.1"} // no quantities as nobody would write them
	pod.Spec = corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("1Gi")},
	}}}}
	protobuf, err := pod.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var m wire.Meta
	if n := testing.AllocsPerRun(100, func() {
		if kind.Scan(protobuf, &m) != nil {
			t.Error("it is scanned no more")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// An Object is immutable.
func TestSettersPanic(t *testing.T) {
	kind, _ := newKind(t, podGVK, wire.KindOptions[*corev1.Pod]{})
	o, err := kind.Object([]byte(`{"metadata":{"name":"a","namespace":"b","resourceVersion":"1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	value, setters := reflect.ValueOf(o), 0
	for i := range value.NumMethod() {
		name, method := value.Type().Method(i).Name, value.Method(i)
		if !strings.HasPrefix(name, "Set") {
			continue
		}
		setters++
		func() {
			defer func() {
				if recover() != wire.ErrImmutable { //nolint:errorlint // it is the very one
					t.Errorf("%s does not panic", name)
				}
			}()
			method.Call([]reflect.Value{reflect.Zero(method.Type().In(0))})
		}()
	}
	if setters != reflect.TypeFor[metav1.Object]().NumMethod()/2 {
		t.Errorf("%d setters", setters)
	}
	if o.DeepCopyObject() != runtime.Object(o) || o.Key() != "b/a" || o.String() != "b/a@1" {
		t.Errorf("it is %v", o)
	}
}
