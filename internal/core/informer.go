package core

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/sharding"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
)

// Options say what an informer is of, and how it holds it. One of Remote and ListerWatcher is
// set.
type Options struct {
	// Name is the informer's name in logs, errors and metrics.
	Name string
	// Kind is what the objects are. With Remote.Resource the server tells it.
	Kind Kind
	// Form is what the objects are asked for as first; see [Informer.Want].
	Form Form

	// Remote is the API server that the objects come from.
	Remote Remote
	// ListerWatcher is where the objects come from, decoded; Example is one of them, or nil.
	// With AnyType the reflector passes on objects of other types too.
	ListerWatcher cache.ListerWatcher
	Example       runtime.Object
	AnyType       bool

	// Storage says how the objects are held.
	Storage
	// EveryWrite has every write be a change, also one of an object that is there already.
	EveryWrite bool
	// Key returns the key of an object that came decoded. Default: its [Key].
	Key func(obj any) (string, error)

	// ResyncCheck, if it is set, is called at the period of [Informer.SetResyncPeriod].
	ResyncCheck func(now time.Time)
	// OnStored, if it is set, is told of each write how long it took, and OnReached up to
	// which resourceVersion the store has seen everything.
	OnStored  func(took time.Duration)
	OnReached func(resourceVersion string)
	Logger    logr.Logger
	// Registerer is where the metrics go. Default: to [Collector].
	Registerer prometheus.Registerer
}

// Storage says how objects are held.
type Storage struct {
	// Budget is shared with others; nil packs nothing.
	Budget      *Budget
	Compression codec.Compression
}

// Informer keeps an object store equal to what its source lists and watches, and tells its
// handlers. All methods are safe for concurrent use.
type Informer struct {
	opts      Options
	objects   Objects
	packing   *kindPacking // of what comes packed from an API server, else nil
	status    *Status
	source    *source
	sink      *sink
	handlers  handlers
	meter     *meter
	meters    *meters // where meter belongs while the informer runs
	mutations cache.MutationDetector
	retry     chan struct{} // holds one: ends the wait for the next attempt
	newer     atomic.Bool   // protobuf that was listed has fields which the type lacks

	// life ends when the informer does, and with it what depends on it.
	life context.Context
	end  context.CancelFunc

	mu        sync.Mutex
	transform func(obj any) (any, error)
	onError   cache.WatchErrorHandlerWithContext
	reflector *cache.Reflector // once started
	period    time.Duration    // of ResyncCheck
	asked     Form             // the widest form that was asked for
}

// New returns an informer, which asks nobody before Run. Its errors are an
// [ErrInvalidOption], which is a [codec.ErrType] too for objects that cannot be packed.
func New(opts Options) (*Informer, error) {
	if !opts.Remote.Resource.Empty() {
		opts.Kind = unknownKind(opts.Remote.Resource.GroupVersion())
	}
	i := &Informer{
		opts:      opts,
		status:    NewStatus(opts.Name),
		mutations: cache.NewCacheMutationDetector(opts.Name),
		retry:     make(chan struct{}, 1),
	}
	if i.opts.Key == nil {
		i.opts.Key = metaKey
	}
	var err error
	if i.meters, err = newMeters(opts.Registerer); err != nil {
		return nil, err
	}
	if err := i.newObjects(); err != nil {
		return nil, err
	}
	i.source = &source{remote: opts.Remote, kind: opts.Kind, status: i.status, wanted: opts.Form, open: i.requests}
	if opts.ListerWatcher != nil {
		i.source.server = cache.ToListerWatcherWithContext(opts.ListerWatcher)
	} else if err := i.connect(); err != nil {
		return nil, err
	}
	i.life, i.end = context.WithCancel(context.Background())
	i.handlers = handlers{informer: opts.Name, objects: i.objects, serves: i.Serves}
	i.meter = &meter{informer: i}
	i.sink = &sink{
		objects: i.objects, source: i.source, status: i.status, handlers: &i.handlers,
		keyOf: i.opts.Key, onStored: opts.OnStored, onReached: opts.OnReached, onNewer: i.onNewer,
	}
	if opts.ListerWatcher == nil {
		i.sink.kind = opts.Kind
	}
	return i, nil
}

