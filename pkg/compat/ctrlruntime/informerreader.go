package ctrlruntime

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/informer"
)

// NewReader returns a [client.Reader] of what an informer has, for code that is written
// against controller-runtime and is given an informer instead of a manager's cache. Its reads
// wait until the informer is synced, and return copies.
//
// Get takes a T, and List a list of them; anything else is an error of meta.IsNoMatchError.
// List selects by namespace, labels, and the fields metadata.name and metadata.namespace, sorts
// by key, and honours Limit and Continue. Other errors are those of WaitSynced, an error of
// apierrors.IsNotFound, and [ErrIndexNotFound] and [ErrNonExactField] for a field selector.
func NewReader[T informer.Object](inf *informer.Informer[T]) client.Reader {
	return informerReader[T]{inf}
}

type informerReader[T informer.Object] struct{ informer *informer.Informer[T] }

// Get implements [client.Reader].
func (r informerReader[T]) Get(ctx context.Context, key client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	if _, ok := out.(T); !ok {
		return r.noMatch(out)
	}
	if err := r.informer.WaitSynced(ctx); err != nil {
		return err
	}
	obj, ok := r.informer.GetCopy(key.Namespace, key.Name)
	if !ok {
		gvk := r.informer.GroupVersionKind()
		return apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}, key.Name)
	}
	return assign(r.named(obj), out)
}

// named returns an object that says what it is.
func (r informerReader[T]) named(obj T) client.Object {
	named := any(obj).(client.Object)
	named.GetObjectKind().SetGroupVersionKind(r.informer.GroupVersionKind())
	return named
}

func (r informerReader[T]) noMatch(obj any) error {
	return fmt.Errorf("the reader is of another type than %T: %w", obj,
		&meta.NoKindMatchError{GroupKind: r.informer.GroupVersionKind().GroupKind()})
}

// List implements [client.Reader].
func (r informerReader[T]) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	after, err := parseContinue(options.Continue)
	if err != nil {
		return err
	}
	q := query{kind: &kindCache{fields: &fieldIndexes{}}, options: options} // there are no fields but metadata's
	if err := q.plan(); err != nil {
		return err
	}
	if err := r.informer.WaitSynced(ctx); err != nil {
		return err
	}
	// First the version, then the objects: they may be newer, not older.
	list.SetResourceVersion(r.informer.ResourceVersion())
	list.SetContinue("")
	list.SetRemainingItemCount(nil)
	var items []runtime.Object
	rest := int64(0)
	last := ""
	for _, obj := range r.informer.ListSelected(options.Namespace, options.LabelSelector) {
		key := informer.Key(obj.GetNamespace(), obj.GetName())
		switch {
		case q.name != "" && obj.GetName() != q.name, after != "" && key <= after:
		case options.Limit > 0 && int64(len(items)) == options.Limit:
			rest++
		default:
			items = append(items, r.named(any(obj.DeepCopyObject()).(T)))
			last = key
		}
	}
	if rest > 0 {
		list.SetContinue(formatContinue(last))
		list.SetRemainingItemCount(&rest)
	}
	if err := meta.SetList(list, items); err != nil {
		return fmt.Errorf("%w: %w", r.noMatch(list), err)
	}
	return nil
}
