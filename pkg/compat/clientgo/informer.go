package clientgo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// sharedIndexInformer is a [cache.SharedIndexInformer] over an indexer.
//
// A reflector writes into the indexer by a feed; the handlers read the changes from
// the indexer's store, each at its own pace. Nothing else connects the two.
type sharedIndexInformer struct {
	listerWatcher cache.ListerWatcher
	example       runtime.Object
	description   string
	resync        time.Duration // of handlers that don't say
	indexer       *indexer
	meters        meters
	mutations     cache.MutationDetector
	synced        chan struct{} // closed when the first list is in the store
	handlers      roster

	mu           sync.Mutex
	started      bool
	transform    cache.TransformFunc
	onWatchError cache.WatchErrorHandlerWithContext
	reflector    *cache.Reflector // once started
}

var _ cache.SharedIndexInformer = (*sharedIndexInformer)(nil)

// NewSharedIndexInformer returns an informer of what lw lists and watches, objects
// of example's type, with client-go's semantics. resync is the period after which
// handlers are given every object again unless they say otherwise; with 0 the
// informer has no resync. It copies indexers; more can be added later.
//
// It talks to no server before Run.
func NewSharedIndexInformer(lw cache.ListerWatcher, example runtime.Object, resync time.Duration, indexers cache.Indexers) cache.SharedIndexInformer {
	return NewSharedIndexInformerWithOptions(lw, example, cache.SharedIndexInformerOptions{ResyncPeriod: resync, Indexers: indexers})
}

// NewSharedIndexInformerWithOptions is NewSharedIndexInformer with client-go's
// options. The metrics of InformerMetricsProvider are those of Identifier: items
// are queued as long as the slowest handler has not been told of them, and the
// latency is that of a write into the store. There are none without a provider; the
// one that was set globally is known to client-go only.
func NewSharedIndexInformerWithOptions(lw cache.ListerWatcher, example runtime.Object, options cache.SharedIndexInformerOptions) cache.SharedIndexInformer {
	return newInformer(lw, example, options, newPlainShelf(), newMutationDetector(example))
}

func newMutationDetector(example runtime.Object) cache.MutationDetector {
	return cache.NewCacheMutationDetector(fmt.Sprintf("%T", example))
}

func newInformer(lw cache.ListerWatcher, example runtime.Object, options cache.SharedIndexInformerOptions, s shelf, mutations cache.MutationDetector) *sharedIndexInformer {
	meters := newMeters(options.Identifier, options.InformerMetricsProvider)
	i := &sharedIndexInformer{
		listerWatcher: lw,
		example:       example,
		description:   options.ObjectDescription,
		resync:        options.ResyncPeriod,
		indexer:       newIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc, options.Indexers, meters.resourceVersion, s),
		meters:        meters,
		mutations:     mutations,
		synced:        make(chan struct{}),
	}
	i.handlers = roster{
		informer:    i.name(),
		syncedName:  i.HasSyncedChecker().Name(),
		indexer:     i.indexer,
		meters:      meters,
		checkPeriod: options.ResyncPeriod,
	}
	i.indexer.handlers = &i.handlers
	return i
}

// name returns what the informer is called in metrics and in logs.
func (i *sharedIndexInformer) name() string {
	if i.description != "" {
		return i.description
	}
	return fmt.Sprintf("%T", i.example)
}

// AddEventHandler has handler called with what there is and with every change that
// follows, from a goroutine of its own.
func (i *sharedIndexInformer) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(handler, cache.HandlerOptions{})
}

// AddEventHandlerWithResyncPeriod is AddEventHandler with a period of resync.
func (i *sharedIndexInformer) AddEventHandlerWithResyncPeriod(handler cache.ResourceEventHandler, resyncPeriod time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(handler, cache.HandlerOptions{ResyncPeriod: &resyncPeriod})
}

// AddEventHandlerWithOptions is AddEventHandler with options. It returns
// [ErrStopped] when the informer has stopped, and [ErrHandlerRequired].
func (i *sharedIndexInformer) AddEventHandlerWithOptions(handler cache.ResourceEventHandler, options cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	if handler == nil {
		return nil, ErrHandlerRequired
	}
	r := newRegistration(&i.handlers, handler, ptr.Deref(options.Logger, klog.Background()))
	if err := i.handlers.add(r, ptr.Deref(options.ResyncPeriod, i.resync)); err != nil {
		return nil, err
	}
	return r, nil
}

