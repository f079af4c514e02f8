package informer

import (
	"fmt"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/larder-dev/larder/internal/core"
)

// Object is what an informer holds: a pointer to a Kubernetes API type, such as
// *corev1.Pod, *unstructured.Unstructured or *metav1.PartialObjectMetadata.
type Object interface {
	runtime.Object
	metav1.Object
}

// IndexFunc returns the values under which an index finds an object; none keeps
// it out of the index. It must depend on nothing but the object, and neither
// keep nor change it.
type IndexFunc[T Object] func(obj T) []string

// SingleValueFunc is an [IndexFunc] with exactly one value an object, such as the node
// of a Pod. An update is cheaper with it: no slice is made.
type SingleValueFunc[T Object] func(obj T) string

// StripManagedFields is a transform that drops what the server notes of who set which
// field: a third of a typical object, and of use to hardly any controller. Packed
// objects hardly take less without it, but decoding is quicker. Pass it as
// Options.Transform. Options.DropManagedFields does the same without decoding.
func StripManagedFields[T Object](obj T) (T, error) {
	obj.SetManagedFields(nil)
	return obj, nil
}

// Key returns the key of an object: "namespace/name", or "name" if it has no
// namespace. It is the Name of the events of [Informer].Watch.
func Key(namespace, name string) string { return core.Key(namespace, name) }

// keyOf returns the key of obj.
func keyOf(obj metav1.Object) string { return Key(obj.GetNamespace(), obj.GetName()) }

// newObject returns an empty T, or an error if T is not a pointer to a struct.
func newObject[T Object]() (T, error) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		var none T
		return none, fmt.Errorf("%w: the informer's type is %v: use a pointer to an API type, such as *corev1.Pod",
			ErrInvalidOption, t)
	}
	return reflect.New(t.Elem()).Interface().(T), nil
}
