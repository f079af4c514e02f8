package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
)

// managedFields returns n of them.
func managedFields(random *rand.Rand, n int) []metav1.ManagedFieldsEntry {
	var entries []metav1.ManagedFieldsEntry
	for i := range n {
		e := metav1.ManagedFieldsEntry{
			Manager: fmt.Sprint("manager-", random.Uint32()), Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1",
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:managedFields":{},"f:labels":{".":{}}}}`),
		}
		if i%2 == 0 {
			e.Time = new(metav1.Unix(random.Int64N(1<<31), 0))
		}
		entries = append(entries, e)
	}
	return entries
}

// Of any built-in kind, in protobuf and in JSON, an object loses its managedFields, and not a byte of the rest: it is
// what it would be if it had never had any. One that has none is not copied.
func TestCutBuiltIn(t *testing.T) {
	seed := newSeed(t)
	filler, random := newFiller(seed), rand.New(rand.NewPCG(seed, 3))
	for gvk, goType := range builtIns() {
		c, err := codec.NewOf(reflect.PointerTo(goType), codec.Options[any]{})
		if err != nil {
			t.Fatalf("%v: %v", gvk, err)
		}
		kind, err := wire.NewKindOf(reflect.PointerTo(goType), gvk, c, wire.KindOptions[any]{DropManagedFields: true})
		if err != nil {
			t.Fatalf("%v: %v", gvk, err)
		}
		for n := range 5 {
			obj := fill(t, filler, goType)
			for form, encode := range map[string]func() ([]byte, error){
				"protobuf": obj.Marshal, "JSON": func() ([]byte, error) { return json.Marshal(obj) },
			} {
				obj.SetManagedFields(nil)
				want, err := encode()
				if err != nil {
					t.Fatal(err)
				}
				obj.SetManagedFields(managedFields(random, n))
				full, err := encode()
				if err != nil {
					t.Fatal(err)
				}
				before := slices.Clone(full)
				got := wire.Cut(full)
				if !bytes.Equal(got, want) || !bytes.Equal(full, before) {
					t.Fatalf("%v in %s: %q\nbecame %q\nnot    %q", gvk, form, full, got, want)
				}
				if n == 0 && &got[0] != &full[0] {
					t.Errorf("%v in %s was copied, though it has none", gvk, form)
				}
				checkCut(t, kind, c, full)
			}
		}
	}
}

// checkCut checks that a kind which drops managedFields makes of bytes what their decoder reads, without these.
func checkCut(t *testing.T, kind *wire.Kind, c *codec.Codec[any], full []byte) {
	t.Helper()
	o, err := kind.Object(full)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.Decode(c, o)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.DecodeWire(full)
	if err != nil {
		t.Fatal(err)
	}
	want.(metav1.Object).SetManagedFields(nil)
	want.(runtime.Object).GetObjectKind().SetGroupVersionKind(got.(runtime.Object).GetObjectKind().GroupVersionKind())
	if !equality.Semantic.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	if o.GetManagedFields() != nil || o.GetResourceVersion() != want.(metav1.Object).GetResourceVersion() {
		t.Fatalf("it has %v and is %v", o.GetManagedFields(), o)
	}
}

// fields splits a message into its fields.
func fields(t *testing.T, message []byte) (all [][]byte) {
	t.Helper()
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		switch tag & 7 {
		case 0:
			_, more := binary.Uvarint(message[n:])
			n += more
		case 2:
			size, more := binary.Uvarint(message[n:])
			n += more + int(size)
		default:
			t.Fatalf("a field of wire type %d", tag&7)
		}
		all = append(all, message[:n])
		message = message[n:]
	}
	return all
}

// appendField appends a field of bytes.
func appendField(b []byte, number int, body []byte) []byte {
	b = binary.AppendUvarint(b, uint64(number)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(body)))
	return append(b, body...)
}

// The order in which protobuf comes does not matter, nor does a field that the type lacks, nor metadata in several
// pieces, as protobuf allows.
func TestCutProtobufOrder(t *testing.T) {
	seed := newSeed(t)
	filler, random := newFiller(seed), rand.New(rand.NewPCG(seed, 4))
	kind, c := kindOf(t, reflect.TypeFor[*corev1.Pod](), true)
	for range 60 {
		pod := fill(t, filler, reflect.TypeFor[corev1.Pod]()).(*corev1.Pod)
		pod.ManagedFields = managedFields(random, 1+random.IntN(3))
		metadata, err := pod.ObjectMeta.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		spec, err := pod.Spec.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		parts := append(fields(t, metadata), appendField(nil, 1999, []byte("newer")))
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		cut := random.IntN(len(parts))
		var whole []byte
		whole = appendField(whole, 2, spec)
		whole = appendField(whole, 1, slices.Concat(parts[:cut]...))
		whole = appendField(whole, 1999, []byte("newer"))
		whole = appendField(whole, 1, slices.Concat(parts[cut:]...))
		checkCut(t, kind, c, whole)
		if got := wire.Cut(whole); bytes.Contains(got, []byte("manager-")) || bytes.Count(got, []byte("newer")) != 2 {
			t.Fatalf("%q\nbecame %q", whole, got)
		}
	}
}

