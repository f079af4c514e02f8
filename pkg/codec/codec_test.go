package codec_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/equality"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/store"
)

var (
	_ store.Codec[*corev1.Pod] = &codec.Codec[*corev1.Pod]{}

	compressions = []codec.Compression{codec.S2, codec.Zstd}
)

func newCodec[T any](t testing.TB, c codec.Compression) *codec.Codec[T] {
	t.Helper()
	made, err := codec.New(codec.Options[T]{PackerOptions: codec.PackerOptions{Compression: c}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// roundTrip returns what value is after Encode and Decode.
func roundTrip[T any](t *testing.T, c *codec.Codec[T], value T) T {
	t.Helper()
	packed, err := c.Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Decode(packed)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// newSeed prints the seed of a test that is random.
func newSeed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return seed
}

// Every built-in type comes back as it was, whatever is in it, with apiVersion and kind and without. Values of
// one type share a Packer, so that most of them are packed with a dictionary.
func TestBuiltInTypes(t *testing.T) {
	seed := newSeed(t)
	codecs := serializer.NewCodecFactory(scheme.Scheme)
	filler := fuzzer.FuzzerFor(metafuzzer.Funcs, rand32(seed), codecs).NilChance(0.3).NumElements(1, 3).MaxDepth(12)
	tested := 0
	for gvk, goType := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal || strings.HasSuffix(gvk.Kind, "Options") || gvk.Kind == "WatchEvent" {
			continue
		}
		if !reflect.PointerTo(goType).Implements(reflect.TypeFor[metav1.Object]()) {
			continue // a list, or what is sent but not kept
		}
		tested++
		testBuiltIn(t, gvk, goType, filler)
	}
	if tested < 100 {
		t.Errorf("tested %d types", tested)
	}
}

func testBuiltIn(t *testing.T, gvk schema.GroupVersionKind, goType reflect.Type, filler *randfill.Filler) {
	t.Helper()
	if !codec.IsMessage(reflect.PointerTo(goType)) {
		t.Errorf("%v is not packed as protobuf", gvk)
	}
	c, err := codec.NewOf(reflect.PointerTo(goType), codec.Options[any]{Workload: func(any) string { return "w" }})
	if err != nil {
		t.Fatalf("%v: %v", gvk, err)
	}
	for i := range 6 {
		obj := reflect.New(goType).Interface().(runtime.Object)
		filler.Fill(obj)
		obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		if i%2 == 0 {
			obj.GetObjectKind().SetGroupVersionKind(gvk)
		}
		got := roundTrip[any](t, c, obj)
		if !equality.Semantic.DeepEqual(obj, got) {
			t.Fatalf("%v came back as another one:\n%#v\n%#v", gvk, obj, got)
		}
	}
}

// randSource is a source of the first generation of math/rand, which the filler wants.
type randSource struct{ *rand.PCG }

func rand32(seed uint64) randSource { return randSource{rand.NewPCG(seed, 0)} }

func (s randSource) Int63() int64 { return int64(s.Uint64() >> 1) }
func (s randSource) Seed(int64)   {}

// An unstructured object comes back with the same types: integers as int64 and others as float64, whole ones
// too.
func TestUnstructured(t *testing.T) {
	for _, compression := range compressions {
		c := newCodec[*unstructured.Unstructured](t, compression)
		for i := range int64(3) {
			obj := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "example.com/v1", "kind": "Widget",
				"metadata": map[string]any{"name": "a", "namespace": "b", "labels": map[string]any{"<&>": "\u2028\x00é"}},
				"spec": map[string]any{
					"replicas": i, "min": int64(math.MinInt64), "max": int64(math.MaxInt64),
					"whole": 1.0, "zero": 0.0, "minus": math.Copysign(0, -1), "big": 1e20, "bigger": 1e21, "huge": math.MaxFloat64,
					"third": 1.0 / 3, "tiny": math.SmallestNonzeroFloat64, "yes": true, "no": false, "nothing": nil,
					"list": []any{int64(1), 1.0, "1", nil, []any{}, map[string]any{}, []any{2.0}}, "text": strings.Repeat("text ", 50),
				},
			}}
			before := obj.DeepCopy()
			got := roundTrip(t, c, obj)
			if !reflect.DeepEqual(got, obj) {
				t.Errorf("%v: got %#v\nwant %#v", compression, got, obj)
			}
			if spec := got.Object["spec"].(map[string]any); !math.Signbit(spec["minus"].(float64)) {
				t.Error("minus zero lost its sign")
			}
			if !reflect.DeepEqual(obj, before) {
				t.Errorf("Encode changed the object to %#v", obj)
			}
		}
	}
}

