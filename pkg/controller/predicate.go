package controller

import (
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/larder-dev/larder/pkg/informer"
)

// Predicate makes a predicate on any object, such as predicate.Funcs or
// predicate.LabelSelectorPredicate, one on objects of type T.
func Predicate[T informer.Object](p predicate.Predicate) predicate.TypedPredicate[T] {
	if p == nil {
		return nil // which New reports
	}
	return predicate.TypedFuncs[T]{
		CreateFunc: func(e event.TypedCreateEvent[T]) bool {
			return p.Create(event.CreateEvent{Object: e.Object, IsInInitialList: e.IsInInitialList})
		},
		UpdateFunc: func(e event.TypedUpdateEvent[T]) bool {
			return p.Update(event.UpdateEvent{ObjectOld: e.ObjectOld, ObjectNew: e.ObjectNew})
		},
		DeleteFunc: func(e event.TypedDeleteEvent[T]) bool {
			return p.Delete(event.DeleteEvent{Object: e.Object, DeleteStateUnknown: e.DeleteStateUnknown})
		},
		GenericFunc: func(e event.TypedGenericEvent[T]) bool {
			return p.Generic(event.GenericEvent{Object: e.Object})
		},
	}
}

// An informer's objects are what controller-runtime's predicates are about.
var _ informer.Object = client.Object(nil)
