package ctrlruntime

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// form is how much of an object is there. A wider form can be read as a narrower
// one: a Go type may lack fields that the server has, but an unstructured object
// lacks nothing.
type form int32

const (
	metadataOnly form = iota + 1
	typed
	untyped
)

// formOf returns the form of an object, or of what a list holds.
func formOf(obj runtime.Object) form {
	switch obj.(type) {
	case runtime.Unstructured:
		return untyped
	case *metav1.PartialObjectMetadata, *metav1.PartialObjectMetadataList:
		return metadataOnly
	default:
		return typed
	}
}

// newObject returns an empty object of a form.
func newObject(scheme *runtime.Scheme, gvk schema.GroupVersionKind, f form) (client.Object, error) {
	switch f {
	case untyped:
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(gvk)
		return u, nil
	case metadataOnly:
		m := &metav1.PartialObjectMetadata{}
		m.SetGroupVersionKind(gvk)
		return m, nil
	}
	o, err := scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	obj, ok := o.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T is not a client.Object: it needs metadata", o)
	}
	return obj, nil
}

// narrow returns an object as one of a form that is no wider. The result may share
// memory with obj.
func narrow(scheme *runtime.Scheme, gvk schema.GroupVersionKind, obj client.Object, to form) (client.Object, error) {
	from := formOf(obj)
	switch {
	case from == to:
		return obj, nil
	case from < to:
		return nil, fmt.Errorf("%s %s: %w", gvk.Kind, client.ObjectKeyFromObject(obj), errNarrow)
	case to == metadataOnly:
		m := meta.AsPartialObjectMetadata(obj)
		m.SetGroupVersionKind(gvk)
		return m, nil
	}
	out, err := newObject(scheme, gvk, typed)
	if err != nil {
		return nil, err
	}
	u := obj.(runtime.Unstructured)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.UnstructuredContent(), out); err != nil {
		return nil, fmt.Errorf("%s %s as %T: %w", gvk.Kind, client.ObjectKeyFromObject(obj), out, err)
	}
	// As they come from the server, typed objects don't say what they are.
	out.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return out, nil
}
