package wire

import (
	"io"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	restwatch "k8s.io/client-go/rest/watch"

	"github.com/larder-dev/larder/pkg/codec"
)

// BareKind is a Kind without a codec, for a type that is known at run time only: a pointer to a struct.
func BareKind(gvk schema.GroupVersionKind, t reflect.Type) (*Kind, error) {
	return newKind(gvk, codec.NewPacker(codec.PackerOptions{}), t, nil)
}

// ReadList reads a list.
func (k *Kind) ReadList(r io.Reader) (*List, error) { return k.readList(r) }

// Events decodes the frames of a watch, as a rest client does, until one is wrong. A nil contentType is protobuf.
func (k *Kind) Events(contentType string, frames io.ReadCloser, each func(watch.EventType, runtime.Object)) error {
	objects, frame, framer, err := newNegotiator(k).StreamDecoder(contentType, nil)
	if err != nil {
		return err
	}
	d := restwatch.NewDecoder(streaming.NewDecoder(framer.NewFrameReader(frames), frame), objects)
	defer d.Close()
	for {
		event, obj, err := d.Decode()
		if err != nil {
			return err
		}
		each(event, obj)
	}
}

// MetadataOf returns what the accessors of an Object return, by which a stock object can be compared.
func MetadataOf(o metav1.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: o.GetName(), GenerateName: o.GetGenerateName(), Namespace: o.GetNamespace(),
		UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(), Generation: o.GetGeneration(),
		CreationTimestamp: o.GetCreationTimestamp(), DeletionTimestamp: o.GetDeletionTimestamp(),
		DeletionGracePeriodSeconds: o.GetDeletionGracePeriodSeconds(), Labels: o.GetLabels(), Annotations: o.GetAnnotations(),
		OwnerReferences: o.GetOwnerReferences(), Finalizers: o.GetFinalizers(), ManagedFields: o.GetManagedFields(),
	}
}
