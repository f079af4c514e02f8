package ctrlruntime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

// share is what a cache holds of a kind under one namespace of its settings: an
// informer, and how it fares.
type share struct {
	name     string // of the kind and the namespace
	config   cache.Config
	remote   *remote
	status   *status
	informer toolscache.SharedIndexInformer
	// foreign tells that the informer is made by the options' NewInformer, which says
	// less of how it fares.
	foreign bool

	labels sync.Once // makes the index of labels, for those who select by them
	ledger ledger
}

// defaultSyncPeriod is controller-runtime's.
const defaultSyncPeriod = 10 * time.Hour

func newShare(s *settings, mapping *meta.RESTMapping, namespace string, config cache.Config, wanted form, example client.Object) (*share, error) {
	sh := &share{
		name:    mapping.GroupVersionKind.String(),
		config:  config,
		remote:  newRemote(s, mapping, namespace, config, wanted),
		foreign: s.NewInformer != nil,
	}
	if namespace != "" {
		sh.name += " in " + namespace
	}
	sh.status = sh.remote.status
	// Different ones, so that not everything resyncs at once.
	resync := time.Duration(float64(ptr.Deref(config.SyncPeriod, defaultSyncPeriod)) * (0.9 + 0.2*rand.Float64()))
	indexers := toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}
	if sh.foreign {
		sh.informer = s.NewInformer(sh.remote, example, resync, indexers)
	} else {
		// No example: what is stored can change its form.
		sh.informer = clientgo.NewSharedIndexInformerWithOptions(sh.remote, nil, toolscache.SharedIndexInformerOptions{
			ResyncPeriod: resync, Indexers: indexers, ObjectDescription: sh.name,
		})
	}
	if err := sh.informer.SetTransform(named(mapping.GroupVersionKind, config.Transform)); err != nil {
		return nil, err
	}
	return sh, sh.informer.SetWatchErrorHandlerWithContext(sh.onError(s.DefaultWatchErrorHandler))
}

// named has metadata say what it is of, which it does not as it comes from the server,
// before it is transformed.
func named(gvk schema.GroupVersionKind, transform toolscache.TransformFunc) toolscache.TransformFunc {
	return func(obj any) (any, error) {
		if m, ok := obj.(*metav1.PartialObjectMetadata); ok {
			m.SetGroupVersionKind(gvk)
		}
		if transform == nil {
			return obj, nil
		}
		return transform(obj)
	}
}

// onError notes an error of list or watch, and passes it on.
func (sh *share) onError(next toolscache.WatchErrorHandlerWithContext) toolscache.WatchErrorHandlerWithContext {
	if next == nil {
		next = toolscache.DefaultWatchErrorHandler
	}
	return func(ctx context.Context, r *toolscache.Reflector, err error) {
		sh.status.failed(err)
		next(ctx, r, err)
	}
}

// problem returns what keeps the share from being up to date, or nil.
func (sh *share) problem() *informer.SyncError {
	if err := sh.status.cause(); err != nil {
		return &informer.SyncError{Informer: sh.name, Err: err}
	}
	return nil
}

// synced tells whether the first list is there, and in a form that is wide enough.
func (sh *share) synced(f form) bool {
	if !sh.informer.HasSynced() {
		return false
	}
	has, _, _ := sh.status.look()
	return sh.foreign || has >= f
}

// patience is how long a read waits for what does not look as if it would come.
const patience = 2 * time.Second

// isGone tells whether an error of list or watch says that the server no longer has the
// resource. What is in the store is then the past, and not just behind.
func isGone(err error) bool {
	_, refused := errors.AsType[*informer.ObjectError](err)
	return !refused && apierrors.IsNotFound(err)
}

// await waits until the share is synced in a form, of a resource that the server still
// has. It returns an [*informer.SyncError] when that is prevented by what waiting does
// not cure, an error of apierrors.IsTimeout when ctx is done, and errEnded when ended is
// closed.
func (sh *share) await(ctx context.Context, f form, ended <-chan struct{}) error {
	var timer <-chan time.Time
	for {
		_, changed, err := sh.status.look()
		if sh.synced(f) && !isGone(err) {
			return nil
		}
		if ctx.Err() != nil {
			return timeoutError(ctx, sh.name, err)
		}
		if err != nil && informer.IsLasting(err) {
			if sh.status.kick(time.Now()) {
				sh.remote.again()
			}
			if timer == nil {
				timer = time.After(patience)
			}
		}
		select {
		case <-changed:
		case <-sh.firstList():
		case <-timer:
			if problem := sh.problem(); problem != nil {
				return problem
			}
			timer = nil
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return timeoutError(ctx, sh.name, err)
		}
	}
}

// firstList returns a channel that is closed when the first list is there, and nil
// once it is.
func (sh *share) firstList() <-chan struct{} {
	if sh.informer.HasSynced() {
		return nil
	}
	return sh.informer.HasSyncedChecker().Done()
}

// errEnded says that a kind was dropped while somebody waited for it.
var errEnded = errors.New("informer was removed")

// timeoutError says that a wait has ended because its context has.
func timeoutError(ctx context.Context, name string, cause error) error {
	err := apierrors.NewTimeoutError("informer of "+name+" has not synced", 0)
	if cause != nil {
		return fmt.Errorf("%w: %w: %w", err, context.Cause(ctx), cause)
	}
	return fmt.Errorf("%w: %w", err, context.Cause(ctx))
}

// view returns a stored object in a form. Unless it is the object itself, which is
// shared, it is transformed as one of that form would have been.
func (sh *share) view(s *settings, gvk schema.GroupVersionKind, obj client.Object, f form) (client.Object, error) {
	v, err := narrow(s.Scheme, gvk, obj, f)
	if err != nil || v == obj || sh.config.Transform == nil {
		return v, err
	}
	transformed, err := sh.config.Transform(v.DeepCopyObject())
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	v, ok := transformed.(client.Object)
	if !ok {
		return nil, fmt.Errorf("transform has made a %T, which is not a client.Object", transformed)
	}
	return v, nil
}

// index adds indexes.
func (sh *share) index(indexers toolscache.Indexers) error {
	if len(indexers) == 0 {
		return nil
	}
	return sh.informer.AddIndexers(indexers)
}

// stored returns the object of a key, or nil.
func (sh *share) stored(key types.NamespacedName) client.Object {
	obj, exists, err := sh.informer.GetIndexer().GetByKey(storeKey(key))
	if err != nil || !exists {
		return nil
	}
	o, _ := obj.(client.Object)
	return o
}

// selects tells whether the share's selectors let an object in, if that can be told from
// the object: what the fields of a selector are is up to the server, except for the
// name and the namespace.
func (sh *share) selects(obj client.Object) (in, known bool) {
	if s := sh.config.LabelSelector; s != nil && !s.Matches(labels.Set(obj.GetLabels())) {
		return false, true
	}
	s := sh.config.FieldSelector
	if s == nil {
		return true, true
	}
	values := map[string]string{metadataName: obj.GetName(), metadataNamespace: obj.GetNamespace()}
	for _, r := range s.Requirements() {
		if _, known := values[r.Field]; !known {
			return false, false
		}
	}
	return s.Matches(fields.Set(values)), true
}

// ended tells whether an object is one whose deletion a write has completed.
func ended(obj client.Object) bool {
	grace := obj.GetDeletionGracePeriodSeconds()
	return obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0 && (grace == nil || *grace == 0)
}
