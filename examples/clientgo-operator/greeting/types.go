package greeting

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API's.
var GroupVersion = schema.GroupVersion{Group: "examples.larder.dev", Version: "v1"}

// Greeting asks for a ConfigMap of its own name that greets somebody.
type Greeting struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitempty"`
}

// Spec is what is wanted.
type Spec struct {
	// Name is who is greeted.
	Name string `json:"name"`
}

// Status is what is there.
type Status struct {
	// ObservedGeneration is the generation of the spec that was dealt with last.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Problem says why there is no ConfigMap, or is empty.
	Problem string `json:"problem,omitempty"`
}

// List is a list of Greetings.
type List struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Greeting `json:"items"`
}

// DeepCopy returns a copy.
func (g *Greeting) DeepCopy() *Greeting {
	next := *g
	g.DeepCopyInto(&next.ObjectMeta)
	return &next
}

// DeepCopyObject implements [runtime.Object].
func (g *Greeting) DeepCopyObject() runtime.Object { return g.DeepCopy() }

// DeepCopyObject implements [runtime.Object].
func (l *List) DeepCopyObject() runtime.Object {
	next := *l
	l.DeepCopyInto(&next.ListMeta)
	next.Items = make([]Greeting, len(l.Items))
	for n := range l.Items {
		next.Items[n] = *l.Items[n].DeepCopy()
	}
	return &next
}

// AddToScheme adds the types to a scheme.
func AddToScheme(scheme *runtime.Scheme) {
	scheme.AddKnownTypeWithName(GroupVersion.WithKind("Greeting"), &Greeting{})
	scheme.AddKnownTypeWithName(GroupVersion.WithKind("GreetingList"), &List{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
}