// metaKey returns the key of an API object.
func metaKey(obj any) (string, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return "", fmt.Errorf("the server sent a %T: %w", obj, err)
	}
	return keyOf(m), nil
}

// newObjects makes the object store.
func (i *Informer) newObjects() (err error) {
	i.objects, err = newObjects(i.opts, i.mutations.AddObject)
	if o, ok := i.objects.(*packedObjects); ok {
		i.packing, _ = o.packing.(*kindPacking)
	}
	return err
}

func newObjects(opts Options, onShare func(any)) (Objects, error) {
	if opts.Budget == nil {
		equal := isUnchanged
		if opts.EveryWrite {
			equal = func(_, _ any) bool { return false }
		}
		return newPlainObjects(opts.Name, opts.Kind, equal, onShare), nil
	}
	packerOptions := codec.PackerOptions{Compression: opts.Compression}
	if opts.ListerWatcher != nil || opts.Form == AsStored {
		p := &typePacking{kind: opts.Kind, options: packerOptions}
		if opts.Example != nil {
			if _, err := p.of(reflect.TypeOf(opts.Example)); err != nil {
				return nil, fmt.Errorf("%w: Budget: %w: use Plain", ErrInvalidOption, err)
			}
		}
		return newPackedObjects(opts.Name, opts.Kind, p, opts.Budget, onShare, opts.EveryWrite)
	}
	p, err := newKindPacking(opts.Kind, opts.Form, packerOptions)
	if err != nil {
		return nil, fmt.Errorf("%w: Budget: %w: use Plain", ErrInvalidOption, err)
	}
	return newPackedObjects(opts.Name, opts.Kind, p, opts.Budget, onShare, opts.EveryWrite)
}

// NewObjects returns an object store that is filled by hand, with objects of any types.
func NewObjects(name string, s Storage) (Objects, error) {
	return newObjects(Options{Name: name, Storage: s, EveryWrite: true}, func(any) {})
}

// connect makes what talks to the server, so that an option which does not fit is found out
// now.
func (i *Informer) connect() error {
	if err := i.source.remote.Complete(); err != nil {
		return err
	}
	finder, err := i.source.remote.finder()
	if err != nil {
		return err
	}
	i.source.resource = lazyResource{finder: finder, gvk: i.opts.Kind.GroupVersionKind}
	_, err = i.source.requests(i.opts.Form)
	return err
}

// requests returns what makes requests for a form.
func (i *Informer) requests(f Form) (requests, error) {
	remote := &i.source.remote
	if i.packing == nil || i.packing.codec[f] == nil {
		return remote.decoding(i.opts.Kind, f)
	}
	opts := wire.KindOptions[any]{DropManagedFields: remote.DropManagedFields, Transform: i.onArrival()}
	kind, err := i.packing.wireKind(opts, f)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidOption, err)
	}
	i.packing.came.Store(int32(f))
	return remote.packing(kind)
}

// onArrival returns the transform for objects that are packed as they arrive, before the sink
// sees them, or nil.
func (i *Informer) onArrival() func(any) (any, error) {
	i.mu.Lock()
	transform := i.transform
	i.mu.Unlock()
	if transform == nil {
		return nil
	}
	return func(obj any) (any, error) {
		if FormOf(obj) == Typed {
			// As it comes from the server, it does not say what it is.
			obj.(runtime.Object).GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		}
		key, err := metaKey(obj)
		if err == nil {
			obj, err = apply(transform, obj)
		}
		if err != nil {
			i.sink.refuse(key, err)
		}
		return obj, err
	}
}

// Name returns the informer's name.
func (i *Informer) Name() string { return i.opts.Name }

// Kind returns what the objects are.
func (i *Informer) Kind() Kind { return i.opts.Kind }

// Objects returns the object store.
func (i *Informer) Objects() Objects { return i.objects }

// Status returns how far the informer has come.
func (i *Informer) Status() *Status { return i.status }

// SetTransform sets what is applied to each object before it is stored. It returns
// [ErrStarted] after Run.
func (i *Informer) SetTransform(transform func(obj any) (any, error)) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.reflector != nil {
		return fmt.Errorf("transform: %w", ErrStarted)
	}
	i.transform = transform
	i.objects.setTransform(transform)
	i.source.forget()
	return nil
}

