package informer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// Informer is a local copy of the objects of one resource. All methods are safe
// for concurrent use.
type Informer[T Object] struct {
	name   string
	resync time.Duration
	shelf  shelf[T]
	status *status
	source *source
	feed   *feed[T]
	listen cache.ListerWatcher // source, as a reflector wants it

	// life ends when the informer does, and with it what depends on it.
	life context.Context
	end  context.CancelFunc

	handlers roster
	meter    *meter
	meters   *meters // where meter belongs while the informer runs
}

// New makes an informer of the objects that an API server has of T's kind. T
// decides their form: a Go type of Options.Scheme, decoded from protobuf where the
// type can be and else from JSON; *unstructured.Unstructured; or
// *metav1.PartialObjectMetadata for the metadata alone. The server is not asked
// before Start.
//
// It returns [ErrInvalidOption] for options, or a configuration, that cannot work.
func New[T Object](cfg *rest.Config, opts Options[T]) (*Informer[T], error) {
	example, err := newObject[T]()
	if err != nil {
		return nil, err
	}
	if err := opts.complete(); err != nil {
		return nil, err
	}
	if opts.GVK, err = opts.findGVK(example); err != nil {
		return nil, err
	}
	inf, err := newInformer(opts)
	if err != nil {
		return nil, err
	}
	if _, ok := any(example).(*metav1.PartialObjectMetadata); ok {
		// The server sends them without saying of what kind they are.
		inf.feed.gvk = opts.GVK
	}
	var kind *wire.Kind
	if p, ok := inf.shelf.(*packed[T]); ok {
		if kind, err = p.fromWire(inf.feed, opts); err != nil {
			return nil, err
		}
	}
	lw, err := newRemote(cfg, example, opts, kind)
	if err != nil {
		return nil, err
	}
	if err := inf.listenTo(lw, opts); err != nil {
		return nil, err
	}
	return inf, nil
}

// NewFromListerWatcher makes an informer of what lw lists and watches, which must
// be objects of type T. The selectors of the options are passed to lw.
//
// A lw that has no methods with a context cannot be interrupted: Start then
// returns when its last call has.
//
// It returns [ErrInvalidOption] for options that cannot work.
func NewFromListerWatcher[T Object](lw cache.ListerWatcher, opts Options[T]) (*Informer[T], error) {
	example, err := newObject[T]()
	if err != nil {
		return nil, err
	}
	if err := opts.complete(); err != nil {
		return nil, err
	}
	switch {
	case lw == nil:
		return nil, fmt.Errorf("%w: the ListerWatcher is nil", ErrInvalidOption)
	case opts.Namespace != "":
		return nil, fmt.Errorf("%w: Namespace %q: it is the ListerWatcher that chooses the namespace", ErrInvalidOption, opts.Namespace)
	}
	if opts.Budget == 0 {
		opts.Budget = Plain
	}
	// The kind is only wanted for the name.
	opts.GVK, _ = opts.findGVK(example)
	inf, err := newInformer(opts)
	if err != nil {
		return nil, err
	}
	if err := inf.listenTo(lw, opts); err != nil {
		return nil, err
	}
	return inf, nil
}

// newInformer makes an informer of complete options, with nothing to listen to.
func newInformer[T Object](opts Options[T]) (*Informer[T], error) {
	if opts.Name == "" {
		opts.Name = defaultName[T](opts.GVK)
	}
	meters, err := newMeters(opts.Registerer)
	if err != nil {
		return nil, err
	}
	i := &Informer[T]{
		name:   opts.Name,
		resync: opts.Resync,
		status: newStatus(opts.Name),
		meters: meters,
	}
	if i.shelf, err = i.newShelf(opts); err != nil {
		return nil, err
	}
	i.meter = &meter{name: i.name, stats: i.Stats, revision: i.revision, status: i.status}
	i.life, i.end = context.WithCancel(klog.NewContext(context.Background(), opts.Logger.WithValues("informer", opts.Name)))
	i.feed = &feed[T]{shelf: i.shelf, transform: opts.Transform, status: i.status}
	return i, nil
}

// listenTo gives the informer what it is to list and watch, and its indexes.
func (i *Informer[T]) listenTo(lw cache.ListerWatcher, opts Options[T]) error {
	i.source = &source{
		server:        cache.ToListerWatcherWithContext(lw),
		labelSelector: opts.LabelSelector,
		fieldSelector: opts.FieldSelector,
		status:        i.status,
	}
	i.listen = i.source.listerWatcher(lw)
	for name, fn := range opts.Indexes {
		if err := i.AddIndex(name, fn); err != nil {
			return fmt.Errorf("%w: Indexes: %w", ErrInvalidOption, err)
		}
	}
	for name, fn := range opts.Fields {
		if err := i.AddSingleValueIndex(name, fn); err != nil {
			return fmt.Errorf("%w: Fields: %w", ErrInvalidOption, err)
		}
	}
	if err := i.shelf.addPaths(opts.Paths); err != nil {
		return fmt.Errorf("%w: Paths: %w", ErrInvalidOption, err)
	}
	return nil
}

// newShelf returns a shelf as the options want it.
func (i *Informer[T]) newShelf(opts Options[T]) (shelf[T], error) {
	if opts.Budget == Plain {
		return newPlain[T](i.name), nil
	}
	c, err := codec.New(codec.Options[T]{PackerOptions: codec.PackerOptions{Compression: opts.Compression}})
	if errors.Is(err, codec.ErrType) && opts.Budget == 0 {
		return newPlain[T](i.name), nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: Budget: %w: use Plain", ErrInvalidOption, err)
	}
	return newPacked(i.name, c, opts.Budget, i.damaged)
}

