package clientgo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/sharding"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/larder-dev/larder/internal/core"
)

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
	i, err := newInformer(lw, example, options, core.Storage{})
	if err != nil {
		panic(err) // nothing of it can fail without packing
	}
	return i
}

// newInformer returns an informer of what a ListerWatcher has.
func newInformer(lw cache.ListerWatcher, example runtime.Object, options cache.SharedIndexInformerOptions, s core.Storage) (cache.SharedIndexInformer, error) {
	shared, err := newShared(core.Options{
		Name:          nameOf(options.ObjectDescription, example),
		ListerWatcher: lw,
		Example:       example,
		Storage:       s,
	}, options.ResyncPeriod, newMeters(options.Identifier, options.InformerMetricsProvider))
	if err != nil {
		return nil, err
	}
	i := shared.in(core.AsStored)
	i.indexer.addAll(options.Indexers)
	return i, nil
}

// sharedIndexInformer is a [cache.SharedIndexInformer] over the core, in one form.
type sharedIndexInformer struct {
	*Shared
	form    core.Form
	indexer *indexer
}

var _ cache.SharedIndexInformer = (*sharedIndexInformer)(nil)

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
	r := newRegistration(i, handler)
	logger := ptr.Deref(options.Logger, klog.Background())
	var err error
	r.Registration, err = i.core.AddHandler(r.tell, core.HandlerOptions{Name: r.name, Form: i.form, Buffer: bufferSize, Progress: i.progress(), Logger: logger})
	if errors.Is(err, ErrStopped) {
		// Programs look at the end of the message.
		return nil, fmt.Errorf("%w: handler %s was not added to shared informer because it has stopped already", ErrStopped, r.name)
	}
	if err != nil {
		return nil, err
	}
	i.resyncs.add(r, ptr.Deref(options.ResyncPeriod, i.resync), logger)
	return r, nil
}

// progress returns what is called when a handler has come further, or nil.
func (i *sharedIndexInformer) progress() func() {
	if !i.meters.enabled {
		return nil
	}
	return i.measure
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
	if r.informer.Shared == i.Shared {
		i.resyncs.remove(r)
		r.Remove()
	}
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
func (i *sharedIndexInformer) HasSynced() bool { return i.core.Status().HasSynced() }

// HasSyncedChecker is HasSynced for those who wait.
func (i *sharedIndexInformer) HasSyncedChecker() cache.DoneChecker {
	return done{name: "SharedIndexInformer " + i.core.Name(), ch: i.core.Status().Synced()}
}

// HasStarted tells whether Run was called.
func (i *sharedIndexInformer) HasStarted() bool { return i.core.Status().HasStarted() }

// IsStopped tells whether the informer has stopped; it never runs again.
func (i *sharedIndexInformer) IsStopped() bool { return i.core.IsStopped() }

// LastSyncResourceVersion returns the resourceVersion that the reflector has come
// to. The store may be a moment behind; see LastStoreSyncResourceVersion there.
func (i *sharedIndexInformer) LastSyncResourceVersion() string {
	return i.core.LastSyncResourceVersion()
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
	if handler == nil {
		handler = cache.DefaultWatchErrorHandler
	}
	return i.core.SetErrorHandler(handler)
}

// SetTransform sets what is applied to each object before it is stored. It returns
// [ErrStarted] after Run.
func (i *sharedIndexInformer) SetTransform(transform cache.TransformFunc) error {
	return i.core.SetTransform(transform)
}

// SetShardSelector sets which shard of the objects is wanted, as client-go 0.38 has it. A
// server that knows no shards sends all, and the informer leaves out the others. It returns
// [ErrStarted] after Run.
func (i *sharedIndexInformer) SetShardSelector(selector sharding.Selector) error {
	return i.core.SetShardSelector(selector)
}

// GetController returns a controller that only tells the informer's state.
func (i *sharedIndexInformer) GetController() cache.Controller { return controller{i} }

// Run is RunWithContext with a channel.
func (i *sharedIndexInformer) Run(stopCh <-chan struct{}) {
	i.RunWithContext(wait.ContextForChannel(stopCh))
}

// RunWithContext keeps the informer up to date until ctx is done. It blocks until
// then, and until every handler has returned. An informer runs once: a second call
// logs a warning and returns.
func (i *sharedIndexInformer) RunWithContext(ctx context.Context) {
	defer utilruntime.HandleCrashWithContext(ctx)
	if !i.HasStarted() {
		i.core.SetResyncPeriod(i.resyncs.start())
	}
	if err := i.core.Run(ctx); err != nil {
		klog.FromContext(ctx).Info("Warning: the informer was run before, and an informer runs only once", "informer", i.core.Name())
	}
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
