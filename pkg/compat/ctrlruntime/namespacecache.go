package ctrlruntime

import (
	"cmp"
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
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

const metadataNamespace = "metadata.namespace"

// namespaceCache is what a cache holds of a kind under one namespace of its settings.
type namespaceCache struct {
	name      string // of the kind and the namespace
	settings  *settings
	config    cache.Config
	mapping   *meta.RESTMapping
	namespace string // "" for all
	shared    *clientgo.Shared

	ledger ledger

	mu    sync.Mutex
	hasty time.Time // when the latest attempt was asked for that did not wait
}

// defaultSyncPeriod is controller-runtime's.
const defaultSyncPeriod = 10 * time.Hour

func newNamespaceCache(s *settings, mapping *meta.RESTMapping, namespace string, config cache.Config, f core.Form) (*namespaceCache, error) {
	ns := &namespaceCache{
		name: mapping.GroupVersionKind.String(), settings: s, config: config, mapping: mapping, namespace: namespace,
	}
	if namespace != "" {
		ns.name += " in " + namespace
	}
	if !isNamespaced(mapping) {
		ns.namespace = ""
	} else if namespace == "" && config.FieldSelector != nil {
		// It saves the permission for the others.
		ns.namespace, _ = config.FieldSelector.RequiresExactMatch(metadataNamespace)
	}
	// Different ones, so that not everything resyncs at once.
	resync := time.Duration(float64(ptr.Deref(config.SyncPeriod, defaultSyncPeriod)) * (0.9 + 0.2*rand.Float64()))
	options := ns.options(f)
	var err error
	if ns.shared, err = clientgo.NewShared(options, resync); errors.Is(err, codec.ErrType) {
		options.Storage = core.Storage{}
		ns.shared, err = clientgo.NewShared(options, resync)
	}
	if err != nil {
		return nil, err
	}
	if err := ns.shared.Core().SetTransform(config.Transform); err != nil {
		return nil, err
	}
	if handler := s.DefaultWatchErrorHandler; handler != nil {
		if err := ns.shared.Core().SetErrorHandler(handler); err != nil {
			return nil, err
		}
	}
	return ns, nil
}

// options returns those of the informer, which is read in a form first.
func (ns *namespaceCache) options(f core.Form) core.Options {
	s := ns.settings
	remote := core.Remote{
		Config:            s.config,
		HTTPClient:        s.HTTPClient,
		Mapper:            s.Mapper,
		Namespace:         ns.namespace,
		NoBookmarks:       !ptr.Deref(ns.config.EnableWatchBookmarks, true),
		Fresh:             true,
		DropManagedFields: s.own.DropManagedFields,
	}
	if selector := ns.config.LabelSelector; selector != nil {
		remote.LabelSelector = selector.String()
	}
	if selector := ns.config.FieldSelector; selector != nil {
		remote.FieldSelector = selector.String()
	}
	storage := s.storage
	if ptr.Deref(ns.config.UnsafeDisableDeepCopy, false) && s.own.Budget == 0 {
		storage = core.Storage{}
	}
	return core.Options{
		Name:    ns.name,
		Kind:    core.Kind{GroupVersionKind: ns.mapping.GroupVersionKind, Scheme: s.Scheme},
		Form:    f,
		Remote:  remote,
		Storage: storage,
	}
}

// informer returns the informer in a form.
func (ns *namespaceCache) informer(f core.Form) toolscache.SharedIndexInformer {
	return ns.shared.In(f)
}

func (ns *namespaceCache) objects() core.Objects { return ns.shared.Core().Objects() }

func (ns *namespaceCache) status() *core.Status { return ns.shared.Core().Status() }

// problem returns what keeps the kind from being up to date, or nil.
func (ns *namespaceCache) problem() *informer.SyncError {
	if err := ns.status().Err(); err != nil {
		return &informer.SyncError{Informer: ns.name, Err: err}
	}
	return nil
}

// synced tells whether the first list is there, and can be read in a form.
func (ns *namespaceCache) synced(f core.Form) bool {
	return ns.status().HasSynced() && ns.shared.Core().Serves(f)
}

// patience is how long a read waits for what does not look as if it would come.
const patience = 2 * time.Second

// isGone tells whether an error of list or watch says that the server no longer has the
// resource. What is in the store is then the past, and not just behind.
func isGone(err error) bool {
	_, refused := errors.AsType[*informer.ObjectError](err)
	return !refused && apierrors.IsNotFound(err)
}

// await waits until the kind is synced in a form, of a resource that the server still has. It
// returns an [*informer.SyncError] when that is prevented by what waiting does not cure, an
// error of apierrors.IsTimeout when ctx is done, and errEnded when ended is closed.
func (ns *namespaceCache) await(ctx context.Context, f core.Form, ended <-chan struct{}) error {
	var timer <-chan time.Time
	for {
		changed, err := ns.status().Changed(), ns.status().Err()
		if ns.synced(f) && !isGone(err) {
			return nil
		}
		if ctx.Err() != nil {
			return timeoutError(ctx, ns.name, err)
		}
		if err != nil && informer.IsLasting(err) {
			ns.hasten()
			if timer == nil {
				timer = time.After(patience)
			}
		}
		select {
		case <-changed:
		case <-timer:
			if problem := ns.problem(); problem != nil {
				return problem
			}
			timer = nil
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return timeoutError(ctx, ns.name, err)
		}
	}
}

// minHaste is how long an attempt is let alone that somebody has asked for.
const minHaste = time.Second

// hasten has another attempt made now, as somebody waits for it.
func (ns *namespaceCache) hasten() {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if now := time.Now(); now.Sub(ns.hasty) >= minHaste {
		ns.hasty = now
		ns.shared.Core().Retry()
	}
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

// isShared tells whether reads return what is stored, instead of copies.
func (ns *namespaceCache) isShared(perRead *bool) bool {
	return ptr.Deref(perRead, ptr.Deref(ns.config.UnsafeDisableDeepCopy, false))
}

// read returns an object in a form, as a copy that says what it is unless it is to be shared.
func (ns *namespaceCache) read(v core.Value, f core.Form, shared bool) (client.Object, error) {
	open := ns.objects().Copy
	if shared {
		open = ns.objects().Open
	}
	stored, err := open(v, f)
	if err != nil {
		return nil, err
	}
	obj, ok := stored.(client.Object)
	if !ok {
		return nil, fmt.Errorf("cache contained %T, which is not a client.Object", stored)
	}
	if !shared {
		obj.GetObjectKind().SetGroupVersionKind(ns.mapping.GroupVersionKind)
	}
	return obj, nil
}

// stored returns the metadata of the object of a key, or nil.
func (ns *namespaceCache) stored(key types.NamespacedName) client.Object {
	v, ok := ns.objects().Get(core.Key(key.Namespace, key.Name))
	if !ok {
		return nil
	}
	return ns.metadataOf(v)
}

func (ns *namespaceCache) metadataOf(v core.Value) client.Object {
	stored, err := ns.objects().Open(v, core.Metadata)
	if err != nil {
		return nil
	}
	obj, _ := stored.(client.Object)
	return obj
}

// listMetadata lists what the server has in a scope now.
func (ns *namespaceCache) listMetadata(ctx context.Context, s scope) (*metav1.PartialObjectMetadataList, error) {
	c, err := metadata.NewForConfigAndClient(ns.settings.plainConfig())
	if err != nil {
		return nil, err
	}
	var opts metav1.ListOptions
	if selector := ns.config.LabelSelector; selector != nil {
		opts.LabelSelector = selector.String()
	}
	if selector := ns.config.FieldSelector; selector != nil {
		opts.FieldSelector = selector.String()
	}
	opts.LabelSelector = and(opts.LabelSelector, s.labels)
	if s.Name != "" {
		opts.FieldSelector = and(opts.FieldSelector, fields.OneTermEqualSelector(metadataName, s.Name).String())
	}
	var resource metadata.ResourceInterface = c.Resource(ns.mapping.Resource)
	if namespace := cmp.Or(ns.namespace, s.Namespace); namespace != "" {
		resource = c.Resource(ns.mapping.Resource).Namespace(namespace)
	}
	return resource.List(ctx, opts)
}

// and joins two selectors.
func and(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + "," + other
}

// selects tells whether the selectors let an object in, if that can be told from the object:
// what the fields of a selector are is up to the server, except for the name and the
// namespace.
func (ns *namespaceCache) selects(obj client.Object) (in, known bool) {
	if s := ns.config.LabelSelector; s != nil && !s.Matches(labels.Set(obj.GetLabels())) {
		return false, true
	}
	s := ns.config.FieldSelector
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

// isEnded tells whether an object is one whose deletion a write has completed.
func isEnded(obj client.Object) bool {
	grace := obj.GetDeletionGracePeriodSeconds()
	return obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0 && (grace == nil || *grace == 0)
}
