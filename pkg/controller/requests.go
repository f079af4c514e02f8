package controller

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/informer"
)

// EnqueueObject maps an object to the request for the object itself. Pass it to
// [From] for the kind that the reconciler is about.
func EnqueueObject[T informer.Object](_ context.Context, obj T) []reconcile.Request {
	return []reconcile.Request{request(obj.GetNamespace(), obj.GetName())}
}

// EnqueueOwner maps an object to the requests for its owners of a kind, of any
// version, in the object's namespace. Pass it to [From] for the kinds that the
// reconciler creates. For owners that have no namespace there is
// [EnqueueClusterOwner].
func EnqueueOwner[T informer.Object](owner schema.GroupKind) func(context.Context, T) []reconcile.Request {
	return func(_ context.Context, obj T) []reconcile.Request {
		return ownersOf(obj, owner, obj.GetNamespace())
	}
}

// EnqueueClusterOwner is [EnqueueOwner] for owners that have no namespace.
func EnqueueClusterOwner[T informer.Object](owner schema.GroupKind) func(context.Context, T) []reconcile.Request {
	return func(_ context.Context, obj T) []reconcile.Request {
		return ownersOf(obj, owner, "")
	}
}

func ownersOf(obj metav1.Object, owner schema.GroupKind, namespace string) []reconcile.Request {
	var requests []reconcile.Request
	for _, ref := range obj.GetOwnerReferences() {
		if schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind() == owner {
			requests = append(requests, request(namespace, ref.Name))
		}
	}
	return requests
}

func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}
