package ctrlruntime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/sharding"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

// cacheInformer is a kind as [cache.Informer], in one form.
type cacheInformer struct {
	cache *Cache
	form  core.Form

	mu   sync.Mutex
	kind *kindCache
}

var _ cache.Informer = (*cacheInformer)(nil)

// present returns the kind that the informer is of.
func (i *cacheInformer) present() *kindCache {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.kind
}

// running is present, but replaces a kind that was stopped because nobody used it. It
// returns [clientgo.ErrStopped] for one that was removed, or whose cache has stopped.
func (i *cacheInformer) running() (*kindCache, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.kind.life.Err() == nil {
		return i.kind, nil
	}
	if i.cache.wasRemoved(i.kind) {
		return nil, fmt.Errorf("%s: event handler was not added: %w", i.kind.gvk.Kind, clientgo.ErrStopped)
	}
	k, _, err := i.cache.need(context.Background(), i.kind.gvk, i.form)
	if err != nil {
		return nil, err
	}
	i.kind = k
	return k, nil
}

// AddEventHandler has handler called with what there is and with every change.
func (i *cacheInformer) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(handler, toolscache.HandlerOptions{})
}

// AddEventHandlerWithResyncPeriod is AddEventHandler with a period of resync.
func (i *cacheInformer) AddEventHandlerWithResyncPeriod(handler toolscache.ResourceEventHandler, resyncPeriod time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandlerWithOptions(handler, toolscache.HandlerOptions{ResyncPeriod: &resyncPeriod})
}

// AddEventHandlerWithOptions is AddEventHandler with options. With several namespaces
// the handler is called from a goroutine for each. It returns [clientgo.ErrStopped] after
// RemoveInformer and when the cache has stopped.
func (i *cacheInformer) AddEventHandlerWithOptions(handler toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	if handler == nil {
		return nil, clientgo.ErrHandlerRequired
	}
	for {
		k, err := i.running()
		if err != nil {
			return nil, err
		}
		if !i.cache.use(k) {
			continue // it was stopped just now
		}
		r, err := newRegistration(k, i.form, handler, options)
		if err != nil {
			i.cache.release(k)
			return nil, err
		}
		return r, nil
	}
}

// RemoveEventHandler ends the calls to a handler, without waiting for one that is
// under way. If it was the last of the kind, the watch stops.
func (i *cacheInformer) RemoveEventHandler(handle toolscache.ResourceEventHandlerRegistration) error {
	r, ok := handle.(*registration)
	if !ok {
		return fmt.Errorf("registration %T: %w", handle, ErrForeign)
	}
	var errs []error
	r.once.Do(func() {
		for _, p := range r.parts {
			errs = append(errs, p.informer.RemoveEventHandler(p.ResourceEventHandlerRegistration))
		}
		i.cache.release(r.kind)
	})
	return errors.Join(errs...)
}

// AddIndexers adds indexes over objects of the informer's form.
func (i *cacheInformer) AddIndexers(indexers toolscache.Indexers) error {
	for _, ns := range i.present().namespaces {
		if err := ns.informer(i.form).AddIndexers(indexers); err != nil {
			return err
		}
	}
	return nil
}

// HasSynced tells whether the first lists are in the store.
func (i *cacheInformer) HasSynced() bool {
	return !slices.ContainsFunc(i.present().everything(), func(ns *namespaceCache) bool { return !ns.synced(i.form) })
}

// HasSyncedChecker is HasSynced for those who wait.
func (i *cacheInformer) HasSyncedChecker() toolscache.DoneChecker {
	return i.present().syncedIn(i.form)
}

// IsStopped tells whether the informer has stopped: it takes in nothing more. A handler
// may still be at work on what came before.
func (i *cacheInformer) IsStopped() bool { return i.present().life.Err() != nil }

// sharedInformer is a cacheInformer of a kind that is cached under one namespace, or all: it
// is all that one of client-go is, as controller-runtime's is.
type sharedInformer struct{ *cacheInformer }

var _ toolscache.SharedIndexInformer = sharedInformer{}

// inner returns the informer of the one namespace cache.
func (i sharedInformer) inner() toolscache.SharedIndexInformer {
	return i.present().only().informer(i.form)
}

// GetStore returns the objects, in the informer's form.
func (i sharedInformer) GetStore() toolscache.Store { return i.inner().GetStore() }

// GetIndexer returns the objects, in the informer's form.
func (i sharedInformer) GetIndexer() toolscache.Indexer { return i.inner().GetIndexer() }

// GetController returns a controller that only tells the informer's state.
func (i sharedInformer) GetController() toolscache.Controller { return i.inner().GetController() }

