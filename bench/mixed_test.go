package main

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/bench/pods"
)

// What is beside the Pods is the same in every run: every workload's objects once, and every node.
func TestCompanions(t *testing.T) {
	first, again := allCompanions(), allCompanions()
	if !equality.Semantic.DeepEqual(first, again) {
		t.Error("two runs have other objects")
	}
	counts, names := map[string]int{}, map[string]bool{}
	for _, obj := range first {
		kind := fmt.Sprintf("%T", obj)
		name := kind + " " + obj.GetNamespace() + "/" + obj.GetName()
		if names[name] {
			t.Errorf("there are two of %s", name)
		}
		names[name] = true
		counts[kind]++
	}
	const workloads, nodes = 100, 10
	want := map[string]int{
		"*v1.Service": workloads, "*v1.EndpointSlice": workloads, "*v1.ConfigMap": workloads, "*v1.Secret": 3 * workloads,
		"*v1.Lease": workloads + nodes, "*v1.Node": nodes,
	}
	for kind, n := range want {
		if counts[kind] != n {
			t.Errorf("%d of %s, want %d", counts[kind], kind, n)
		}
	}
	if d := counts["*v1.Deployment"]; d == 0 || counts["*v1.ReplicaSet"] != 3*d || len(counts) != len(want)+2 {
		t.Errorf("the objects are %v", counts)
	}
}

func allCompanions() (all []client.Object) {
	const count = 500
	beside, made := companions{nodes: map[string]bool{}}, 0
	for pod := range pods.NewCluster(pods.Options{Count: count, Workloads: count / 5}).Pods() {
		made++
		all = append(all, beside.of(pod, made == count)...)
	}
	return all
}
