package informer

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/store"
)

// ListSelected returns the objects of a namespace, or of all if it is empty, that a label
// selector lets in, in the order of their keys; a nil selector lets in everything. It needs no
// index of the caller's: the informer makes one by namespace and one by labels when they are
// first asked for, which decodes nothing, and afterwards decodes only what it returns. The
// objects are shared: treat them as immutable.
func (i *Informer[T]) ListSelected(namespace string, selector labels.Selector) []T {
	found, err := i.core.Find(namespace, selector)
	if err != nil {
		i.core.Report("", err)
		return nil
	}
	var pairs []store.KeyValue[core.Value]
	for key, v := range found {
		pairs = append(pairs, store.KeyValue[core.Value]{Key: key, Value: v})
	}
	slices.SortFunc(pairs, func(a, b store.KeyValue[core.Value]) int { return cmp.Compare(a.Key, b.Key) })
	return i.list(pairs)
}

// list returns the objects of values.
func (i *Informer[T]) list(pairs []store.KeyValue[core.Value]) []T {
	list := make([]T, 0, len(pairs))
	for obj := range core.Opened(i.core, pairs, i.form) {
		if value, ok := obj.(T); ok {
			list = append(list, value)
		}
	}
	return list
}
