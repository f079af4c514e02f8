package core

import (
	"errors"
	"iter"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/larder-dev/larder/pkg/gomap"
)

// The indexes that Find makes for itself when they are first needed. No index of a user can
// have these names.
const (
	NamespaceIndex = "\x00namespace"
	labelIndex     = "\x00labels"
)

// NamespaceOf returns the namespace that a key says, as the values of an index.
func NamespaceOf(key string) []string {
	namespace, _, found := strings.Cut(key, "/")
	if !found {
		namespace = ""
	}
	return []string{namespace}
}

// Find yields the objects of a namespace, or all if it is "", that a selector lets in and
// that meet all of the conditions, in no particular order. A nil selector lets in everything.
// What an index of labels cannot tell is asked of the metadata of each object that is left;
// an object whose metadata cannot be read is reported and left out.
func (i *Informer) Find(namespace string, selector labels.Selector, where ...gomap.Condition) (iter.Seq2[string, Value], error) {
	if namespace != "" {
		if err := i.need(NamespaceIndex, Index{Key: NamespaceOf}); err != nil {
			return nil, err
		}
		where = append(where, gomap.Is(NamespaceIndex, namespace))
	}
	answered := true
	if selector != nil {
		var conditions []gomap.Condition
		if conditions, answered = labelConditions(selector); len(conditions) > 0 {
			if err := i.need(labelIndex, Index{Labels: true}); err != nil {
				return nil, err
			}
		}
		where = append(where, conditions...)
	}
	found, err := i.objects.Select(where...)
	if err != nil || answered {
		return found, err
	}
	return func(yield func(string, Value) bool) {
		for key, v := range found {
			if i.matches(key, v, selector) && !yield(key, v) {
				return
			}
		}
	}, nil
}

// need makes an index, if there is none.
func (i *Informer) need(name string, ix Index) error {
	if _, err := i.objects.ByIndex(name, ""); !errors.Is(err, gomap.ErrIndexNotFound) {
		return err
	}
	if err := i.objects.AddIndex(name, ix); !errors.Is(err, gomap.ErrIndexExists) {
		return err
	}
	return nil // somebody else was faster
}

// matches tells whether a selector lets an object in.
func (i *Informer) matches(key string, v Value, selector labels.Selector) bool {
	obj, err := i.objects.Open(v, Metadata)
	if err != nil {
		i.Report(key, err)
		return false
	}
	m, err := meta.Accessor(obj)
	return err == nil && selector.Matches(labels.Set(m.GetLabels()))
}

// labelConditions returns what of a selector an index of labels can tell, and whether that is
// all of it.
func labelConditions(selector labels.Selector) (where []gomap.Condition, all bool) {
	requirements, selectable := selector.Requirements()
	if !selectable {
		return []gomap.Condition{gomap.In(labelIndex)}, true // nothing
	}
	all = true
	for _, r := range requirements {
		switch r.Operator() {
		case selection.Equals, selection.DoubleEquals, selection.In:
			where = append(where, gomap.LabelIn(labelIndex, r.Key(), r.Values().UnsortedList()...))
		case selection.Exists:
			where = append(where, gomap.HasLabel(labelIndex, r.Key()))
		case selection.GreaterThan, selection.LessThan:
			where = append(where, gomap.HasLabel(labelIndex, r.Key()))
			all = false
		case selection.NotIn, selection.NotEquals, selection.DoesNotExist:
			all = false // an index knows what there is, not what is missing
		}
	}
	return where, all
}
