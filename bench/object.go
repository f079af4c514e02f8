package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/larder-dev/larder/bench/pods"
	"github.com/larder-dev/larder/pkg/informer"
)

// Every store has the same two indexes.
const (
	byNamespace = "namespace"
	byNode      = "node"
)

// Shape is what stores have to know of the objects that they hold. All are given the same functions.
type Shape[T any] struct {
	Key     func(T) string
	Indexes map[string]func(T) string // of one value an object, which each store is given in its own way
	Same    func(prev, next T) bool   // no change worth telling
}

// podShape is that of Pods in an informer.
var podShape = Shape[*corev1.Pod]{
	Key: func(p *corev1.Pod) string { return informer.Key(p.Namespace, p.Name) },
	Indexes: map[string]func(*corev1.Pod) string{
		byNamespace: func(p *corev1.Pod) string { return p.Namespace },
		byNode:      func(p *corev1.Pod) string { return p.Spec.NodeName },
	},
	Same: func(prev, next *corev1.Pod) bool {
		return prev.ResourceVersion == next.ResourceVersion && prev.UID == next.UID
	},
}

// item is an object so small that a million of them fit everywhere.
type item struct {
	key, namespace, node string
	version              int
}

var itemShape = Shape[*item]{
	Key: func(i *item) string { return i.key },
	Indexes: map[string]func(*item) string{
		byNamespace: func(i *item) string { return i.namespace },
		byNode:      func(i *item) string { return i.node },
	},
	Same: func(prev, next *item) bool { return prev.version == next.version },
}

// Versions are the same objects in two states, which stores are given in turn.
type Versions[T any] struct {
	Shape[T]
	First, Second []T
	keys          []string
}

// podVersions makes Pods. Those of the second state share with the first what stores never look at.
func podVersions(count int) *Versions[*corev1.Pod] {
	v := &Versions[*corev1.Pod]{
		Shape: podShape,
		First: slices.Collect(pods.NewCluster(pods.Options{Count: count}).Pods()),
	}
	for i, p := range v.First {
		next := *p
		next.ResourceVersion = strconv.Itoa(2_000_000 + i)
		v.Second = append(v.Second, &next)
	}
	return v
}

// itemVersions makes items: 1,000 to a namespace, 50 to a node.
func itemVersions(count int) *Versions[*item] {
	v := &Versions[*item]{Shape: itemShape}
	for i := range count {
		namespace := fmt.Sprintf("team-%03d", i/1000)
		one := item{
			key:       fmt.Sprintf("%s/object-%d", namespace, i),
			namespace: namespace,
			node:      nodeOf(i, count),
		}
		two := one
		two.version = 1
		v.First = append(v.First, &one)
		v.Second = append(v.Second, &two)
	}
	return v
}

// nodeOf spreads items over the nodes, 50 to each.
func nodeOf(i, count int) string { return "node-" + strconv.Itoa(i%max(1, count/50)) }

// Lookups returns all objects in the order in which they are got.
func (v *Versions[T]) Lookups() []T { return shuffled(v.First) }

// shuffled returns objects in any order, but the same in every run. Neighbours in it are not neighbours in a store.
func shuffled[T any](objects []T) []T {
	objects = slices.Clone(objects)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
	return objects
}

// Keys returns the keys of Lookups, always the same slice. They are strings of their own: whoever gets an object
// has just made its key, and has it at hand.
func (v *Versions[T]) Keys() []string {
	if v.keys == nil {
		for _, obj := range v.Lookups() {
			v.keys = append(v.keys, strings.Clone(v.Key(obj)))
		}
	}
	return v.keys
}

// Changes returns a function that returns the next change of an object, again and again, for a store that
// holds the first state of all. It is always a change.
func (v *Versions[T]) Changes() func() T {
	i := 0
	states := [2][]T{v.Second, v.First}
	return func() T {
		obj := states[i/len(v.First)%2][i%len(v.First)]
		i++
		return obj
	}
}
