// Package pods makes up the Pods of a cluster, for benchmarks: as large, as deep and as much alike as real
// ones, and the same in every run.
package pods

import (
	"fmt"
	"iter"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
)

// Options says what a cluster is like. The zero value of each field but Count is good.
type Options struct {
	// Count is the number of Pods.
	Count int
	// Namespaces is the number of namespaces, of equally many Pods. Default: one for 1,000 Pods.
	Namespaces int
	// Workloads is the number of owners: Deployments, StatefulSets, DaemonSets and Jobs, each in one
	// namespace. Default: one for 200 Pods.
	Workloads int
	// Nodes is the number of nodes. Default: one for 50 Pods.
	Nodes int
	// Seed makes another cluster of the same size.
	Seed uint64
}

// Cluster knows what each of its Pods looks like. It holds no Pods.
type Cluster struct {
	options Options
}

// NewCluster returns the cluster of the options.
func NewCluster(o Options) *Cluster {
	o.Count = max(o.Count, 0)
	byDefault(&o.Namespaces, o.Count/1000)
	byDefault(&o.Workloads, o.Count/200)
	byDefault(&o.Nodes, o.Count/50)
	o.Workloads = max(o.Workloads, o.Namespaces)
	return &Cluster{options: o}
}

func byDefault(option *int, value int) {
	if *option <= 0 {
		*option = max(value, 1)
	}
}

// Pods yields the Pods one after another, each a new one, of which nothing is shared with others, as if it had
// been decoded from the wire. Pods of a workload follow each other.
func (c *Cluster) Pods() iter.Seq[*corev1.Pod] {
	return func(yield func(*corev1.Pod) bool) {
		o := c.options
		var t *template
		made := -1
		for i := range o.Count {
			if workload := i * o.Workloads / o.Count; workload != made {
				t = newTemplate(rand.New(rand.NewPCG(o.Seed, uint64(workload))), workload, c.namespace(workload))
				made = workload
			}
			pod := t.pod(rand.New(rand.NewPCG(o.Seed+1, uint64(i))), i, o.Nodes)
			if !yield(decoded(pod)) {
				return
			}
		}
	}
}

// namespace returns the namespace of a workload.
func (c *Cluster) namespace(workload int) string {
	return fmt.Sprintf("team-%03d", workload*c.options.Namespaces/c.options.Workloads)
}

// decoded returns the Pod that a client has once it read p from an API server.
func decoded(p *corev1.Pod) *corev1.Pod {
	wire, err := p.Marshal()
	if err != nil {
		panic(err) // a Pod that was built from plain values can be marshalled
	}
	read := &corev1.Pod{}
	if err := read.Unmarshal(wire); err != nil {
		panic(err) // it was marshalled just now
	}
	return read
}
