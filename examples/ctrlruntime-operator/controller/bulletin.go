// Package controller is the operator's reconciler. It knows nothing of larder.
package controller

import (
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/examples/ctrlruntime-operator/api"
)

const (
	// Finalizer is on every Bulletin that was seen.
	Finalizer = "examples.larder.dev/bulletin"
	// Farewell is what the source of a Bulletin that was deleted is annotated with.
	Farewell = "examples.larder.dev/last-bulletin"

	sourceField = "spec.source"
)

// Reconciler keeps a ConfigMap for every Bulletin.
type Reconciler struct {
	client.Client
}

// SetupWithManager adds the reconciler to a manager.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &api.Bulletin{}, sourceField, func(o client.Object) []string {
		return []string{o.(*api.Bulletin).Spec.Source}
	})
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("bulletin").
		For(&api.Bulletin{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&corev1.ConfigMap{}).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.bulletinsOf), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WithOptions(controller.Options{SkipNameValidation: new(true)}).
		Complete(r)
}

// bulletinsOf returns the Bulletins that repeat a ConfigMap.
func (r *Reconciler) bulletinsOf(ctx context.Context, source client.Object) []reconcile.Request {
	var list api.BulletinList
	err := r.List(ctx, &list, client.InNamespace(source.GetNamespace()), client.MatchingFields{sourceField: source.GetName()})
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "No Bulletins of a ConfigMap", "source", source.GetName())
		return nil
	}
	requests := make([]reconcile.Request, len(list.Items))
	for i := range list.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
	}
	return requests
}

// Reconcile makes the ConfigMap of one Bulletin what it should be.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var b api.Bulletin
	if err := r.Get(ctx, req.NamespacedName, &b); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	var source corev1.ConfigMap
	err := r.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: b.Spec.Source}, &source)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if !b.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.part(ctx, &b, &source, err == nil)
	}
	if controllerutil.AddFinalizer(&b, Finalizer) {
		if err := r.Update(ctx, &b); err != nil {
			return ctrl.Result{}, ignoreConflict(err)
		}
	}
	if err := r.publish(ctx, &b, source.Data); err != nil {
		return ctrl.Result{}, err
	}
	if b.Status.ObservedGeneration == b.Generation {
		return ctrl.Result{}, nil
	}
	original := b.DeepCopy()
	b.Status.ObservedGeneration = b.Generation
	return ctrl.Result{}, r.Status().Patch(ctx, &b, client.MergeFrom(original))
}

// publish makes a Bulletin's ConfigMap say what its source says.
func (r *Reconciler) publish(ctx context.Context, b *api.Bulletin, data map[string]string) error {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: b.Name}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, cm, func() error {
		cm.Data = maps.Clone(data)
		return controllerutil.SetControllerReference(b, cm, r.Scheme())
	})
	return err
}

// part leaves a word at the source of a Bulletin that is being deleted, and lets it go.
func (r *Reconciler) part(ctx context.Context, b *api.Bulletin, source *corev1.ConfigMap, exists bool) error {
	if exists {
		original := source.DeepCopy()
		metav1.SetMetaDataAnnotation(&source.ObjectMeta, Farewell, b.Name)
		if err := r.Patch(ctx, source, client.MergeFrom(original)); err != nil {
			return err
		}
	}
	if controllerutil.RemoveFinalizer(b, Finalizer) {
		return ignoreConflict(client.IgnoreNotFound(r.Update(ctx, b)))
	}
	return nil
}

// ignoreConflict leaves out that the object has changed: it will come again.
func ignoreConflict(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return err
}