// Without its kind, or without anything, an unstructured object comes back too.
func TestUnstructuredBare(t *testing.T) {
	c := newCodec[*unstructured.Unstructured](t, codec.S2)
	for _, obj := range []*unstructured.Unstructured{{}, {Object: map[string]any{}}, {Object: map[string]any{"a": int64(1)}}} {
		if got := roundTrip(t, c, obj); !reflect.DeepEqual(got, obj) {
			t.Errorf("got %#v, want %#v", got, obj)
		}
	}
	_, err := c.Encode(&unstructured.Unstructured{Object: map[string]any{"a": math.Inf(1)}})
	if _, ok := errors.AsType[*codec.EncodeError](err); !ok {
		t.Errorf("an infinite number: %v", err)
	}
}

// widget is a custom resource as controllers declare them.
type widget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   widgetSpec              `json:"spec"`
	Schema apiextensionsv1.JSON    `json:"schema"`
	Limits map[string]metav1.Time  `json:"limits,omitempty"`
	Any    any                     `json:"any,omitempty"`
	Raw    *runtime.RawExtension   `json:"raw,omitempty"`
	Pods   []corev1.PodSpec        `json:"pods,omitempty"`
	Ports  map[string]*widgetPorts `json:"ports,omitempty"`
}

type widgetSpec struct {
	Size  int64         `json:"size"`
	Ratio float64       `json:"ratio"`
	Every time.Duration `json:"every"`
	Next  *widgetSpec   `json:"next,omitempty"`
}

type widgetPorts [2]uint16

func TestCustomResource(t *testing.T) {
	c := newCodec[*widget](t, codec.S2)
	pod := newCluster(1, 1).pods(1)[0]
	for i := range int64(3) {
		obj := &widget{
			TypeMeta: metav1.TypeMeta{APIVersion: "example.com/v1", Kind: "Widget"}, ObjectMeta: pod.ObjectMeta,
			Spec: widgetSpec{Size: math.MaxInt64 - i, Ratio: 1, Every: time.Minute, Next: &widgetSpec{}}, Schema: apiextensionsv1.JSON{Raw: []byte(`{"a":1.0}`)},
			Limits: map[string]metav1.Time{"a": {}, "b": pod.CreationTimestamp}, Any: map[string]any{"n": int64(math.MaxInt64)},
			Raw: &runtime.RawExtension{Raw: []byte(`{"kind":"X"}`)}, Pods: []corev1.PodSpec{pod.Spec}, Ports: map[string]*widgetPorts{"a": {1, 2}},
		}
		if got := roundTrip(t, c, obj); !equality.Semantic.DeepEqual(got, obj) {
			t.Errorf("got %#v\nwant %#v", got, obj)
		}
	}
}

// embedder has the protobuf methods of what it embeds, which know nothing of its other fields.
type embedder struct {
	corev1.Pod `json:",inline"`

	Extra string `json:"extra"`
}

