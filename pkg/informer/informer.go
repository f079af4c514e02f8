package informer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// Informer is a local copy of the objects of one resource. All methods are safe
// for concurrent use.
type Informer[T Object] struct {
	core    *core.Informer
	objects core.Objects
	form    core.Form
	resync  time.Duration
	logger  klog.Logger
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
	options, err := opts.core()
	if err != nil {
		return nil, err
	}
	options.Form = core.FormOf(example)
	if options.Form == core.Typed {
		options.Kind.Type = reflect.TypeOf(example)
	}
	options.Remote = core.Remote{
		Config:            cfg,
		Mapper:            opts.Mapper,
		Namespace:         opts.Namespace,
		LabelSelector:     opts.LabelSelector,
		FieldSelector:     opts.FieldSelector,
		DropManagedFields: opts.DropManagedFields,
	}
	inf, err := core.New(options)
	if errors.Is(err, codec.ErrType) && opts.Budget == 0 {
		options.Budget = nil
		inf, err = core.New(options)
	}
	if err != nil {
		return nil, err
	}
	return newInformer(inf, options.Form, opts)
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
	case opts.DropManagedFields:
		return nil, fmt.Errorf("%w: DropManagedFields: objects come decoded from a ListerWatcher: use the Transform StripManagedFields", ErrInvalidOption)
	}
	if opts.Budget == 0 {
		opts.Budget = Plain
	}
	// The kind is only wanted for the name.
	opts.GVK, _ = opts.findGVK(example)
	options, err := opts.core()
	if err != nil {
		return nil, err
	}
	options.ListerWatcher = lw
	options.Example = example
	options.AnyType = true // the sink says what is wrong with an object of another type
	options.Key = typedKey[T]
	options.Remote = core.Remote{LabelSelector: opts.LabelSelector, FieldSelector: opts.FieldSelector}
	inf, err := core.New(options)
	if err != nil {
		return nil, err
	}
	return newInformer(inf, core.AsStored, opts)
}

// typedKey returns the key of an object, which must be a T.
func typedKey[T Object](obj any) (string, error) {
	value, ok := obj.(T)
	if !ok {
		return "", fmt.Errorf("the server sent a %T to an informer of %v", obj, reflect.TypeFor[T]())
	}
	return keyOf(value), nil
}

// newInformer returns an informer with the indexes and the transform of its options.
func newInformer[T Object](inf *core.Informer, f core.Form, opts Options[T]) (*Informer[T], error) {
	i := &Informer[T]{core: inf, objects: inf.Objects(), form: f, resync: opts.Resync, logger: opts.Logger}
	if fn := opts.Transform; fn != nil {
		if err := inf.SetTransform(inPlace(fn)); err != nil {
			return nil, err
		}
	}
	for name, fn := range opts.Indexes {
		if err := i.AddIndex(name, fn); err != nil {
			return nil, fmt.Errorf("%w: Indexes: %w", ErrInvalidOption, err)
		}
	}
	for name, fn := range opts.Fields {
		if err := i.AddSingleValueIndex(name, fn); err != nil {
			return nil, fmt.Errorf("%w: Fields: %w", ErrInvalidOption, err)
		}
	}
	for name, field := range opts.Paths {
		if err := i.objects.AddIndex(name, core.Index{Field: field}); err != nil {
			return nil, fmt.Errorf("%w: Paths: %w", ErrInvalidOption, err)
		}
	}
	return i, nil
}

