package mirror

import (
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A plan is what has to be done for one source, as far as the cache knows.
type plan struct {
	create  []string            // namespaces without a copy
	update  []*corev1.ConfigMap // copies that differ
	remove  []*corev1.ConfigMap // copies that should not be, or that can only be made anew
	taken   []string            // namespaces where the name is taken
	current int                 // copies that are as they should be
}

// makePlan compares the namespaces that match the source's selector with what is in
// them, and with all copies that there are. at returns the ConfigMap of the
// source's name in a namespace.
func makePlan(
	source *corev1.ConfigMap,
	matching iter.Seq[*metav1.PartialObjectMetadata],
	copies iter.Seq[*corev1.ConfigMap],
	at func(namespace string) (*corev1.ConfigMap, bool),
) plan {
	var p plan
	wanted := make(map[string]bool)
	for ns := range matching {
		if ns.Name == source.Namespace {
			continue // the source itself is there
		}
		wanted[ns.Name] = true
		if ns.DeletionTimestamp == nil {
			found, exists := at(ns.Name)
			p.add(source, ns.Name, found, exists)
		}
	}
	for c := range copies {
		if !wanted[c.Namespace] {
			p.remove = append(p.remove, c)
		}
	}
	slices.Sort(p.create)
	slices.Sort(p.taken)
	return p
}

// add adds what has to be done in one namespace, where found is what has the
// source's name.
func (p *plan) add(source *corev1.ConfigMap, namespace string, found *corev1.ConfigMap, exists bool) {
	if !exists {
		p.create = append(p.create, namespace)
		return
	}
	of, isCopy := sourceOf(found)
	switch {
	case !isCopy || of != requestFor(source).NamespacedName:
		p.taken = append(p.taken, namespace)
	case found.DeletionTimestamp != nil:
		// Somebody's finalizer holds the copy; when it is gone there is room for a new one.
	case frozen(found):
		p.remove = append(p.remove, found)
	case equal(found, source):
		p.current++
	default:
		p.update = append(p.update, found)
	}
}
