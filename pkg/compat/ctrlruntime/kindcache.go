package ctrlruntime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/core"
)

// schemaKind names a kind.
type schemaKind = schema.GroupVersionKind

// kindCache is what a cache holds of one kind: a namespace cache for each namespace of its
// settings. It serves every form that is asked for from the same store.
type kindCache struct {
	settings   *settings
	gvk        schemaKind
	namespaced bool
	namespaces map[string]*namespaceCache // "" is those that are not named
	fields     *fieldIndexes

	life context.Context // until the kind is dropped or the cache stops
	drop context.CancelFunc

	syncing sync.Mutex
	synced  map[core.Form]toolscache.DoneChecker // made when somebody asks

	// Guarded by the cache's lock.
	handlers int
	removed  bool // by RemoveInformer
}

func newKindCache(s *settings, gvk schemaKind, f core.Form, fields *fieldIndexes) (*kindCache, error) {
	mapping, configs, err := s.resolve(gvk)
	if err != nil {
		return nil, err
	}
	k := &kindCache{
		settings: s, gvk: gvk, namespaced: isNamespaced(mapping), namespaces: map[string]*namespaceCache{}, fields: fields,
		synced: map[core.Form]toolscache.DoneChecker{},
	}
	k.life, k.drop = context.WithCancel(context.Background())
	for namespace, config := range configs {
		ns, err := newNamespaceCache(s, mapping, namespace, config, f)
		if err != nil {
			return nil, err
		}
		k.namespaces[namespace] = ns
		for _, x := range fields.list() {
			if err := ns.objects().AddIndex(x.name(), fields.index(x)); err != nil {
				return nil, err
			}
		}
	}
	return k, nil
}

// syncedIn returns a checker that is done when the kind can be read in a form. It is always
// the same for one form.
func (k *kindCache) syncedIn(f core.Form) toolscache.DoneChecker {
	k.syncing.Lock()
	defer k.syncing.Unlock()
	if c, ok := k.synced[f]; ok {
		return c
	}
	done := make(chan struct{})
	go func() {
		for _, ns := range k.namespaces {
			for changed := ns.status().Changed(); !ns.synced(f); changed = ns.status().Changed() {
				select {
				case <-changed:
				case <-k.life.Done():
					return
				}
			}
		}
		close(done)
	}()
	c := doneChecker{k.gvk.String() + ", " + f.String(), done}
	k.synced[f] = c
	return c
}

// run runs the informers until ctx is done or the kind is dropped. It does not block.
func (k *kindCache) run(ctx context.Context, running *sync.WaitGroup) {
	forget := context.AfterFunc(ctx, k.drop)
	context.AfterFunc(k.life, func() { forget() })
	for _, ns := range k.namespaces {
		running.Go(func() { ns.informer(core.AsStored).RunWithContext(k.life) })
	}
}

// want sees to it that the store comes to hold objects that can be read in a form.
func (k *kindCache) want(f core.Form) {
	for _, ns := range k.namespaces {
		ns.shared.Core().Want(f)
	}
}

// of returns the namespace caches that objects of a namespace are in: all if it is "".
func (k *kindCache) of(namespace string) ([]*namespaceCache, error) {
	if namespace == "" || !k.namespaced {
		return k.everything(), nil
	}
	if ns := k.namespaces[namespace]; ns != nil {
		return []*namespaceCache{ns}, nil
	}
	if ns := k.namespaces[cache.AllNamespaces]; ns != nil {
		return []*namespaceCache{ns}, nil
	}
	return nil, fmt.Errorf("%s in namespace %q: %w", k.gvk.Kind, namespace, ErrNamespaceNotCached)
}

// only returns the namespace cache if there is only one.
func (k *kindCache) only() *namespaceCache {
	if len(k.namespaces) != 1 {
		return nil
	}
	return k.everything()[0]
}

// wrote notes a write, and what was the answer to it, where it concerns somebody.
func (k *kindCache) wrote(ctx context.Context, of scope, answer client.Object) {
	if !k.namespaced {
		of.Namespace = ""
	}
	namespaces, err := k.of(of.Namespace)
	if err != nil {
		return // that namespace is not cached, so nobody can read it
	}
	for _, ns := range namespaces {
		ns.wrote(ctx, of, answer)
	}
}

// catchUp waits, for a read in a form, until the store has the writes that concern it. It
// returns those that older states may still come of.
func (k *kindCache) catchUp(ctx context.Context, f core.Form, of types.NamespacedName) (map[*namespaceCache]facts, error) {
	if !k.namespaced {
		of.Namespace = ""
	}
	namespaces, err := k.of(of.Namespace)
	if err != nil {
		return nil, nil //nolint:nilerr // the read says so
	}
	pending := map[*namespaceCache]facts{}
	for _, ns := range namespaces {
		if pending[ns], err = ns.catchUp(ctx, f, of, k.life.Done()); err != nil {
			return nil, err
		}
	}
	return pending, nil
}

// outdates tells whether an object that was read, or one in a list, is older than facts
// about it.
func (k *kindCache) outdates(read runtime.Object, pending map[*namespaceCache]facts) bool {
	outdated := false
	look := func(o runtime.Object) error {
		if obj, ok := o.(client.Object); ok {
			namespaces, err := k.of(obj.GetNamespace())
			outdated = outdated || err == nil && pending[namespaces[0]].outdate(obj)
		}
		return nil
	}
	switch {
	case len(pending) == 0:
	case meta.IsListType(read):
		_ = meta.EachListItem(read, look)
	default:
		_ = look(read)
	}
	return outdated
}

// await waits until namespace caches are synced in a form.
func (k *kindCache) await(ctx context.Context, namespaces []*namespaceCache, f core.Form) error {
	for _, ns := range namespaces {
		if err := ns.await(ctx, f, k.life.Done()); err != nil {
			return err
		}
	}
	return nil
}

// everything returns all namespace caches.
func (k *kindCache) everything() []*namespaceCache { return slices.Collect(maps.Values(k.namespaces)) }
