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
)

// kind is what a cache holds of one kind: a share for each namespace of its settings.
// It serves every form that is asked for from the same store.
type kind struct {
	settings   *settings
	gvk        schema.GroupVersionKind
	namespaced bool
	shares     map[string]*share // by namespace; "" is those that are not named
	fields     *fieldIndexes

	life context.Context // until the kind is dropped or the cache stops
	drop context.CancelFunc

	synced func() toolscache.DoneChecker // of the first lists; always the same

	// Guarded by the cache's lock.
	handlers int
	removed  bool // by RemoveInformer
}

func newKind(s *settings, gvk schema.GroupVersionKind, f form, fields *fieldIndexes) (*kind, error) {
	mapping, configs, err := s.resolve(gvk)
	if err != nil {
		return nil, err
	}
	example, err := newObject(s.Scheme, gvk, f)
	if err != nil {
		return nil, err
	}
	k := &kind{settings: s, gvk: gvk, namespaced: isNamespaced(mapping), shares: map[string]*share{}, fields: fields}
	k.life, k.drop = context.WithCancel(context.Background())
	k.synced = sync.OnceValue(func() toolscache.DoneChecker {
		var checkers []toolscache.DoneChecker
		for _, sh := range k.shares {
			checkers = append(checkers, sh.informer.HasSyncedChecker())
		}
		return all(checkers, k.life.Done())
	})
	for namespace, config := range configs {
		sh, err := newShare(s, mapping, namespace, config, f, example)
		if err != nil {
			return nil, err
		}
		k.shares[namespace] = sh
		for _, x := range fields.list() {
			if err := sh.index(fields.indexer(s, gvk, sh, x)); err != nil {
				return nil, err
			}
		}
	}
	return k, nil
}

// run runs the informers until ctx is done or the kind is dropped. It does not block.
func (k *kind) run(ctx context.Context, running *sync.WaitGroup) {
	forget := context.AfterFunc(ctx, k.drop)
	context.AfterFunc(k.life, func() { forget() })
	for _, sh := range k.shares {
		running.Go(func() { sh.informer.RunWithContext(k.life) })
	}
}

// widen sees to it that the store comes to hold objects in a form.
func (k *kind) widen(f form) {
	for _, sh := range k.shares {
		if !sh.foreign {
			sh.remote.widen(f)
		}
	}
}

// of returns the shares that objects of a namespace are in: all if it is "".
func (k *kind) of(namespace string) ([]*share, error) {
	if namespace == "" || !k.namespaced {
		return slices.Collect(maps.Values(k.shares)), nil
	}
	if sh := k.shares[namespace]; sh != nil {
		return []*share{sh}, nil
	}
	if sh := k.shares[cache.AllNamespaces]; sh != nil {
		return []*share{sh}, nil
	}
	return nil, fmt.Errorf("%s in namespace %q: %w", k.gvk.Kind, namespace, ErrNamespaceNotCached)
}

// wrote notes a write, and what was the answer to it, at the shares that it concerns.
func (k *kind) wrote(ctx context.Context, of scope, answer client.Object) {
	if !k.namespaced {
		of.Namespace = ""
	}
	shares, err := k.of(of.Namespace)
	if err != nil {
		return // that namespace is not cached, so nobody can read it
	}
	for _, sh := range shares {
		sh.wrote(ctx, of, answer)
	}
}

// catchUp waits, for a read in a form, until the shares have the writes that concern it.
// It returns those that older states may still come of.
func (k *kind) catchUp(ctx context.Context, f form, of types.NamespacedName) (map[*share]facts, error) {
	if !k.namespaced {
		of.Namespace = ""
	}
	shares, err := k.of(of.Namespace)
	if err != nil {
		return nil, nil //nolint:nilerr // the read says so
	}
	pending := map[*share]facts{}
	for _, sh := range shares {
		if pending[sh], err = sh.catchUp(ctx, f, of, k.life.Done()); err != nil {
			return nil, err
		}
	}
	return pending, nil
}

// outdates tells whether an object that was read, or one in a list, is older than facts
// of its share.
func (k *kind) outdates(read runtime.Object, pending map[*share]facts) bool {
	outdated := false
	look := func(o runtime.Object) error {
		if obj, ok := o.(client.Object); ok {
			shares, err := k.of(obj.GetNamespace())
			outdated = outdated || err == nil && pending[shares[0]].outdate(obj)
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

// await waits until shares are synced in a form.
func (k *kind) await(ctx context.Context, shares []*share, f form) error {
	for _, sh := range shares {
		if err := sh.await(ctx, f, k.life.Done()); err != nil {
			return err
		}
	}
	return nil
}

// everything returns all shares.
func (k *kind) everything() []*share { return slices.Collect(maps.Values(k.shares)) }
