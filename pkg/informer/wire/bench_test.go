package wire_test

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/larder-dev/larder/pkg/informer/wire"
)

// What ingestion costs, beside the stock decoder in the same run:
//
//	go test -run '^$' -bench . -benchmem ./pkg/informer/wire

// realisticPods returns a list of Pods of some 7 KB each, of workloads of 50 Pods.
func realisticPods(n int) *corev1.PodList {
	list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	for i := range n {
		list.Items = append(list.Items, realisticPod(i))
	}
	return list
}

func realisticPod(i int) corev1.Pod {
	workload := fmt.Sprintf("service-%d", i/50)
	controller := true
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-5d8f7c9b6-%05x", workload, i*7919), GenerateName: workload + "-5d8f7c9b6-", Namespace: fmt.Sprintf("team-%d", i/1000),
			UID: types.UID(fmt.Sprintf("%08x-1234-4567-89ab-%012x", i*104729, i*7919)), ResourceVersion: fmt.Sprint(100000 + i*3),
			CreationTimestamp: metav1.Unix(1_750_000_000+int64(i), 0),
			Labels:            map[string]string{"app.kubernetes.io/name": workload, "pod-template-hash": "5d8f7c9b6", "team": "shop"},
			Annotations:       map[string]string{"kubernetes.io/config.source": "api", "prometheus.io/scrape": "true"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: workload + "-5d8f7c9b6", UID: types.UID("owner-of-" + workload), Controller: &controller,
			}},
		},
		Spec: corev1.PodSpec{NodeName: fmt.Sprintf("node-%d", i%97), ServiceAccountName: workload},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255), HostIP: fmt.Sprintf("192.168.0.%d", i%97),
		},
	}
	for c := range 3 {
		container := corev1.Container{Name: fmt.Sprintf("%s-%d", workload, c), Image: "registry.example.com/" + workload + ":v1.2.3", ImagePullPolicy: corev1.PullIfNotPresent}
		for e := range 12 {
			container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d_OF_%s", e, workload), Value: fmt.Sprintf("value-%d", e*c)})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, container)
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, Ready: true, ContainerID: fmt.Sprintf("containerd://%064x", i*31+c),
		})
	}
	for _, condition := range []corev1.PodConditionType{corev1.PodReady, corev1.PodScheduled, corev1.ContainersReady, corev1.PodInitialized} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Unix(1_750_000_010+int64(i), 0),
		})
	}
	fields := []byte("{}")
	for i := range 12 {
		fields = fmt.Appendf(nil, `{"f:%d":%s,"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{}}}}}`, i, fields)
	}
	for _, manager := range []string{"kube-controller-manager", "kubelet"} {
		pod.ManagedFields = append(pod.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1",
			Time: &metav1.Time{Time: pod.CreationTimestamp.Time}, FieldsV1: metav1.NewFieldsV1(string(fields)),
		})
	}
	return pod
}

// One Pod is scanned, packed with its siblings, or decoded.
func BenchmarkPod(b *testing.B) {
	pods := realisticPods(1000).Items
	wires := make([][]byte, len(pods))
	for i := range pods {
		var err error
		if wires[i], err = pods[i].Marshal(); err != nil {
			b.Fatal(err)
		}
	}
	kind, _ := newKind(b, podGVK, wire.KindOptions[*corev1.Pod]{Fields: []wire.Field{{"spec", "nodeName"}}})
	run := func(name string, one func(wire []byte) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(wires[0])))
			for i := 0; b.Loop(); i++ {
				if err := one(wires[i%len(wires)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	var m wire.Meta
	run("scan", func(bytes []byte) error { return kind.Scan(bytes, &m) })
	run("object", func(bytes []byte) error { _, err := kind.Object(bytes); return err })
	run("stock", func(bytes []byte) error { return new(corev1.Pod).Unmarshal(bytes) })
}

// A list of 5,000 Pods is read. The metric is what the list takes on the heap, with its dictionaries.
func BenchmarkList(b *testing.B) {
	const n = 5000
	list := realisticPods(n)
	for _, contentType := range []string{kruntime.ContentTypeProtobuf, kruntime.ContentTypeJSON} {
		data := encode(b, contentType, list)
		goType := reflect.TypeFor[*corev1.Pod]()
		var stockDecoder kruntime.Decoder = stock(contentType).Serializer
		if contentType == kruntime.ContentTypeJSON {
			goType, stockDecoder = reflect.TypeFor[*unstructured.Unstructured](), unstructured.UnstructuredJSONScheme
		}
		name := contentType[len("application/"):]
		b.Run(name+"/wire", func(b *testing.B) {
			measure(b, n, data, func() (any, error) {
				kind, err := wire.BareKind(podGVK, goType)
				if err != nil {
					return nil, err
				}
				return kind.ReadList(bytes.NewReader(data))
			})
		})
		b.Run(name+"/stock", func(b *testing.B) {
			measure(b, n, data, func() (any, error) { return kruntime.Decode(stockDecoder, data) })
		})
	}
}

func measure(b *testing.B, n int, data []byte, read func() (any, error)) {
	b.ReportAllocs()
	before := heap()
	list, err := read()
	if err != nil {
		b.Fatal(err)
	}
	live := float64(heap()-before) / float64(n)
	runtime.KeepAlive(list)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := read(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(live, "B-live/object")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
