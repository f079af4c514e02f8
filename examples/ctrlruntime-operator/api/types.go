// Package api is the operator's API, as kubebuilder would have it in api/v1.
package api

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API's.
var GroupVersion = schema.GroupVersion{Group: "examples.larder.dev", Version: "v1"}

// Bulletin asks for a ConfigMap of its own name with what another ConfigMap says.
type Bulletin struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BulletinSpec   `json:"spec"`
	Status BulletinStatus `json:"status,omitempty"`
}

// BulletinSpec is what is wanted.
type BulletinSpec struct {
	// Source is the name of the ConfigMap to repeat.
	Source string `json:"source"`
}

// BulletinStatus is what is there.
type BulletinStatus struct {
	// ObservedGeneration is the generation of the spec that was dealt with last.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// BulletinList is a list of Bulletins.
type BulletinList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Bulletin `json:"items"`
}

// DeepCopy returns a copy.
func (b *Bulletin) DeepCopy() *Bulletin {
	next := *b
	b.DeepCopyInto(&next.ObjectMeta)
	return &next
}

// DeepCopyObject implements [runtime.Object].
func (b *Bulletin) DeepCopyObject() runtime.Object { return b.DeepCopy() }

// DeepCopyObject implements [runtime.Object].
func (l *BulletinList) DeepCopyObject() runtime.Object {
	next := *l
	l.DeepCopyInto(&next.ListMeta)
	next.Items = make([]Bulletin, len(l.Items))
	for n := range l.Items {
		next.Items[n] = *l.Items[n].DeepCopy()
	}
	return &next
}

// AddToScheme adds the types to a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Bulletin{}, &BulletinList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
