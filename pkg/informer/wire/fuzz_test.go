package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	restwatch "k8s.io/client-go/rest/watch"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
)

// The fuzz targets hold one invariant: what this package accepts, the stock decoder accepts too, and reads the same.
// It may refuse what the stock decoder accepts, if no server sends it.

// stock returns client-go's decoder of a content type.
func stock(contentType string) runtime.SerializerInfo {
	info, ok := runtime.SerializerInfoForMediaType(serializer.NewCodecFactory(scheme.Scheme).WithoutConversion().SupportedMediaTypes(), contentType)
	if !ok {
		panic("client-go knows nothing of " + contentType)
	}
	return info
}

// encode returns an object as a server sends it.
func encode(t testing.TB, contentType string, obj runtime.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := stock(contentType).Serializer.Encode(obj, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// podList returns a list of small Pods.
func podList() *corev1.PodList {
	controller := true
	return &corev1.PodList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"},
		ListMeta: metav1.ListMeta{ResourceVersion: "9", Continue: "c"},
		Items: []corev1.Pod{
			{ObjectMeta: metav1.ObjectMeta{
				Name: "a", Namespace: "n", UID: "u", ResourceVersion: "1", GenerateName: "g", Generation: 2, Labels: map[string]string{"k": "v"},
				CreationTimestamp: metav1.Unix(1, 0), OwnerReferences: []metav1.OwnerReference{{UID: "o", Controller: &controller}},
			}, Spec: corev1.PodSpec{NodeName: "x"}},
			{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "n", ResourceVersion: "2"}},
		},
	}
}

// untyped has apiVersion and kind set in the items, as lists of custom resources have.
func untyped(list *corev1.PodList) *corev1.PodList {
	for i := range list.Items {
		list.Items[i].APIVersion, list.Items[i].Kind = "v1", "Pod"
	}
	return list
}

// refused checks that an error is one of bytes.
func refused(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*wire.MalformedError](err); !ok && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%v (%T)", err, err)
	}
}

func FuzzScanProtobuf(f *testing.F) {
	kind, c := newKind(f, podGVK, wire.KindOptions[*corev1.Pod]{Fields: []wire.Field{{"spec", "nodeName"}}})
	for _, pod := range podList().Items {
		seed, err := pod.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
		f.Add(encode(f, runtime.ContentTypeProtobuf, &pod))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m wire.Meta
		if err := kind.Scan(data, &m); err != nil {
			refused(t, err)
			return
		}
		if data := bytes.TrimLeft(data, " "); len(data) > 0 && data[0] == '{' {
			return // the next target's
		}
		pod, err := c.DecodeWire(data)
		if err != nil {
			t.Fatal(err)
		}
		check(t, &m, pod)
		if name := pod.Spec.NodeName; name != "" && (len(m.Values) == 0 || string(m.Values[len(m.Values)-1].Value) != name) {
			t.Errorf("nodeName is %v, not %q", m.Values, name)
		}
	})
}

