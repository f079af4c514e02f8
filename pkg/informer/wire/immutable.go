package wire

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// immutable has the setters of a metav1.Object, which all panic: doing nothing would be noticed too late.
type immutable struct{}

// SetNamespace panics with ErrImmutable, as do the others.
func (immutable) SetNamespace(string) { panic(ErrImmutable) }

// SetName panics.
func (immutable) SetName(string) { panic(ErrImmutable) }

// SetGenerateName panics.
func (immutable) SetGenerateName(string) { panic(ErrImmutable) }

// SetUID panics.
func (immutable) SetUID(types.UID) { panic(ErrImmutable) }

// SetResourceVersion panics.
func (immutable) SetResourceVersion(string) { panic(ErrImmutable) }

// SetGeneration panics.
func (immutable) SetGeneration(int64) { panic(ErrImmutable) }

// SetSelfLink panics.
func (immutable) SetSelfLink(string) { panic(ErrImmutable) }

// SetCreationTimestamp panics.
func (immutable) SetCreationTimestamp(metav1.Time) { panic(ErrImmutable) }

// SetDeletionTimestamp panics.
func (immutable) SetDeletionTimestamp(*metav1.Time) { panic(ErrImmutable) }

// SetDeletionGracePeriodSeconds panics.
func (immutable) SetDeletionGracePeriodSeconds(*int64) { panic(ErrImmutable) }

// SetLabels panics.
func (immutable) SetLabels(map[string]string) { panic(ErrImmutable) }

// SetAnnotations panics.
func (immutable) SetAnnotations(map[string]string) { panic(ErrImmutable) }

// SetFinalizers panics.
func (immutable) SetFinalizers([]string) { panic(ErrImmutable) }

// SetOwnerReferences panics.
func (immutable) SetOwnerReferences([]metav1.OwnerReference) { panic(ErrImmutable) }

// SetManagedFields panics.
func (immutable) SetManagedFields([]metav1.ManagedFieldsEntry) { panic(ErrImmutable) }