// kindOf returns a kind of Pods, as objects of a type, which may drop managedFields.
func kindOf(t testing.TB, goType reflect.Type, drops bool) (*wire.Kind, *codec.Codec[any]) {
	t.Helper()
	c, err := codec.NewOf(goType, codec.Options[any]{})
	if err != nil {
		t.Fatal(err)
	}
	kind, err := wire.NewKindOf(goType, podGVK, c, wire.KindOptions[any]{DropManagedFields: drops})
	if err != nil {
		t.Fatal(err)
	}
	return kind, c
}

// What is cut out of JSON is the member and one comma, wherever it is and however it is written, and nothing that only
// looks like it.
func TestCutJSON(t *testing.T) {
	for full, want := range map[string]string{
		`{"metadata":{"managedFields":[{"a":1}]},"kind":"Pod"}`:                                                       `{"metadata":{},"kind":"Pod"}`,
		`{"metadata":{"managedFields":[{"a":1}],"name":"a"}}`:                                                         `{"metadata":{"name":"a"}}`,
		`{"metadata":{"name":"a","managedFields":[{"a":1}]}}`:                                                         `{"metadata":{"name":"a"}}`,
		`{"metadata":{"name":"a","managedFields":[],"uid":"u"}}`:                                                      `{"metadata":{"name":"a","uid":"u"}}`,
		`{"metadata":{"name":"a","managedFields":null,"uid":"u"}}`:                                                    `{"metadata":{"name":"a","uid":"u"}}`,
		`{"metadata":{"name":"a","managed\u0046ields":[{}]}}`:                                                         `{"metadata":{"name":"a"}}`,
		`{"meta\u0064ata":{"name":"a","managedFields":[{}]}}`:                                                         `{"meta\u0064ata":{"name":"a"}}`,
		"{ \"kind\" : \"Pod\" ,\n\t\"metadata\" : {\r\n \"managedFields\" : [ ] , \"name\" : \"a\" } }":               "{ \"kind\" : \"Pod\" ,\n\t\"metadata\" : {\r\n  \"name\" : \"a\" } }",
		"{ \"metadata\" : { \"name\" : \"a\" , \"managedFields\" : [ ] } }":                                           "{ \"metadata\" : { \"name\" : \"a\"  } }",
		`{"spec":{"metadata":{"managedFields":[1]}},"metadata":{"labels":{"managedFields":"x"}},"managedFields":[1]}`: "",
		`{"metadata":{"annotations":{"a":"\"managedFields\":[]"}}}`:                                                   "",
		`{"metadata":{"ManagedFields":[1],"managedfields":[2]}}`:                                                      "",
		`{"metadata":null}`:    "",
		`{"metadata":{}}`:      "",
		`{"kind":"Pod"}`:       "",
		`{}`:                   "",
		`{"metadata" : { } } `: "",
	} {
		before := full
		got := wire.Cut([]byte(full))
		if want == "" {
			want = full
		}
		if string(got) != want || full != before {
			t.Errorf("%s\nbecame %s\nnot    %s", full, got, want)
		}
		if !json.Valid(got) {
			t.Errorf("%s\nbecame %s", full, got)
		}
	}
	kind, _ := kindOf(t, reflect.TypeFor[*unstructured.Unstructured](), true)
	_, err := kind.Object([]byte(`{"metadata":{"name":"a","resourceVersion":"1","managedFields":[],"managed\u0046ields":[1]}}`))
	refused(t, err)
	unchanged := []byte(`{"metadata":{"name":"a"}}`)
	if got := wire.Cut(unchanged); &got[0] != &unchanged[0] {
		t.Error("what has none was copied")
	}
}

// jsonWriter writes JSON as nobody would: members in any order, keys escaped, with space between.
type jsonWriter struct {
	*rand.Rand
	bytes.Buffer
}

func (w *jsonWriter) space() {
	for w.IntN(3) == 0 {
		w.WriteByte(" \t\r\n"[w.IntN(4)])
	}
}

func (w *jsonWriter) key(key string) {
	w.WriteByte('"')
	for _, c := range key {
		switch {
		case c < ' ', c == '"', c == '\\', c < 0xffff && w.IntN(10) == 0:
			fmt.Fprintf(w, `\u%04x`, c)
		default:
			w.WriteRune(c)
		}
	}
	w.WriteByte('"')
}

