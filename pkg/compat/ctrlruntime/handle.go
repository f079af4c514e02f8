package ctrlruntime

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

// handle is a kind as [cache.Informer], in one form.
type handle struct {
	cache *Cache
	form  form

	mu   sync.Mutex
	kind *kind
}

var _ cache.Informer = (*handle)(nil)

// present returns the kind that the handle is of.
func (h *handle) present() *kind {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kind
}

// running is present, but replaces a kind that was stopped because nobody used it. It
// returns [clientgo.ErrStopped] for one that was removed, or whose cache has stopped.
func (h *handle) running() (*kind, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kind.life.Err() == nil {
		return h.kind, nil
	}
	if h.cache.wasRemoved(h.kind) {
		return nil, fmt.Errorf("%s: event handler was not added: %w", h.kind.gvk.Kind, clientgo.ErrStopped)
	}
	k, _, err := h.cache.need(context.Background(), h.kind.gvk, h.form)
	if err != nil {
		return nil, err
	}
	h.kind = k
	return k, nil
}

// AddEventHandler has handler called with what there is and with every change.
func (h *handle) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return h.AddEventHandlerWithOptions(handler, toolscache.HandlerOptions{})
}

// AddEventHandlerWithResyncPeriod is AddEventHandler with a period of resync.
func (h *handle) AddEventHandlerWithResyncPeriod(handler toolscache.ResourceEventHandler, resyncPeriod time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return h.AddEventHandlerWithOptions(handler, toolscache.HandlerOptions{ResyncPeriod: &resyncPeriod})
}

// AddEventHandlerWithOptions is AddEventHandler with options. With several namespaces
// the handler is called from a goroutine for each. It returns [clientgo.ErrStopped] after
// RemoveInformer and when the cache has stopped.
func (h *handle) AddEventHandlerWithOptions(handler toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	if handler == nil {
		return nil, clientgo.ErrHandlerRequired
	}
	for {
		k, err := h.running()
		if err != nil {
			return nil, err
		}
		if !h.cache.use(k) {
			continue // it was stopped just now
		}
		r, err := newRegistration(k, h.form, handler, options)
		if err != nil {
			h.cache.release(k)
			return nil, err
		}
		return r, nil
	}
}

// RemoveEventHandler ends the calls to a handler, without waiting for one that is
// under way. If it was the last of the kind, the watch stops.
func (h *handle) RemoveEventHandler(handle toolscache.ResourceEventHandlerRegistration) error {
	r, ok := handle.(*registration)
	if !ok {
		return fmt.Errorf("registration %T: %w", handle, ErrForeign)
	}
	var errs []error
	r.once.Do(func() {
		for _, p := range r.parts {
			errs = append(errs, p.share.informer.RemoveEventHandler(p.ResourceEventHandlerRegistration))
		}
		h.cache.release(r.kind)
	})
	return errors.Join(errs...)
}

// AddIndexers adds indexes over objects of the handle's form.
func (h *handle) AddIndexers(indexers toolscache.Indexers) error {
	k := h.present()
	for _, sh := range k.shares {
		if err := sh.index(viewIndexers(k.settings, k.gvk, sh, h.form, indexers)); err != nil {
			return err
		}
	}
	return nil
}

// HasSynced tells whether the first lists are in the store.
func (h *handle) HasSynced() bool {
	k := h.present()
	return !slices.ContainsFunc(k.everything(), func(sh *share) bool { return !sh.synced(h.form) })
}

// HasSyncedChecker is HasSynced for those who wait.
func (h *handle) HasSyncedChecker() toolscache.DoneChecker {
	k := h.present()
	return k.synced()
}

// IsStopped tells whether the informer has stopped: it takes in nothing more. A handler
// may still be at work on what came before.
func (h *handle) IsStopped() bool {
	k := h.present()
	return k.life.Err() != nil
}

// wasRemoved tells whether a kind went by RemoveInformer.
func (c *Cache) wasRemoved(k *kind) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return k.removed || c.ctx != nil && c.ctx.Err() != nil
}