// LastSyncResourceVersion returns the resourceVersion that the reflector has come to.
func (i sharedInformer) LastSyncResourceVersion() string { return i.inner().LastSyncResourceVersion() }

// SetWatchErrorHandler sets what is called when list or watch fails. It returns
// [clientgo.ErrStarted] once the cache has started.
func (i sharedInformer) SetWatchErrorHandler(handler toolscache.WatchErrorHandler) error {
	return i.inner().SetWatchErrorHandler(handler)
}

// SetWatchErrorHandlerWithContext is SetWatchErrorHandler with a context.
func (i sharedInformer) SetWatchErrorHandlerWithContext(handler toolscache.WatchErrorHandlerWithContext) error {
	return i.inner().SetWatchErrorHandlerWithContext(handler)
}

// SetTransform sets what is applied to each object before it is stored. It returns
// [clientgo.ErrStarted] once the cache has started.
func (i sharedInformer) SetTransform(transform toolscache.TransformFunc) error {
	return i.inner().SetTransform(transform)
}

// SetShardSelector sets which shard of the objects is wanted. It returns
// [clientgo.ErrStarted] once the cache has started.
func (i sharedInformer) SetShardSelector(selector sharding.Selector) error {
	return i.inner().(interface {
		SetShardSelector(selector sharding.Selector) error
	}).SetShardSelector(selector)
}

// Run logs a warning: it is the cache that runs its informers.
func (i sharedInformer) Run(stopCh <-chan struct{}) { i.inner().Run(stopCh) }

// RunWithContext is Run with a context.
func (i sharedInformer) RunWithContext(ctx context.Context) { i.inner().RunWithContext(ctx) }

// wasRemoved tells whether a kind went by RemoveInformer.
func (c *Cache) wasRemoved(k *kindCache) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return k.removed || c.ctx != nil && c.ctx.Err() != nil
}

// use counts an event handler of a kind. It returns false for a kind that has stopped.
func (c *Cache) use(k *kindCache) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.life.Err() != nil {
		return false
	}
	k.handlers++
	return true
}

// release is the end of a use.
func (c *Cache) release(k *kindCache) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.handlers--; k.handlers > 0 {
		return
	}
	k.drop()
	if c.kinds[k.gvk] == k {
		delete(c.kinds, k.gvk)
	}
}

// registration is an event handler at the namespace caches of a kind.
type registration struct {
	kind  *kindCache
	parts []part
	once  sync.Once // removes it

	synced func() toolscache.DoneChecker // always the same
}

type part struct {
	toolscache.ResourceEventHandlerRegistration
	informer toolscache.SharedIndexInformer
}

var _ toolscache.ResourceEventHandlerRegistration = (*registration)(nil)

func newRegistration(k *kindCache, f core.Form, handler toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (*registration, error) {
	r := &registration{kind: k}
	for _, ns := range k.namespaces {
		inf := ns.informer(f)
		reg, err := inf.AddEventHandlerWithOptions(handler, options)
		if err != nil {
			for _, p := range r.parts {
				err = errors.Join(err, p.informer.RemoveEventHandler(p.ResourceEventHandlerRegistration))
			}
			return nil, err
		}
		r.parts = append(r.parts, part{reg, inf})
	}
	r.synced = sync.OnceValue(func() toolscache.DoneChecker {
		var checkers []toolscache.DoneChecker
		for _, p := range r.parts {
			checkers = append(checkers, p.HasSyncedChecker())
		}
		return allDone(checkers, k.life.Done())
	})
	return r, nil
}

// HasSynced tells whether the handler was given everything that was there.
func (r *registration) HasSynced() bool {
	return !slices.ContainsFunc(r.parts, func(p part) bool { return !p.HasSynced() })
}

// HasSyncedChecker is HasSynced for those who wait.
func (r *registration) HasSyncedChecker() toolscache.DoneChecker {
	return r.synced()
}

// doneChecker is several checkers in one.
type doneChecker struct {
	name string
	done <-chan struct{}
}

func (d doneChecker) Name() string          { return d.name }
func (d doneChecker) Done() <-chan struct{} { return d.done }

// allDone returns a checker that is done when all are. It never is if ended is closed
// before that.
func allDone(checkers []toolscache.DoneChecker, ended <-chan struct{}) toolscache.DoneChecker {
	if len(checkers) == 1 {
		return checkers[0]
	}
	done := make(chan struct{})
	names := make([]string, 0, len(checkers))
	for _, c := range checkers {
		names = append(names, c.Name())
	}
	go func() {
		for _, c := range checkers {
			select {
			case <-c.Done():
			case <-ended:
				return
			}
		}
		close(done)
	}()
	return doneChecker{strings.Join(names, ", "), done}
}
