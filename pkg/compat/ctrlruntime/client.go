package ctrlruntime

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/core"
)

// ClientOptions are those of a client that reads its own writes.
type ClientOptions struct {
	// Timeout bounds how long a read waits for the cache. Default: 5 s.
	Timeout time.Duration
}

// NewClient is ClientOptions.NewClient with the defaults.
//
//	manager.Options{NewCache: ctrlruntime.NewCache, NewClient: ctrlruntime.NewClient}
func NewClient(config *rest.Config, opts client.Options) (client.Client, error) {
	return ClientOptions{}.NewClient(config, opts)
}

var _ client.NewClientFunc = NewClient

// NewClient returns a client whose reads from the cache, which has to be one of
// [NewCache], are not older than what was written before by it, or by another client of
// NewClient with the same cache: a Get waits for the writes to that object, a List for
// those to the kind in the list's namespace. A read that waits for longer than the
// timeout is a [*StaleError].
//
// What is waited for is that the cache has come to the resourceVersion of the write, by
// an event or a bookmark, or has nothing older of what was written. An object that has
// left the cache's selectors is gone from the cache. All writes count: Create, Update,
// Patch, Apply, Delete, DeleteAllOf, and those to subresources, unless they are a dry run,
// say DisableReadYourWritesConsistency, or have returned an error. They count for reads
// of the same version of the kind, in every form.
//
// Where the answer to a write does not tell what has become of the object, the client
// asks, with the cache's credentials, by a list of metadata: once after a Delete,
// a DeleteAllOf, the removal of the last finalizer, and a write to a subresource other
// than the status (an eviction, a scale), and after every write to a kind whose cache
// selects by fields other than name and namespace. That lists one object, but after a
// DeleteAllOf all that is left under its labels. Kinds that are not in the cache cost
// nothing.
//
// DeleteAllOf has one gap: an object that came to have the labels by somebody else's
// change, which the cache has not seen when it is deleted, is not waited for.
//
// It takes the place of EnableReadYourWritesConsistency in the options, which it
// ignores. Without a cache in the options every read is of the server. A cache of
// another package is [ErrForeign], and so is one with an Options.NewInformer, which is
// controller-runtime's.
func (o ClientOptions) NewClient(config *rest.Config, opts client.Options) (client.Client, error) {
	if opts.Cache == nil || opts.Cache.Reader == nil {
		return client.New(config, opts)
	}
	c, ok := opts.Cache.Reader.(*Cache)
	if !ok {
		return nil, fmt.Errorf("cache %T: %w", opts.Cache.Reader, ErrForeign)
	}
	cached := *opts.Cache
	cached.EnableReadYourWritesConsistency = nil
	opts.Cache = &cached
	plain, err := client.New(config, opts)
	if err != nil || opts.DryRun != nil && *opts.DryRun {
		return plain, err
	}
	r := &readsOwnWrites{
		Client:   plain,
		cache:    c,
		timeout:  cmp.Or(o.Timeout, 5*time.Second),
		untyped:  cached.Unstructured,
		uncached: map[schema.GroupVersionKind]bool{},
	}
	for _, obj := range cached.DisableFor {
		gvk, err := plain.GroupVersionKindFor(obj)
		if err != nil {
			return nil, err
		}
		r.uncached[gvk] = true
	}
	return r, nil
}

// readsOwnWrites is a client that notes what it writes, and has reads wait for it.
type readsOwnWrites struct {
	client.Client
	cache    *Cache
	timeout  time.Duration
	untyped  bool // unstructured objects are read from the cache
	uncached map[schema.GroupVersionKind]bool
}

// Get waits for the writes to the object, and reads it.
func (r *readsOwnWrites) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	gvk, err := r.GroupVersionKindFor(obj)
	if err != nil {
		return err
	}
	read := func() error { return r.Client.Get(ctx, key, obj, opts...) }
	if !r.waits(gvk, obj) || (&client.GetOptions{}).ApplyOptions(opts).DisableReadYourWritesConsistency {
		return read()
	}
	return r.fresh(ctx, gvk, key, obj, read)
}

// List waits for the writes to what may be in the list, and reads it.
func (r *readsOwnWrites) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	gvk, err := r.cache.itemKind(list)
	if err != nil {
		return err
	}
	options := (&client.ListOptions{}).ApplyOptions(opts)
	read := func() error { return r.Client.List(ctx, list, opts...) }
	if !r.waits(gvk, list) || options.DisableReadYourWritesConsistency {
		return read()
	}
	return r.fresh(ctx, gvk, client.ObjectKey{Namespace: options.Namespace}, list, read)
}

// waits tells whether reads of a kind are of the cache.
func (r *readsOwnWrites) waits(gvk schema.GroupVersionKind, obj runtime.Object) bool {
	return !r.uncached[gvk] && (r.untyped || core.FormOf(obj) != core.Unstructured)
}

// fresh reads into an object or a list, by read, until nothing in it is older than the
// writes: an older state that was still on its way may come into the cache between the
// wait and the read.
func (r *readsOwnWrites) fresh(ctx context.Context, gvk schema.GroupVersionKind, of client.ObjectKey, into runtime.Object, read func() error) error {
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	for {
		k, _ := r.cache.find(gvk)
		if k == nil {
			return read() // a list that is still to come has everything
		}
		pending, err := k.catchUp(bounded, core.FormOf(into), of)
		if err != nil {
			return err
		}
		if err := read(); err != nil || !k.outdates(into, pending) {
			return err
		}
	}
}