// damaged is called for an object that cannot be decoded. Another list mends it, if
// it can be mended.
func (i *Informer[T]) damaged(key string, err error) {
	i.feed.refuse(key, err)
}

// defaultName returns the resource that a kind probably has, or the Go type.
func defaultName[T Object](gvk schema.GroupVersionKind) string {
	if gvk.Empty() {
		return reflect.TypeFor[T]().String()
	}
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return plural.GroupResource().String()
}

// Name returns the informer's name.
func (i *Informer[T]) Name() string { return i.name }

// NeedLeaderElection tells a manager that the informer runs on every replica.
func (i *Informer[T]) NeedLeaderElection() bool { return false }

// Synced returns a channel that is closed when the first list is in the store.
func (i *Informer[T]) Synced() <-chan struct{} { return i.status.synced }

// WaitSynced waits until the first list is in the store. It returns nil then, or
//   - promptly a [*SyncError] while the informer's latest attempt has failed for a
//     reason that waiting does not cure: it may not list or watch the resource, the
//     API server does not have it, a selector is not supported, or an object
//     cannot be stored. The informer goes on trying, so the caller may wait again;
//   - [ErrStopped] when the informer has ended;
//   - the error of ctx, wrapped together with the latest failure of list or watch,
//     or with [ErrNotStarted].
func (i *Informer[T]) WaitSynced(ctx context.Context) error { return i.status.waitSynced(ctx) }

// WaitFor waits until the store has seen everything up to a resourceVersion of
// this resource, such as the one of an object that was just written. Bookmarks
// count: it does not take a change of this resource to get there, but may take a
// minute without one. It returns what WaitSynced does, and
// [ErrInvalidResourceVersion].
func (i *Informer[T]) WaitFor(ctx context.Context, resourceVersion string) error {
	return i.status.waitFor(ctx, resourceVersion)
}

// ResourceVersion returns the resourceVersion up to which the store has seen
// everything, or "" before the first list. It grows, unless the API server was
// restored from a backup.
func (i *Informer[T]) ResourceVersion() string { return i.status.version() }

// Err returns the latest failure of list or watch, or nil while the watch is
// healthy.
func (i *Informer[T]) Err() error { return i.status.lastError() }

// Get returns the object of a name; namespace is empty for a cluster-scoped one.
// The object is shared: treat it as immutable, or use GetCopy.
func (i *Informer[T]) Get(namespace, name string) (T, bool) {
	return i.shelf.get(Key(namespace, name))
}

// GetCopy is Get of an object that is the caller's own, to be changed at will.
func (i *Informer[T]) GetCopy(namespace, name string) (T, bool) {
	return i.shelf.copyOf(Key(namespace, name))
}

// List returns the objects in the order of their keys, in a slice of the caller's
// own. The objects are shared: treat them as immutable.
func (i *Informer[T]) List() []T { return i.shelf.list() }

// Len returns the number of objects.
func (i *Informer[T]) Len() int { return i.shelf.len() }

// Stats returns what the cache holds, packed and decoded.
func (i *Informer[T]) Stats() Stats { return i.shelf.stats() }

// revision returns the store's revision of the newest change.
func (i *Informer[T]) revision() uint64 { return i.shelf.revision() }

// All yields the keys and objects as they are when a loop over them begins, in no
// particular order, without copying. The objects are shared: treat them as
// immutable.
func (i *Informer[T]) All() iter.Seq2[string, T] { return i.shelf.all() }

// AddIndex adds an index by the values of fn, at any time. It returns
// [ErrIndexExists] for a name that is taken, store.ErrFuncRequired for a nil
// function, and an error for an empty name or when fn panics on an object that is
// there. When it panics later the informer gets no further; see [ObjectError].
func (i *Informer[T]) AddIndex(name string, fn IndexFunc[T]) error {
	if fn == nil {
		return fmt.Errorf("informer %q: index %q: %w", i.name, name, store.ErrFuncRequired)
	}
	return i.shelf.addIndex(name, fn)
}

// AddSingleValueIndex is AddIndex for a function with one value an object.
func (i *Informer[T]) AddSingleValueIndex(name string, fn SingleValueFunc[T]) error {
	if fn == nil {
		return fmt.Errorf("informer %q: index %q: %w", i.name, name, store.ErrFuncRequired)
	}
	return i.shelf.addField(name, fn)
}

// ByIndex yields the keys and objects that an index has under a value, as they
// are when a loop over them begins, in no particular order and without copying. It
// returns [ErrIndexNotFound] for an index that was not added. The objects are
// shared: treat them as immutable.
func (i *Informer[T]) ByIndex(index, value string) (iter.Seq2[string, T], error) {
	return i.shelf.byIndex(index, value)
}

// Watch returns a channel of changes, as [store.Watcher] documents it; the name
// of an event is the object's [Key]. An initial replay is of what is in the store
// at the moment of the call, which may be before the first list.
//
// The channel is closed after cancel, and when the informer ends. Watch does not
// block; it returns [ErrStopped] when the informer has ended, and the store's
// errors for an option that means nothing.
func (i *Informer[T]) Watch(opts ...store.WatchOption[T]) (events <-chan *store.Event[T], cancel func(), err error) {
	if i.life.Err() != nil {
		return nil, nil, fmt.Errorf("informer %q: %w", i.name, ErrStopped)
	}
	events, end, err := i.shelf.watch(opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("informer %q: %w", i.name, err)
	}
	forget := context.AfterFunc(i.life, end)
	return events, func() { forget(); end() }, nil
}
