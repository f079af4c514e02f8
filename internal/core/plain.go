package core

import (
	"errors"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// errNotPacked is the reason why there is no index by a path.
var errNotPacked = errors.New("objects are not packed as the API server sends them: use an index function, or another Budget than Plain")

// plainObjects has objects as they are.
type plainObjects struct {
	objects[any]
	store   *gomap.MemStore[any]
	kind    Kind
	onShare func(any)

	transform func(any) (any, error) // of what is made in another form; nil: none
}

// newPlainObjects returns an empty store. Writes of objects that are equal are no changes.
// onShare is told of each object that has arrived.
func newPlainObjects(name string, kind Kind, equal func(prev, next any) bool, onShare func(any)) *plainObjects {
	s := gomap.NewMemStore(store.StoreOptions[any]{CompareFn: equal})
	return &plainObjects{store: s, kind: kind, onShare: onShare, objects: objects[any]{name: name, tables: s, value: plainValue}}
}

func (o *plainObjects) Get(key string) (Value, bool) {
	obj, ok, _ := o.store.Get(o.name, key) // the error of an empty name is absence
	return plainValue(obj), ok
}

func (o *plainObjects) Open(v Value, f Form) (any, error) {
	obj := v.object
	if final, ok := obj.(last); ok {
		obj = final.object
	}
	if obj == nil {
		return nil, nil // of a change that has no such object
	}
	return o.narrow(obj, f)
}

func (o *plainObjects) narrow(obj any, f Form) (any, error) {
	narrowed, err := o.kind.Narrow(obj, f)
	if err != nil || o.transform == nil || narrowed == obj {
		return narrowed, err
	}
	return apply(o.transform, clone(narrowed)) // it may share memory with obj
}

// IsPacked tells that objects are not.
func (o *plainObjects) IsPacked() bool { return false }

func (o *plainObjects) setTransform(transform func(any) (any, error)) { o.transform = transform }

func (o *plainObjects) Glance(v Value, f Form) (any, error) { return o.Open(v, f) }

func (o *plainObjects) Copy(v Value, f Form) (any, error) {
	obj, err := o.Open(v, f)
	if err != nil {
		return nil, err
	}
	return clone(obj), nil
}

// clone returns a copy of an API object.
func clone(obj any) any {
	if o, ok := obj.(runtime.Object); ok {
		return o.DeepCopyObject()
	}
	return obj
}

func (o *plainObjects) AddIndex(name string, ix Index) error {
	switch {
	case ix.Key != nil:
		return o.store.AddIndex(o.name, name, func(key string, _ any) ([]string, error) { return ix.Key(key), nil })
	case ix.Labels:
		return o.store.AddIndex(o.name, name, gomap.LabelIndex(labelsOf))
	case len(ix.Field) > 0:
		return fmt.Errorf("index %q: %w", name, errNotPacked)
	case ix.Single != nil:
		return o.store.AddSingleValueIndex(o.name, name, func(_ string, obj any) string { return ix.Single(obj) })
	}
	return o.store.AddIndex(o.name, name, func(_ string, obj any) ([]string, error) {
		obj, err := o.narrow(obj, ix.Form)
		if errors.Is(err, ErrNarrow) {
			return nil, nil // it is about to be listed again
		}
		if err != nil {
			return nil, err
		}
		return ix.Func(obj)
	})
}

// labelsOf returns the labels of an object, if it can have any.
func labelsOf(obj any) map[string]string {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil
	}
	return m.GetLabels()
}

func (o *plainObjects) Stats() Stats {
	_, count := o.RevisionAndCount()
	return Stats{Objects: count}
}

func (o *plainObjects) Set(key string, obj Item) error {
	_, err := o.store.Set(o.name, key, obj.object)
	return err
}

func (o *plainObjects) Delete(key string, final Item) error {
	var err error
	if final.isZero() {
		_, _, err = o.store.Delete(o.name, key)
	} else {
		_, _, err = o.store.DeleteWithFinalState(o.name, key, last{final.object})
	}
	return err
}

func (o *plainObjects) Replace(items map[string]Item) error {
	all := make(map[string]any, len(items))
	for key, item := range items {
		all[key] = item.object
	}
	return o.store.Replace(o.name, all)
}

func (o *plainObjects) arrived(obj any) Item {
	o.onShare(obj)
	return Item{object: obj}
}

func (o *plainObjects) pack(item Item) (Item, error) { return item, nil }

func (o *plainObjects) prefer(Form) {}

func (o *plainObjects) cool() {}

// isUnchanged tells whether two states of one key are the same state, as a list that repeats
// what is known delivers it. The server changes the resourceVersion with every write, and the
// UID tells apart an object that took the name of another. Objects without a resourceVersion,
// which no server sends, are never the same, nor are two forms of one.
func isUnchanged(prev, next any) bool {
	p, err := meta.Accessor(prev)
	if err != nil {
		return false
	}
	n, err := meta.Accessor(next)
	return err == nil && n.GetResourceVersion() != "" && n.GetResourceVersion() == p.GetResourceVersion() &&
		n.GetUID() == p.GetUID() && reflect.TypeOf(prev) == reflect.TypeOf(next)
}