// SetShardSelector sets which shard of the objects is wanted. The server is asked for it, and
// what it sends beyond that, as it knows no shards, is left out. It returns [ErrStarted] after
// Run.
func (i *Informer) SetShardSelector(selector sharding.Selector) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.reflector != nil {
		return fmt.Errorf("shard selector: %w", ErrStarted)
	}
	if selector != nil && selector.Empty() {
		selector = nil
	}
	i.sink.shard, i.source.shard = selector, selector
	return nil
}

// SetErrorHandler sets what is called when list or watch fails; nil logs. It returns
// [ErrStarted] after Run.
func (i *Informer) SetErrorHandler(handler cache.WatchErrorHandlerWithContext) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.reflector != nil {
		return fmt.Errorf("watch error handler: %w", ErrStarted)
	}
	i.onError = handler
	return nil
}

// SetResyncPeriod sets how often Options.ResyncCheck is called, before Run.
func (i *Informer) SetResyncPeriod(period time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.period = period
}

// Want sees to it that objects can be read in a form. If what was listed so far does not do,
// everything is listed once more.
func (i *Informer) Want(f Form) {
	i.mu.Lock()
	i.asked = max(i.asked, f)
	i.mu.Unlock()
	if i.opts.ListerWatcher != nil || i.serves(i.source.want(), f) {
		return
	}
	if i.source.widen(f) {
		i.objects.prefer(f)
		i.Retry()
	}
}

// Serves tells whether objects can be read in a form, as far as there are any.
func (i *Informer) Serves(f Form) bool {
	return i.serves(i.status.Form(), f)
}

// serves tells whether what was listed in a form can be read in another. Protobuf has
// everything that JSON has, unless it has fields that the type lacks.
func (i *Informer) serves(has, f Form) bool {
	return has >= f || f == Unstructured && has == Typed && i.packing != nil && !i.newer.Load()
}

// onNewer is called when objects in protobuf have fields that the type lacks. Who reads them
// unstructured is to see those too.
func (i *Informer) onNewer() {
	if i.newer.CompareAndSwap(false, true) {
		i.mu.Lock()
		asked := i.asked
		i.mu.Unlock()
		i.Want(asked)
	}
}

// Retry ends the wait for the next attempt to list and watch, if there is one.
func (i *Informer) Retry() {
	select {
	case i.retry <- struct{}{}:
	default:
	}
}

// AddHandler has handle called with what there is and with every change that follows, from
// a goroutine of its own. It returns [ErrStopped] when the informer has ended.
func (i *Informer) AddHandler(handle func(Notice), opts HandlerOptions) (*Registration, error) {
	if i.life.Err() != nil {
		return nil, fmt.Errorf("informer %q: %w", i.opts.Name, ErrStopped)
	}
	r := newRegistration(&i.handlers, handle, opts)
	if err := i.handlers.add(r); err != nil {
		return nil, err
	}
	return r, nil
}

// Handlers returns the handlers that there are.
func (i *Informer) Handlers() []*Registration { return i.handlers.all() }

// Life returns a context that ends when the informer does.
func (i *Informer) Life() context.Context { return i.life }

// IsStopped tells whether the informer has stopped; it never runs again.
func (i *Informer) IsStopped() bool { return i.handlers.isStopped() }

// LastSyncResourceVersion returns the resourceVersion that the reflector has come to. The
// store may be a moment behind.
func (i *Informer) LastSyncResourceVersion() string {
	i.mu.Lock()
	reflector := i.reflector
	i.mu.Unlock()
	if reflector == nil {
		return ""
	}
	return reflector.LastSyncResourceVersion()
}

// Report is called by who cannot read an object that is there. What is damaged is listed
// again; what the form cannot hold would come again, and is logged.
func (i *Informer) Report(key string, err error) {
	if errors.Is(err, ErrNarrow) {
		return // it is being listed
	}
	if errors.Is(err, codec.ErrCorrupt) || errors.Is(err, codec.ErrForeign) {
		i.sink.refuse(key, err)
		return
	}
	utilruntime.HandleErrorWithContext(klog.NewContext(context.Background(), i.opts.Logger), err, "An object is left out", "informer", i.opts.Name, "key", key)
}