// inPlace returns a transform that refuses a result which would lose the object's place.
func inPlace[T Object](fn func(T) (T, error)) func(any) (any, error) {
	return func(obj any) (any, error) {
		key := keyOf(obj.(T))
		result, err := fn(obj.(T))
		if err != nil || reflect.ValueOf(&result).Elem().IsNil() {
			return nil, err
		}
		if changed := keyOf(result); changed != key {
			return nil, fmt.Errorf("it changed the key to %q", changed)
		}
		return result, nil
	}
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
func (i *Informer[T]) Name() string { return i.core.Name() }

// GroupVersionKind returns that of the objects. It is empty for an informer of
// NewFromListerWatcher whose type no scheme knows.
func (i *Informer[T]) GroupVersionKind() schema.GroupVersionKind {
	return i.core.Kind().GroupVersionKind
}

// NeedLeaderElection tells a manager that the informer runs on every replica.
func (i *Informer[T]) NeedLeaderElection() bool { return false }

// Start keeps the informer up to date until ctx is done. It blocks until then,
// and until every goroutine that it began has ended; that includes the handlers'
// calls under way. It then returns nil. Whatever fails meanwhile is logged and
// tried again; see Err and WaitSynced.
//
// Called a second time it returns [ErrStarted].
func (i *Informer[T]) Start(ctx context.Context) error {
	return i.core.Run(klog.NewContext(ctx, i.logger.WithValues("informer", i.Name())))
}

// Synced returns a channel that is closed when the first list is in the store.
func (i *Informer[T]) Synced() <-chan struct{} { return i.core.Status().Synced() }

// WaitSynced waits until the first list is in the store. It returns nil then, or
//   - promptly a [*SyncError] while the informer's latest attempt has failed for a
//     reason that waiting does not cure: it may not list or watch the resource, the
//     API server does not have it, a selector is not supported, or an object
//     cannot be stored. The informer goes on trying, so the caller may wait again;
//   - [ErrStopped] when the informer has ended;
//   - the error of ctx, wrapped together with the latest failure of list or watch,
//     or with [ErrNotStarted].
func (i *Informer[T]) WaitSynced(ctx context.Context) error { return i.core.Status().WaitSynced(ctx) }

// WaitFor waits until the store has seen everything up to a resourceVersion of
// this resource, such as the one of an object that was just written. Bookmarks
// count: it does not take a change of this resource to get there, but may take a
// minute without one. It returns what WaitSynced does, and
// [ErrInvalidResourceVersion].
func (i *Informer[T]) WaitFor(ctx context.Context, resourceVersion string) error {
	return i.core.Status().WaitFor(ctx, resourceVersion)
}

// ResourceVersion returns the resourceVersion up to which the store has seen
// everything, or "" before the first list. It grows, unless the API server was
// restored from a backup.
func (i *Informer[T]) ResourceVersion() string { return i.core.Status().Version() }

// Err returns the latest failure of list or watch, or nil while the watch is
// healthy.
func (i *Informer[T]) Err() error { return i.core.Status().Err() }

// Get returns the object of a name; namespace is empty for a cluster-scoped one.
// The object is shared: treat it as immutable, or use GetCopy.
func (i *Informer[T]) Get(namespace, name string) (T, bool) {
	return i.read(Key(namespace, name), i.objects.Open)
}

// GetCopy is Get of an object that is the caller's own, to be changed at will.
func (i *Informer[T]) GetCopy(namespace, name string) (T, bool) {
	return i.read(Key(namespace, name), i.objects.Copy)
}

func (i *Informer[T]) read(key string, open func(core.Value, core.Form) (any, error)) (obj T, ok bool) {
	v, ok := i.objects.Get(key)
	if !ok {
		return obj, false
	}
	return i.opened(key)(open(v, i.form))
}

// open returns the object of a value, or reports that it cannot be decoded.
func (i *Informer[T]) open(key string, v core.Value) (T, bool) {
	return i.opened(key)(i.objects.Open(v, i.form))
}

// opened returns what becomes of a value that was opened.
func (i *Informer[T]) opened(key string) func(any, error) (T, bool) {
	return func(obj any, err error) (T, bool) {
		if err != nil {
			i.core.Report(key, err)
			var none T
			return none, false
		}
		value, ok := obj.(T)
		return value, ok
	}
}

// List returns the objects in the order of their keys, in a slice of the caller's
// own. The objects are shared: treat them as immutable.
func (i *Informer[T]) List() []T { return i.list(i.objects.Sorted()) }

// Len returns the number of objects.
func (i *Informer[T]) Len() int {
	_, count := i.objects.RevisionAndCount()
	return count
}

// Stats returns what the cache holds, packed and decoded.
func (i *Informer[T]) Stats() Stats { return i.objects.Stats() }

// All yields the keys and objects as they are when a loop over them begins, in no
// particular order, without copying. The objects are shared: treat them as
// immutable.
func (i *Informer[T]) All() iter.Seq2[string, T] { return i.glances(i.objects.All()) }

// glances yields the objects of values.
func (i *Informer[T]) glances(values iter.Seq2[string, core.Value]) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for key, v := range values {
			obj, ok := i.opened(key)(i.objects.Glance(v, i.form))
			if ok && !yield(key, obj) {
				return
			}
		}
	}
}