// use counts an event handler of a kind. It returns false for a kind that has stopped.
func (c *Cache) use(k *kind) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.life.Err() != nil {
		return false
	}
	k.handlers++
	return true
}

// release is the end of a use.
func (c *Cache) release(k *kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.handlers--; k.handlers > 0 {
		return
	}
	k.drop()
	for key, has := range c.kinds {
		if has == k {
			delete(c.kinds, key)
		}
	}
}

// registration is an event handler at the shares of a kind.
type registration struct {
	kind  *kind
	parts []part
	once  sync.Once // removes it

	synced func() toolscache.DoneChecker // always the same
}

type part struct {
	toolscache.ResourceEventHandlerRegistration
	share *share
}

var _ toolscache.ResourceEventHandlerRegistration = (*registration)(nil)

func newRegistration(k *kind, f form, handler toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (*registration, error) {
	r := &registration{kind: k}
	for _, sh := range k.shares {
		h := handler
		if !sh.foreign {
			h = viewer{handler, k, sh, f}
		}
		reg, err := sh.informer.AddEventHandlerWithOptions(h, options)
		if err != nil {
			for _, p := range r.parts {
				err = errors.Join(err, p.share.informer.RemoveEventHandler(p.ResourceEventHandlerRegistration))
			}
			return nil, err
		}
		r.parts = append(r.parts, part{reg, sh})
	}
	r.synced = sync.OnceValue(func() toolscache.DoneChecker {
		var checkers []toolscache.DoneChecker
		for _, p := range r.parts {
			checkers = append(checkers, p.HasSyncedChecker())
		}
		return all(checkers, k.life.Done())
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

// together is several checkers in one.
type together struct {
	name string
	done <-chan struct{}
}

func (t together) Name() string          { return t.name }
func (t together) Done() <-chan struct{} { return t.done }

// all returns a checker that is done when all are. It never is if ended is closed
// before that.
func all(checkers []toolscache.DoneChecker, ended <-chan struct{}) toolscache.DoneChecker {
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
	return together{strings.Join(names, ", "), done}
}

// viewer calls an event handler with objects in its form.
type viewer struct {
	handler toolscache.ResourceEventHandler
	kind    *kind
	share   *share
	form    form
}

// OnAdd implements [toolscache.ResourceEventHandler].
func (v viewer) OnAdd(obj any, isInInitialList bool) {
	if seen, ok := v.view(obj); ok {
		v.handler.OnAdd(seen, isInInitialList)
	}
}

// OnUpdate implements [toolscache.ResourceEventHandler]. An object that was not there
// in full before is new to the handler, and one that is only in another form now is
// the same.
func (v viewer) OnUpdate(prev, next any) {
	n, ok := v.view(next)
	if !ok {
		return
	}
	p, ok := v.view(prev)
	switch {
	case !ok:
		v.handler.OnAdd(n, false)
	case reflect.TypeOf(prev) == reflect.TypeOf(next) || version(p) != version(n):
		v.handler.OnUpdate(p, n)
	}
}

// OnDelete implements [toolscache.ResourceEventHandler].
func (v viewer) OnDelete(obj any) {
	unknown, isUnknown := obj.(toolscache.DeletedFinalStateUnknown)
	if isUnknown {
		obj = unknown.Obj
	}
	seen, ok := v.view(obj)
	if !ok {
		return
	}
	if isUnknown {
		seen = toolscache.DeletedFinalStateUnknown{Key: unknown.Key, Obj: seen}
	}
	v.handler.OnDelete(seen)
}

// view returns an object in the handler's form. One that is not there in full yet is
// left out: it is told when it is.
func (v viewer) view(stored any) (seen any, ok bool) {
	obj, ok := stored.(client.Object)
	if !ok {
		return stored, true
	}
	o, err := v.share.view(v.kind.settings, v.kind.gvk, obj, v.form)
	if err != nil && !errors.Is(err, errNarrow) {
		utilruntime.HandleError(fmt.Errorf("an event handler was not told of a change: %w", err))
	}
	return o, err == nil
}

func version(obj any) string {
	m, err := meta.Accessor(obj)
	if err != nil {
		return ""
	}
	return m.GetResourceVersion()
}
