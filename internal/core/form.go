package core

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Form is how an object is read. The later forms are wider: a Go type may lack fields that
// the server has, while an unstructured object lacks nothing.
type Form int32

const (
	// AsStored is whatever an object is in the store: what was put in, or the form in which
	// packed objects are decoded first.
	AsStored Form = iota
	// Metadata is *metav1.PartialObjectMetadata.
	Metadata
	// Typed is the Go type that the scheme has for the kind.
	Typed
	// Unstructured is *unstructured.Unstructured.
	Unstructured
)

// String returns the form's name.
func (f Form) String() string {
	return [...]string{"stored", "metadata", "typed", "unstructured"}[f]
}

// FormOf returns the form of an object, or of what a list holds.
func FormOf(obj any) Form {
	switch obj.(type) {
	case runtime.Unstructured:
		return Unstructured
	case *metav1.PartialObjectMetadata, *metav1.PartialObjectMetadataList:
		return Metadata
	default:
		return Typed
	}
}

// ErrNarrow says that an object is there in a narrower form than was asked for.
var ErrNarrow = errors.New("is not there in full yet")

// Kind is what the objects of an informer are.
type Kind struct {
	schema.GroupVersionKind
	// Scheme knows the Go type. It may lack it where nobody asks for typed objects.
	Scheme *runtime.Scheme
	// Type is the Go type, if it is not the one that Scheme has: a pointer to a struct.
	Type reflect.Type

	// learned is what the server says that the kind is, where that is asked; else nil.
	learned *atomic.Pointer[schema.GroupVersionKind]
}

// unknownKind returns a kind of which the server is yet to tell the name.
func unknownKind(gv schema.GroupVersion) Kind {
	k := Kind{GroupVersionKind: gv.WithKind(""), learned: &atomic.Pointer[schema.GroupVersionKind]{}}
	k.learned.Store(&k.GroupVersionKind)
	return k
}

// learn notes what the server says that the kind is, and tells whether that is news.
func (k Kind) learn(gvk schema.GroupVersionKind) bool {
	return k.learned != nil && *k.learned.Swap(&gvk) != gvk
}

// gvk returns what is known of the kind.
func (k Kind) gvk() schema.GroupVersionKind {
	if k.learned == nil {
		return k.GroupVersionKind
	}
	return *k.learned.Load()
}

// New returns an empty object of a form.
func (k Kind) New(f Form) (runtime.Object, error) {
	switch f {
	case Unstructured:
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(k.gvk())
		return u, nil
	case Metadata:
		m := &metav1.PartialObjectMetadata{}
		m.SetGroupVersionKind(k.gvk())
		return m, nil
	}
	if k.Type != nil {
		return reflect.New(k.Type.Elem()).Interface().(runtime.Object), nil
	}
	return k.Scheme.New(k.GroupVersionKind)
}

// goType returns the type of the kind's objects in a form, or nil if there is none.
func (k Kind) goType(f Form) reflect.Type {
	switch {
	case f == Unstructured:
		return reflect.TypeFor[*unstructured.Unstructured]()
	case f == Metadata:
		return reflect.TypeFor[*metav1.PartialObjectMetadata]()
	case k.Type != nil:
		return k.Type
	case k.Scheme == nil:
		return nil
	}
	obj, err := k.Scheme.New(k.GroupVersionKind)
	if err != nil {
		return nil
	}
	return reflect.TypeOf(obj)
}

// Narrow returns an object in a form that is no wider than the object's own; a wider one is
// [ErrNarrow]. The result may share memory with obj.
func (k Kind) Narrow(obj any, to Form) (any, error) {
	from := FormOf(obj)
	if to == AsStored || from == to {
		return obj, nil
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	switch {
	case from < to:
		return nil, fmt.Errorf("%s %s: %w", k.Kind, keyOf(m), ErrNarrow)
	case to == Metadata:
		partial := meta.AsPartialObjectMetadata(m)
		partial.SetGroupVersionKind(k.gvk())
		return partial, nil
	}
	out, err := k.New(Typed)
	if err != nil {
		return nil, err
	}
	content := obj.(runtime.Unstructured).UnstructuredContent()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, out); err != nil {
		return nil, fmt.Errorf("%s %s as %T: %w", k.Kind, keyOf(m), out, err)
	}
	// As they come from the server, typed objects don't say what they are.
	out.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return out, nil
}