// AddIndex adds an index by the values of fn, at any time. It returns
// [ErrIndexExists] for a name that is taken, store.ErrFuncRequired for a nil
// function, and an error for an empty name or when fn panics on an object that is
// there. When it panics later the informer gets no further; see [ObjectError].
func (i *Informer[T]) AddIndex(name string, fn IndexFunc[T]) error {
	if fn == nil {
		return fmt.Errorf("informer %q: index %q: %w", i.Name(), name, store.ErrFuncRequired)
	}
	return i.objects.AddIndex(name, core.Index{Form: i.form, Func: func(obj any) ([]string, error) { return fn(obj.(T)), nil }})
}

// AddSingleValueIndex is AddIndex for a function with one value an object.
func (i *Informer[T]) AddSingleValueIndex(name string, fn SingleValueFunc[T]) error {
	if fn == nil {
		return fmt.Errorf("informer %q: index %q: %w", i.Name(), name, store.ErrFuncRequired)
	}
	return i.objects.AddIndex(name, core.Index{Form: i.form, Single: func(obj any) string { return fn(obj.(T)) }})
}

// ByIndex yields the keys and objects that an index has under a value, as they
// are when a loop over them begins, in no particular order and without copying. It
// returns [ErrIndexNotFound] for an index that was not added. The objects are
// shared: treat them as immutable.
func (i *Informer[T]) ByIndex(index, value string) (iter.Seq2[string, T], error) {
	found, err := i.objects.ByIndex(index, value)
	if err != nil {
		return nil, err
	}
	return i.glances(found), nil
}

// Watch returns a channel of changes, as [store.Watcher] documents it; the name
// of an event is the object's [Key]. An initial replay is of what is in the store
// at the moment of the call, which may be before the first list.
//
// The channel is closed after cancel, and when the informer ends. Watch does not
// block; it returns [ErrStopped] when the informer has ended, and the store's
// errors for an option that means nothing.
func (i *Informer[T]) Watch(opts ...store.WatchOption[T]) (events <-chan *store.Event[T], cancel func(), err error) {
	if i.core.Life().Err() != nil {
		return nil, nil, fmt.Errorf("informer %q: %w", i.Name(), ErrStopped)
	}
	config, err := store.NewWatchConfig(opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("informer %q: %w", i.Name(), err)
	}
	cursor, err := i.objects.Cursor(func(c *store.WatchConfig) { *c = config })
	if err != nil {
		return nil, nil, fmt.Errorf("informer %q: %w", i.Name(), err)
	}
	events, end := gomap.WatchFrom(cursor, config.BufferSize, i.event)
	forget := context.AfterFunc(i.core.Life(), end)
	return events, func() { forget(); end() }, nil
}

// event returns a change as an event of the informer's type. What cannot be decoded is an
// error event.
func (i *Informer[T]) event(c core.Change) *store.Event[T] {
	e := &store.Event[T]{
		Kind: c.Kind, Name: c.Name, EventType: c.EventType, Revision: c.Revision, Coalesced: c.Coalesced, Err: c.Err,
	}
	for _, part := range []struct {
		from core.Value
		to   *T
	}{{c.Object, &e.Object}, {c.Old, &e.Old}} {
		obj, err := i.objects.Open(part.from, i.form)
		if err != nil {
			return &store.Event[T]{Kind: c.Kind, Name: c.Name, EventType: store.EventTypeError, Revision: c.Revision, Err: err}
		}
		*part.to, _ = obj.(T)
	}
	return e
}