// RemoveEventHandler ends the calls to a handler, and does not wait for one that is
// under way: that is what cache.ShutDownEventHandler is for. Removing a handler
// again, or one of another informer, does nothing. A registration that is not of
// this package is [ErrForeign].
func (i *sharedIndexInformer) RemoveEventHandler(handle cache.ResourceEventHandlerRegistration) error {
	r, ok := handle.(*registration)
	if !ok {
		return fmt.Errorf("registration %T: %w", handle, ErrForeign)
	}
	i.handlers.remove(r)
	return nil
}

// GetStore returns the indexer.
func (i *sharedIndexInformer) GetStore() cache.Store { return i.indexer }

// GetIndexer returns the indexer.
func (i *sharedIndexInformer) GetIndexer() cache.Indexer { return i.indexer }

// AddIndexers adds indexes, at any time until the informer has stopped.
func (i *sharedIndexInformer) AddIndexers(indexers cache.Indexers) error {
	if i.IsStopped() {
		return fmt.Errorf("indexers were not added: %w", ErrStopped)
	}
	return i.indexer.AddIndexers(indexers)
}

// HasSynced tells whether the first list is in the store.
func (i *sharedIndexInformer) HasSynced() bool { return isClosed(i.synced) }

// HasSyncedChecker is HasSynced for those who wait.
func (i *sharedIndexInformer) HasSyncedChecker() cache.DoneChecker {
	return done{name: fmt.Sprintf("SharedIndexInformer %T", i.example), ch: i.synced}
}

// HasStarted tells whether Run was called.
func (i *sharedIndexInformer) HasStarted() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.started
}

// IsStopped tells whether the informer has stopped; it never runs again.
func (i *sharedIndexInformer) IsStopped() bool { return i.handlers.isStopped() }

// LastSyncResourceVersion returns the resourceVersion that the reflector has come
// to. The store may be a moment behind; see LastStoreSyncResourceVersion there.
func (i *sharedIndexInformer) LastSyncResourceVersion() string {
	i.mu.Lock()
	reflector := i.reflector
	i.mu.Unlock()
	if reflector == nil {
		return ""
	}
	return reflector.LastSyncResourceVersion()
}

// SetWatchErrorHandler is SetWatchErrorHandlerWithContext without the context.
func (i *sharedIndexInformer) SetWatchErrorHandler(handler cache.WatchErrorHandler) error {
	if handler == nil {
		return i.SetWatchErrorHandlerWithContext(nil)
	}
	return i.SetWatchErrorHandlerWithContext(func(_ context.Context, r *cache.Reflector, err error) { handler(r, err) })
}

// SetWatchErrorHandlerWithContext sets what is called when list or watch fails,
// instead of client-go's default, which logs. It returns [ErrStarted] after Run.
func (i *sharedIndexInformer) SetWatchErrorHandlerWithContext(handler cache.WatchErrorHandlerWithContext) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.started {
		return fmt.Errorf("watch error handler: %w", ErrStarted)
	}
	i.onWatchError = handler
	return nil
}

// SetTransform sets what is applied to each object before it is stored. It returns
// [ErrStarted] after Run.
func (i *sharedIndexInformer) SetTransform(transform cache.TransformFunc) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.started {
		return fmt.Errorf("transform: %w", ErrStarted)
	}
	i.transform = transform
	return nil
}

// GetController returns a controller that only tells the informer's state.
func (i *sharedIndexInformer) GetController() cache.Controller { return controller{i} }

// Run is RunWithContext with a channel.
func (i *sharedIndexInformer) Run(stopCh <-chan struct{}) {
	i.RunWithContext(wait.ContextForChannel(stopCh))
}

// controller is an informer for those who still ask for its controller.
type controller struct{ *sharedIndexInformer }

// Run and RunWithContext do nothing: it is the informer that is run.
func (controller) Run(<-chan struct{})            {}
func (controller) RunWithContext(context.Context) {}

// done is a named channel that is closed when something is done.
type done struct {
	name string
	ch   <-chan struct{}
}

var _ cache.DoneChecker = done{}

func (d done) Name() string          { return d.name }
func (d done) Done() <-chan struct{} { return d.ch }

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
