package wire_test

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/larder-dev/larder/pkg/informer/wire"
)

// newer is a field that no type has.
var newer = appendField(nil, 1999, []byte("newer"))

// isNewer tells whether bytes have fields that the type lacks, which Scan and Object have to agree on.
func isNewer(t *testing.T, kind *wire.Kind, b []byte) bool {
	t.Helper()
	var m wire.Meta
	if err := kind.Scan(b, &m); err != nil {
		t.Fatal(err)
	}
	o, err := kind.Object(b)
	if err != nil {
		t.Fatal(err)
	}
	if o.Newer() != m.Newer {
		t.Fatalf("the object says %t, and the scan %t", o.Newer(), m.Newer)
	}
	return m.Newer
}

// Of any built-in kind, bytes of a server that knows more of it than the Go type are told apart from those of one that
// does not. JSON lacks nothing, however it is decoded.
func TestNewerBuiltIn(t *testing.T) {
	filler := newFiller(newSeed(t))
	for gvk, goType := range builtIns() {
		kind, err := wire.BareKind(gvk, reflect.PointerTo(goType))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			obj := fill(t, filler, goType)
			obj.SetManagedFields([]metav1.ManagedFieldsEntry{{FieldsV1: metav1.NewFieldsV1("{}")}})
			full, err := obj.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if isNewer(t, kind, full) {
				t.Errorf("%v: it has what its own type wrote", gvk)
			}
			parts := fields(t, full)
			for at := range len(parts) + 1 {
				if !isNewer(t, kind, slices.Concat(slices.Insert(slices.Clone(parts), at, newer)...)) {
					t.Errorf("%v: a field that is unknown at place %d was not noticed", gvk, at)
				}
			}
			text, err := json.Marshal(obj)
			if err != nil {
				t.Fatal(err)
			}
			text = append([]byte(`{"newer":{"a":[1]},`), text[1:]...)
			if isNewer(t, kind, text) {
				t.Errorf("%v: JSON has everything", gvk)
			}
		}
	}
}

// nested returns a message in fields of the numbers, the outermost first.
func nested(message []byte, numbers ...int) []byte {
	for _, number := range slices.Backward(numbers) {
		message = appendField(nil, number, message)
	}
	return message
}

// An unknown field is noticed wherever it is: in metadata, in lists and deep down, also where only the metadata is
// asked for.
func TestNewerNested(t *testing.T) {
	metadata := nested([]byte("1"), 6) // resourceVersion
	metadata = append(metadata, nested([]byte("a"), 1)...)
	pod := nested(metadata, 1)
	kind, _ := newKind(t, podGVK, wire.KindOptions[*corev1.Pod]{})
	partial, _ := newKind(t, podGVK, wire.KindOptions[*metav1.PartialObjectMetadata]{})
	if isNewer(t, kind, pod) || isNewer(t, partial, pod) {
		t.Error("there is nothing new in it")
	}
	quantity := append(nested([]byte("cpu"), 1), nested(nested([]byte("1"), 1), 2)...) // an entry of a ResourceList
	if isNewer(t, kind, append(slices.Clone(pod), nested(quantity, 2, 2, 8, 1)...)) {
		t.Error("there is nothing new in a quantity")
	}
	for name, path := range map[string][]int{
		"metadata": {1}, "an owner": {1, 13}, "managedFields": {1, 17}, "spec": {2}, "a container": {2, 2},
		"a port of a container": {2, 2, 6}, "a condition": {3, 2},
	} {
		b := append(slices.Clone(pod), nested(newer, path...)...)
		if !isNewer(t, kind, b) {
			t.Errorf("a field in %s was not noticed", name)
		}
		if path[0] == 1 && !isNewer(t, partial, b) {
			t.Errorf("a field in %s of the metadata alone was not noticed", name)
		}
	}
}

// What a transform makes of an object that has more than its type is still known to lack something.
func TestNewerTransformed(t *testing.T) {
	kept, _ := newKind(t, podGVK, wire.KindOptions[*corev1.Pod]{
		DropManagedFields: true,
		Transform:         func(pod *corev1.Pod) (*corev1.Pod, error) { pod.Labels = nil; return pod, nil },
	})
	for _, pod := range podList().Items {
		full, err := pod.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{full, append(slices.Clone(full), newer...)} {
			o, err := kept.Object(b)
			if err != nil {
				t.Fatal(err)
			}
			if want := len(b) > len(full); o.Newer() != want {
				t.Errorf("the result of the transform says %t, want %t", o.Newer(), want)
			}
		}
	}
}

// Lists and watches tell of each object whether it is newer.
func TestNewerInLists(t *testing.T) {
	kind, _ := newKind(t, podGVK, wire.KindOptions[*corev1.Pod]{})
	untyped, _ := newKind(t, podGVK, wire.KindOptions[*unstructured.Unstructured]{})
	items := podList().Items
	one, err := items[0].Marshal()
	if err != nil {
		t.Fatal(err)
	}
	two, err := items[1].Marshal()
	if err != nil {
		t.Fatal(err)
	}
	list := slices.Concat(nested([]byte("9"), 1, 2), nested(one, 2), nested(append(two, newer...), 2))
	envelope := append([]byte("k8s\x00"), nested(append(nested([]byte("v1"), 1), nested([]byte("PodList"), 2)...), 1)...)
	got, err := kind.ReadList(bytes.NewReader(append(envelope, nested(list, 2)...)))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Items) != 2 || got.Items[0].Newer() || !got.Items[1].Newer() {
		t.Errorf("the second of %v is newer", got.Items)
	}
	err = untyped.Events(runtime.ContentTypeJSON, io.NopCloser(bytes.NewReader(frames(t, runtime.ContentTypeJSON))), func(_ watch.EventType, obj runtime.Object) {
		if o, ok := obj.(*wire.Object); ok && o.Newer() {
			t.Errorf("%v in JSON is newer", o)
		}
	})
	if err == nil {
		t.Error("a watch never ends without an error")
	}
}