func (w *jsonWriter) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		w.WriteByte('{')
		keys := slices.Sorted(maps.Keys(v))
		w.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		for i, key := range keys {
			if i > 0 {
				w.WriteByte(',')
			}
			w.space()
			w.key(key)
			w.space()
			w.WriteByte(':')
			w.space()
			w.value(v[key])
			w.space()
		}
		w.WriteByte('}')
	case []any:
		w.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				w.WriteByte(',')
			}
			w.space()
			w.value(item)
			w.space()
		}
		w.WriteByte(']')
	default:
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		w.Write(text)
	}
}

// However JSON is written, it decodes to the same without managedFields as if they were dropped after decoding, and
// what is left of it is what it was.
func TestCutJSONOrder(t *testing.T) {
	seed := newSeed(t)
	filler, random := newFiller(seed), rand.New(rand.NewPCG(seed, 5))
	kind, c := kindOf(t, reflect.TypeFor[*unstructured.Unstructured](), true)
	for range 60 {
		pod := fill(t, filler, reflect.TypeFor[corev1.Pod]()).(*corev1.Pod)
		pod.APIVersion, pod.Kind = "v1", "Pod"
		pod.ManagedFields = managedFields(random, random.IntN(3))
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
		if err != nil {
			t.Fatal(err)
		}
		w := &jsonWriter{Rand: random}
		w.value(content)
		full := w.Bytes()
		checkCut(t, kind, c, full)
		got := wire.Cut(full)
		head := 0
		for head < len(got) && got[head] == full[head] {
			head++
		}
		if !bytes.HasSuffix(full, got[head:]) {
			t.Fatalf("%s\nbecame %s", full, got)
		}
	}
}

// sameWithout checks what was cut against the decoder of the kind.
func sameWithout(t *testing.T, kind *wire.Kind, c *codec.Codec[any], full []byte) {
	var before, after wire.Meta
	if err := kind.Scan(full, &before); err != nil {
		refused(t, err)
		return
	}
	if bytes.HasPrefix(full, []byte("k8s\x00")) {
		return // it is cut when it is out of its envelope
	}
	got := wire.Cut(full)
	if err := kind.Scan(got, &after); err != nil {
		t.Fatalf("%q\nbecame %q: %v", full, got, err)
	}
	if before.Newer != after.Newer || !bytes.Equal(before.Name, after.Name) || len(before.Labels) != len(after.Labels) {
		t.Fatalf("%q\nbecame %q", full, got)
	}
	want, err := c.DecodeWire(full)
	if err != nil {
		t.Fatal(err)
	}
	left, err := c.DecodeWire(got)
	if err != nil {
		t.Fatalf("%q\nbecame %q: %v", full, got, err)
	}
	drop(want)
	if !reflect.DeepEqual(left, want) {
		t.Fatalf("%q\nbecame %q:\n%+v\nnot %+v", full, got, left, want)
	}
}

// drop drops the managedFields of an object that was decoded.
func drop(obj any) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		obj.(metav1.Object).SetManagedFields(nil)
		return
	}
	if metadata, ok := u.Object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
}

func FuzzCutProtobuf(f *testing.F) {
	kind, c := kindOf(f, reflect.TypeFor[*corev1.Pod](), true)
	for i, pod := range podList().Items {
		pod.ManagedFields = managedFields(rand.New(rand.NewPCG(1, 1)), i+1)
		seed, err := pod.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
		f.Add(slices.Concat(seed, seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || data[0] == '{' {
			return // the next target's
		}
		sameWithout(t, kind, c, data)
	})
}

func FuzzCutJSON(f *testing.F) {
	kind, c := kindOf(f, reflect.TypeFor[*unstructured.Unstructured](), true)
	for i, pod := range untyped(podList()).Items {
		pod.ManagedFields = managedFields(rand.New(rand.NewPCG(1, 1)), i+1)
		f.Add(encode(f, runtime.ContentTypeJSON, &pod))
	}
	f.Add([]byte(`{"metadata" : { "managed\u0046ields":[1] , "a":"\ud83d\ude00\ud800"}, "a":[1,-0.5e+10,true,null,{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || data[0] != '{' {
			return
		}
		sameWithout(t, kind, c, data)
	})
}

// Cutting allocates no more than the bytes that are left, and nothing where there is nothing to cut.
func TestCutAllocates(t *testing.T) {
	pod := podList().Items[0]
	for range 2 {
		protobuf, err := pod.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		text, err := utiljson.Marshal(&pod)
		if err != nil {
			t.Fatal(err)
		}
		for form, full := range map[string][]byte{"protobuf": protobuf, "JSON": text} {
			most := 0.0
			if pod.ManagedFields != nil {
				most = 3
			}
			if n := testing.AllocsPerRun(100, func() { wire.Cut(full) }); n > most {
				t.Errorf("%s: %v allocations for %d managedFields", form, n, len(pod.ManagedFields))
			}
		}
		pod.ManagedFields = managedFields(rand.New(rand.NewPCG(1, 1)), 2)
	}
}
