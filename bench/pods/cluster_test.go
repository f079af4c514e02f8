package pods_test

import (
	"encoding/json"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/larder-dev/larder/bench/pods"
)

// A cluster has what was asked for, and its Pods are as large as real ones.
func TestCluster(t *testing.T) {
	const count = 4000
	cluster := pods.NewCluster(pods.Options{Count: count})
	names := map[types.NamespacedName]bool{}
	namespaces, nodes, owners := map[string]int{}, map[string]int{}, map[types.UID]int{}
	bytes := 0
	for p := range cluster.Pods() {
		names[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = true
		namespaces[p.Namespace]++
		nodes[p.Spec.NodeName]++
		owners[p.OwnerReferences[0].UID]++
		bytes += p.Size()
		for _, m := range p.ManagedFields {
			if !json.Valid(m.FieldsV1.GetRawBytes()) {
				t.Fatalf("%s/%s: the fields of %s are not JSON: %s", p.Namespace, p.Name, m.Manager, m.FieldsV1.GetRawString())
			}
		}
	}
	if len(names) != count {
		t.Errorf("%d names for %d Pods", len(names), count)
	}
	if len(namespaces) != 4 || len(owners) != 20 || len(nodes) != 80 {
		t.Errorf("%d namespaces, %d workloads, %d nodes, want 4, 20, 80", len(namespaces), len(owners), len(nodes))
	}
	for namespace, n := range namespaces {
		if n != 1000 {
			t.Errorf("namespace %s has %d Pods, want 1000", namespace, n)
		}
	}
	if mean := bytes / count; mean < 6500 || mean > 7500 {
		t.Errorf("a Pod has %d bytes on the wire on average, want about 7,000", mean)
	}
}

// The same options make the same Pods, another seed makes others.
func TestSeed(t *testing.T) {
	options := pods.Options{Count: 100, Workloads: 7}
	other := options
	other.Seed = 1
	first, again := all(options), all(options)
	if !equality.Semantic.DeepEqual(first, again) {
		t.Error("the same options make other Pods")
	}
	for i, p := range all(other) {
		if equality.Semantic.DeepEqual(p, first[i]) {
			t.Errorf("Pod %d is the same with another seed", i)
		}
	}
}

// Nothing is shared: whoever changes a Pod changes no other.
func TestPodsShareNothing(t *testing.T) {
	both := all(pods.Options{Count: 2})
	changed, other := both[0], both[1]
	untouched := other.DeepCopy()
	clear(changed.Labels)
	changed.Spec.Containers[0].Env[0].Name = "CHANGED"
	changed.Spec.Tolerations[0] = corev1.Toleration{}
	changed.ManagedFields[0].FieldsV1.SetRawString("{}")
	if !equality.Semantic.DeepEqual(other, untouched) {
		t.Error("a change of one Pod shows in another")
	}
}

// A cluster may be of no Pods at all.
func TestEmpty(t *testing.T) {
	if n := len(all(pods.Options{})); n != 0 {
		t.Errorf("%d Pods in a cluster of none", n)
	}
}

func all(o pods.Options) []*corev1.Pod { return slices.Collect(pods.NewCluster(o).Pods()) }
