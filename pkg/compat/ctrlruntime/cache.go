package ctrlruntime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/core"
)

// Cache is a [cache.Cache] over gomap stores. Make one with [NewCache].
//
// It has one store of a kind, whatever forms it is read in. All methods are safe for
// concurrent use.
type Cache struct {
	settings *settings
	started  chan struct{}
	running  sync.WaitGroup // the informers

	// making is held while a kind is made or gets an index. It is taken before mu.
	making sync.Mutex

	mu     sync.RWMutex
	ctx    context.Context // Start's; nil before
	kinds  map[schemaKind]*kindCache
	fields map[schemaKind]*fieldIndexes
}

var _ cache.Cache = (*Cache)(nil)

// NeedLeaderElection tells a manager to start the cache also while it is not leader.
func (c *Cache) NeedLeaderElection() bool { return false }

// Start keeps the cache up to date until ctx is done. It blocks until then, and until
// every event handler has returned. A second call returns [ErrStarted].
func (c *Cache) Start(ctx context.Context) error {
	c.mu.Lock()
	if c.ctx != nil {
		c.mu.Unlock()
		return ErrStarted
	}
	c.ctx = ctx
	for _, k := range c.kinds {
		k.run(ctx, &c.running)
	}
	close(c.started)
	c.mu.Unlock()

	<-ctx.Done()
	c.everyKind() // whoever is starting a kind has done so, or will see that it is too late
	c.running.Wait()
	return nil
}

// WaitForCacheSync waits until the cache is started and every kind that it has so far
// is synced. It returns false when ctx is done first.
func (c *Cache) WaitForCacheSync(ctx context.Context) bool {
	select {
	case <-c.started:
	case <-ctx.Done():
		return false
	}
	for _, k := range c.everyKind() {
		for _, ns := range k.everything() {
			select {
			case <-ns.status().Synced():
			case <-k.life.Done():
			case <-ctx.Done():
				return false
			}
		}
	}
	return ctx.Err() == nil
}

func (c *Cache) everyKind() []*kindCache {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]*kindCache, 0, len(c.kinds))
	for _, k := range c.kinds {
		all = append(all, k)
	}
	return all
}

// find returns a kind if the cache has it.
func (c *Cache) find(gvk schemaKind) (k *kindCache, started bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.kinds[gvk], c.ctx != nil
}

// need returns a kind, and makes and starts it if the cache does not have it. If ctx is
// done a kind that was just started is an error of apierrors.IsTimeout: whether it is
// synced by the time that somebody looks is up to chance.
func (c *Cache) need(ctx context.Context, gvk schemaKind, f core.Form) (k *kindCache, started bool, err error) {
	if k, started = c.find(gvk); k == nil {
		c.making.Lock()
		defer c.making.Unlock()
		if k, started, err = c.needLocked(gvk, f); err != nil {
			return nil, false, err
		}
		if started && ctx.Err() != nil {
			return nil, false, timeoutError(ctx, gvk.String(), nil)
		}
	}
	k.want(f)
	return k, started, nil
}

// needLocked is need for who holds making.
func (c *Cache) needLocked(gvk schemaKind, f core.Form) (*kindCache, bool, error) {
	if k, started := c.find(gvk); k != nil {
		return k, started, nil
	}
	k, err := newKindCache(c.settings, gvk, f, c.fieldsOf(gvk))
	if err != nil {
		return nil, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx != nil {
		if c.ctx.Err() != nil {
			return nil, false, fmt.Errorf("%s: %w", gvk.Kind, ErrStopped)
		}
		k.run(c.ctx, &c.running)
	}
	c.kinds[gvk] = k
	return k, c.ctx != nil, nil
}

func (c *Cache) fieldsOf(gvk schemaKind) *fieldIndexes {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fields[gvk] == nil {
		c.fields[gvk] = &fieldIndexes{}
	}
	return c.fields[gvk]
}

// GetInformer returns an informer of obj's kind, which is started if it was not. It
// waits until that is synced, unless the cache is not started or the options say
// otherwise. The informer's objects are of obj's form. It is a
// toolscache.SharedIndexInformer, unless the kind is cached in several namespaces.
//
// Its event handlers are the informer's users: when the last of all that were added
// for a kind is removed, the watch stops. A read, or a new handler, starts it again.
//
// Errors are those of Get.
func (c *Cache) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	gvk, err := c.settings.kindOf(obj)
	if err != nil {
		return nil, err
	}
	return c.informer(ctx, gvk, core.FormOf(obj), opts)
}

// GetInformerForKind is GetInformer for a kind of the scheme.
func (c *Cache) GetInformerForKind(ctx context.Context, gvk schema.GroupVersionKind, opts ...cache.InformerGetOption) (cache.Informer, error) {
	obj, err := c.settings.Scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	return c.informer(ctx, gvk, core.FormOf(obj), opts)
}

func (c *Cache) informer(ctx context.Context, gvk schemaKind, f core.Form, opts []cache.InformerGetOption) (cache.Informer, error) {
	var options cache.InformerGetOptions
	for _, opt := range opts {
		opt(&options)
	}
	blocks := ptr.Deref(options.BlockUntilSynced, true)
	if !blocks {
		ctx = context.WithoutCancel(ctx)
	}
	for {
		k, started, err := c.need(ctx, gvk, f)
		if err != nil {
			return nil, err
		}
		if started && blocks {
			err = k.await(ctx, k.everything(), f)
		}
		if errors.Is(err, errEnded) {
			if err = c.stoppedError(gvk); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		inf := &cacheInformer{cache: c, kind: k, form: f}
		if k.only() != nil {
			return sharedInformer{inf}, nil
		}
		return inf, nil
	}
}

// stoppedError returns ErrStopped if the cache has stopped.
func (c *Cache) stoppedError(gvk schemaKind) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.ctx != nil && c.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", gvk.Kind, ErrStopped)
	}
	return nil
}

// RemoveInformer stops the informer of obj's kind, whoever uses it, and forgets the
// kind with its indexes. It does not wait for event handlers that run.
func (c *Cache) RemoveInformer(_ context.Context, obj client.Object) error {
	gvk, err := c.settings.kindOf(obj)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.fields, gvk)
	if k := c.kinds[gvk]; k != nil {
		k.removed = true
		k.drop()
		delete(c.kinds, gvk)
	}
	return nil
}

// IndexField has a field of obj's kind indexed by what extractValue returns for an
// object of obj's form, so that lists can select by it. The same function again is no
// error, another one is [ErrIndexConflict]. It does not wait for the kind to sync.
func (c *Cache) IndexField(_ context.Context, obj client.Object, field string, extractValue client.IndexerFunc) error {
	gvk, err := c.settings.kindOf(obj)
	if err != nil {
		return err
	}
	f := core.FormOf(obj)
	c.making.Lock()
	defer c.making.Unlock()
	k, _, err := c.needLocked(gvk, f)
	if err != nil {
		return err
	}
	k.want(f)
	x := fieldIndex{field, f}
	isNew, err := k.fields.add(x, extractValue)
	if err != nil || !isNew {
		return err
	}
	for _, ns := range k.namespaces {
		if err := ns.objects().AddIndex(x.name(), k.fields.index(x)); err != nil {
			k.fields.drop(x)
			return err
		}
	}
	return nil
}

// itemKind returns the kind of what a list holds.
func (c *Cache) itemKind(list runtime.Object) (schema.GroupVersionKind, error) {
	gvk, err := c.settings.kindOf(list)
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	return gvk, err
}