func FuzzScanJSON(f *testing.F) {
	kind, c := newKind(f, podGVK, wire.KindOptions[*unstructured.Unstructured]{})
	for _, pod := range untyped(podList()).Items {
		f.Add(encode(f, runtime.ContentTypeJSON, &pod))
	}
	f.Add([]byte(`{"metadata":{"n\u0061me":"\ud83d\ude00\ud800","labels":{"a":null}},"a":[1,-0.5e+10,true,null,{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m wire.Meta
		if err := kind.Scan(data, &m); err != nil {
			refused(t, err)
			return
		}
		obj, err := c.DecodeWire(data)
		if err != nil {
			t.Fatal(err)
		}
		metadata, _ := obj.Object["metadata"].(map[string]any)
		if !utf8Keys(metadata) {
			return
		}
		var partial metav1.PartialObjectMetadata
		if err := utiljson.Unmarshal(data, &partial); err != nil {
			t.Skip("metadata that is not scanned is of another type")
		}
		check(t, &m, &partial)
	})
}

// utf8Keys tells whether no two keys of labels could have become one.
func utf8Keys(metadata map[string]any) bool {
	labels, _ := metadata["labels"].(map[string]any)
	for key := range labels {
		if bytes.ContainsRune([]byte(key), '\ufffd') {
			return false
		}
	}
	return true
}

func FuzzListProtobuf(f *testing.F) {
	kind, c := newKind(f, podGVK, wire.KindOptions[*corev1.Pod]{})
	f.Add(encode(f, runtime.ContentTypeProtobuf, podList()))
	f.Add(encode(f, runtime.ContentTypeProtobuf, &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := kind.ReadList(bytes.NewReader(data))
		if err != nil {
			refused(t, err)
			return
		}
		if data[0] == '{' {
			return // the next target's
		}
		if list.Kind != "PodList" {
			return // the stock decoder knows no other name
		}
		obj, err := runtime.Decode(stock(runtime.ContentTypeProtobuf).Serializer, data)
		if err != nil {
			t.Fatal(err)
		}
		want := obj.(*corev1.PodList)
		if len(want.Items) != len(list.Items) || !reflect.DeepEqual(want.ListMeta, list.ListMeta) {
			t.Fatalf("got %d items, %+v\nnot %d, %+v", len(list.Items), list.ListMeta, len(want.Items), want.ListMeta)
		}
		for i, item := range list.Items {
			got, err := wire.Decode(c, item)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, &want.Items[i]) {
				t.Fatalf("item %d is %+v\nnot %+v", i, got, want.Items[i])
			}
		}
	})
}

func FuzzListJSON(f *testing.F) {
	kind, c := newKind(f, podGVK, wire.KindOptions[*unstructured.Unstructured]{})
	f.Add(encode(f, runtime.ContentTypeJSON, podList()))
	f.Add(encode(f, runtime.ContentTypeJSON, untyped(podList())))
	f.Add([]byte(`{"apiVersion":"v1","items":[],"kind":"PodList","metadata":{"resourceVersion":"1"}}`))
	f.Add([]byte(` { "items" : null , "kind":"PodList","apiVersion":"v1", "x":[1 , 2] } `))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := kind.ReadList(bytes.NewReader(data))
		if err != nil {
			refused(t, err)
			return
		}
		var want struct {
			metav1.TypeMeta
			Items []map[string]any `json:"items"`
		}
		if err := utiljson.Unmarshal(data, &want); err != nil {
			t.Fatalf("read what is: %v", err)
		}
		if len(want.Items) != len(list.Items) {
			t.Fatalf("got %d items, not %d", len(list.Items), len(want.Items))
		}
		for i, item := range list.Items {
			got, err := wire.Decode(c, item)
			if err != nil {
				t.Fatal(err)
			}
			want.Items[i]["apiVersion"], want.Items[i]["kind"] = "v1", "Pod" // where they were not
			if !reflect.DeepEqual(got.Object, want.Items[i]) || item.GetName() != got.GetName() || item.GetResourceVersion() != got.GetResourceVersion() {
				t.Fatalf("item %d is %+v\nnot %+v", i, got.Object, want.Items[i])
			}
		}
	})
}

// frames returns a watch as a server sends it.
func frames(t testing.TB, contentType string) []byte {
	t.Helper()
	info := stock(contentType)
	var b bytes.Buffer
	w := streaming.NewEncoder(info.StreamSerializer.NewFrameWriter(&b), info.StreamSerializer.Serializer)
	pods := untyped(podList()).Items
	send := func(event watch.EventType, obj runtime.Object) {
		e := &metav1.WatchEvent{Type: string(event), Object: runtime.RawExtension{Raw: encode(t, contentType, obj)}}
		if err := w.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	send(watch.Added, &pods[0])
	send(watch.Modified, &pods[1])
	send(watch.Bookmark, &corev1.Pod{TypeMeta: pods[0].TypeMeta, ObjectMeta: metav1.ObjectMeta{
		ResourceVersion: "8", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
	}})
	send(watch.Deleted, &pods[0])
	send(watch.Error, &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Code: 410, Reason: metav1.StatusReasonExpired})
	return b.Bytes()
}

// event is what is compared of an event.
type event struct {
	Type    watch.EventType
	Object  any
	Version string
	End     bool
}

func FuzzWatchProtobuf(f *testing.F) {
	kind, c := newKind(f, podGVK, wire.KindOptions[*corev1.Pod]{})
	f.Add(frames(f, runtime.ContentTypeProtobuf))
	f.Fuzz(func(t *testing.T, data []byte) { compareWatch(t, kind, c, runtime.ContentTypeProtobuf, data) })
}

func FuzzWatchJSON(f *testing.F) {
	kind, c := newKind(f, podGVK, wire.KindOptions[*unstructured.Unstructured]{})
	f.Add(frames(f, runtime.ContentTypeJSON))
	f.Add([]byte(`{"x":1,"object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"1"}},"type":"ADDED"} {"type":"X"}`))
	f.Fuzz(func(t *testing.T, data []byte) { compareWatch(t, kind, c, runtime.ContentTypeJSON, data) })
}

// compareWatch checks that the events of a watch are the first that the stock decoders read of it.
func compareWatch[T metav1.Object](t *testing.T, kind *wire.Kind, c *codec.Codec[T], contentType string, data []byte) {
	var got, want []event
	err := kind.Events(contentType, io.NopCloser(bytes.NewReader(data)), func(e watch.EventType, obj runtime.Object) {
		got = append(got, eventOf(t, c, e, obj))
	})
	if err == nil {
		t.Fatal("a watch never ends without an error")
	}
	info := stock(contentType)
	var objects runtime.Decoder = info.Serializer
	if contentType == runtime.ContentTypeJSON {
		objects = unstructured.UnstructuredJSONScheme
	}
	d := restwatch.NewDecoder(streaming.NewDecoder(info.StreamSerializer.NewFrameReader(io.NopCloser(bytes.NewReader(data))), info.StreamSerializer.Serializer), objects)
	for {
		e, obj, err := d.Decode()
		if err != nil {
			break
		}
		want = append(want, eventOf(t, c, e, obj))
	}
	if len(got) > len(want) || len(got) > 0 && !reflect.DeepEqual(got, want[:len(got)]) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Fatalf("got  %s\nwant %s", g, w)
	}
}

func eventOf[T metav1.Object](t *testing.T, c *codec.Codec[T], e watch.EventType, obj runtime.Object) event {
	o, ok := obj.(metav1.Object)
	if e == watch.Error || !ok {
		return event{Type: e}
	}
	if e == watch.Bookmark {
		return event{Type: e, Version: o.GetResourceVersion(), End: o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"}
	}
	var content any = o
	if packed, ok := obj.(*wire.Object); ok {
		decoded, err := wire.Decode(c, packed)
		if err != nil {
			t.Fatal(err)
		}
		content = decoded
	}
	if pod, ok := content.(*corev1.Pod); ok {
		pod.TypeMeta = metav1.TypeMeta{}
	}
	return event{Type: e, Object: content, Version: o.GetResourceVersion()}
}
