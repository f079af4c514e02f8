package wire

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// List is a list of packed objects, or one page of it.
type List struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []*Object
}

var (
	_ runtime.Object       = (*List)(nil)
	_ metav1.ListInterface = (*List)(nil)
)

// DeepCopyObject returns a copy that has the same objects, which nothing can change.
func (l *List) DeepCopyObject() runtime.Object {
	listMeta := l.ListMeta
	return &List{TypeMeta: l.TypeMeta, ListMeta: *listMeta.DeepCopy(), Items: slices.Clone(l.Items)}
}