func TestPromotedMethods(t *testing.T) {
	want := &embedder{Pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, Extra: "kept"}
	if got := roundTrip(t, newCodec[*embedder](t, codec.S2), want); !equality.Semantic.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

func TestPlainValues(t *testing.T) {
	ints := newCodec[int](t, codec.S2)
	if got := roundTrip(t, ints, -7); got != -7 {
		t.Errorf("got %d", got)
	}
	texts := newCodec[[]string](t, codec.Zstd)
	for _, want := range [][]string{nil, {}, {"a", "", "\n"}, strings.Fields(strings.Repeat("ab ", 100))} {
		if got := roundTrip(t, texts, want); !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
	}
}

// A type that would not come back as it was is refused.
func TestRefusedTypes(t *testing.T) {
	refuse := func(name string, err error) {
		if !errors.Is(err, codec.ErrType) {
			t.Errorf("%s: %v, want ErrType", name, err)
		}
	}
	_, err := codec.New(codec.Options[runtime.Object]{})
	refuse("interface", err)
	_, err = codec.New(codec.Options[any]{})
	refuse("any", err)
	_, err = codec.New(codec.Options[*struct{ secret string }]{})
	refuse("unexported field", err)
	_, err = codec.New(codec.Options[map[string][]func()]{})
	refuse("function", err)
	_, err = codec.New(codec.Options[struct {
		Out string `json:"-"`
	}]{})
	refuse("left out", err)
	_, err = codec.NewOf(nil, codec.Options[any]{})
	refuse("no type", err)
	_, err = codec.NewOf(reflect.TypeFor[func()](), codec.Options[any]{})
	refuse("function, as a value", err)
}

// A codec of a type that is known only when the program runs takes values of that type alone, of whatever form.
func TestNewOf(t *testing.T) {
	values := []any{
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", GenerateName: "a-"}},
		&unstructured.Unstructured{Object: map[string]any{"a": 1.0, "b": int64(1)}},
		&widget{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
		"text",
		[]string{"a", ""},
		7,
	}
	for n, value := range values {
		c, err := codec.NewOf(reflect.TypeOf(value), codec.Options[any]{})
		if err != nil {
			t.Fatal(err)
		}
		if got := roundTrip(t, c, value); !reflect.DeepEqual(got, value) {
			t.Errorf("got %#v, want %#v", got, value)
		}
		if _, err := c.Encode(values[(n+1)%len(values)]); !errors.Is(err, codec.ErrType) {
			t.Errorf("%T: a value of another type: %v", value, err)
		}
		if _, err := c.Encode(nil); !errors.Is(err, codec.ErrNilValue) {
			t.Errorf("%T: nil: %v", value, err)
		}
	}
}

func TestNil(t *testing.T) {
	if _, err := newCodec[*corev1.Pod](t, codec.S2).Encode(nil); !errors.Is(err, codec.ErrNilValue) {
		t.Errorf("nil Pod: %v", err)
	}
	if _, err := newCodec[*widget](t, codec.S2).Encode(nil); !errors.Is(err, codec.ErrNilValue) {
		t.Errorf("nil custom resource: %v", err)
	}
	if _, err := newCodec[*corev1.Pod](t, codec.S2).Decode(nil); !errors.Is(err, codec.ErrForeign) {
		t.Errorf("nil Packed: %v", err)
	}
}

// What an API server sends can be packed as it is, in whatever form it came, and be read as an object.
func TestWireForms(t *testing.T) {
	pod := newCluster(1, 1).pods(1)[0]
	c := newCodec[*corev1.Pod](t, codec.S2)
	kinded := pod.DeepCopy()
	kinded.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	for _, mediaType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), mediaType)
		if !ok {
			t.Fatal(mediaType)
		}
		wire, err := runtime.Encode(info.Serializer, kinded)
		if err != nil {
			t.Fatal(err)
		}
		packed := c.Packer().Pack(wire, codec.WorkloadOf(pod))
		got, err := c.Decode(packed)
		if err != nil || !equality.Semantic.DeepEqual(got, kinded) {
			t.Errorf("%s: got %v, %v", mediaType, got, err)
		}
	}
	bare, err := pod.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	packed := c.Packer().Pack(bare, "")
	encoded, err := c.Encode(pod)
	if err != nil {
		t.Fatal(err)
	}
	if !codec.Equal(packed, encoded) || packed.Len() != len(bare) {
		t.Error("the wire form of Encode is not that of a list's item")
	}
}

func TestDecodeErrors(t *testing.T) {
	pods := newCodec[*corev1.Pod](t, codec.S2)
	for _, wire := range []string{"\xff", "{", "[]", "k8s\x00\xff", "k8s\x00\x1a\x01x", `k8s` + "\x00\x22\x03foo"} {
		_, err := pods.Decode(pods.Packer().Pack([]byte(wire), ""))
		if _, ok := errors.AsType[*codec.DecodeError](err); !ok {
			t.Errorf("%q: %v", wire, err)
		}
	}
	trees := newCodec[*unstructured.Unstructured](t, codec.S2)
	for _, wire := range []string{"", "[]", `{"a":1`, "1 2"} {
		_, err := trees.Decode(trees.Packer().Pack([]byte(wire), ""))
		if _, ok := errors.AsType[*codec.DecodeError](err); !ok {
			t.Errorf("%q: %v", wire, err)
		}
	}
}

// What was decoded does not change when the memory it was decoded from is used again.
func TestDecodedIsOwn(t *testing.T) {
	c := newCodec[*corev1.Pod](t, codec.S2)
	pods := newCluster(newSeed(t), 3).pods(30)
	var decoded []*corev1.Pod
	for _, pod := range pods {
		decoded = append(decoded, roundTrip(t, c, pod))
	}
	for i, pod := range pods {
		if !equality.Semantic.DeepEqual(pod, decoded[i]) {
			t.Fatalf("Pod %d changed after it was decoded", i)
		}
	}
}

// Siblings are those of one controller, else those whose names were generated alike.
func TestWorkloadOf(t *testing.T) {
	owner := metav1.OwnerReference{UID: "u"}
	controller := metav1.OwnerReference{UID: "v", Controller: new(true)}
	for _, test := range []struct {
		meta metav1.ObjectMeta
		want string
	}{
		{metav1.ObjectMeta{Namespace: "n", Name: "a"}, ""},
		{metav1.ObjectMeta{Namespace: "n", Name: "a", OwnerReferences: []metav1.OwnerReference{owner}}, ""},
		{metav1.ObjectMeta{Namespace: "n", Name: "a-x", GenerateName: "a-"}, "n/a-"},
		{metav1.ObjectMeta{Namespace: "n", GenerateName: "a-", OwnerReferences: []metav1.OwnerReference{owner, controller}}, "v"},
	} {
		if got := codec.WorkloadOf(&test.meta); got != test.want {
			t.Errorf("%+v: %q, want %q", test.meta, got, test.want)
		}
	}
}
