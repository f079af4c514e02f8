package informer

import (
	"cmp"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// Options configures an [Informer]. The zero value is good for typed objects; the
// others need GVK.
type Options[T Object] struct {
	// Name is the informer's name in logs, errors and metrics, and the Kind of the
	// events of Watch. Default: the resource, such as "deployments.apps".
	Name string

	// Scheme knows the Go type T and its list. Default: client-go's, which has
	// the built-in types.
	Scheme *runtime.Scheme

	// Mapper finds the resource of GVK. Default: the API server is asked, when
	// the informer starts and again whenever the resource has gone. A given
	// mapper is reset, if it can be, when it does not know the kind. Not used by
	// NewFromListerWatcher.
	Mapper meta.RESTMapper

	// GVK is the group, version and kind of the objects. Needed for
	// *unstructured.Unstructured and *metav1.PartialObjectMetadata; default for
	// other types: what Scheme says.
	GVK schema.GroupVersionKind

	// Namespace limits the informer to one namespace. Default: all. It must be
	// empty for a cluster-scoped resource and for NewFromListerWatcher, whose
	// ListerWatcher decides.
	Namespace string

	// LabelSelector and FieldSelector limit the informer to the objects that
	// match, in the syntax of kubectl's --selector and --field-selector. Default:
	// all. An object that ceases to match is deleted from the informer. The
	// server decides which fields can be selected by.
	LabelSelector string
	FieldSelector string

	// Transform is applied to every object before it is stored, to drop what
	// nobody reads, such as [StripManagedFields] does. It decodes every object. It may change obj and return it. It must keep namespace, name,
	// uid and resourceVersion, and be idempotent, for it may be applied twice.
	// An error or a panic is an [*ObjectError].
	Transform func(obj T) (T, error)

	// Indexes are the indexes to begin with; see AddIndex.
	Indexes map[string]IndexFunc[T]

	// Fields are more of them, with one value an object; see AddSingleValueIndex.
	Fields map[string]SingleValueFunc[T]

	// Paths are indexes too, by the name of each: of the values that a field has, such as
	// {"spec", "nodeName"}. They are read from what the API server sent, so that no
	// object is decoded for them, as for Indexes and Fields each is that is written
	// packed. They need New, and packed objects.
	Paths map[string]wire.Field

	// Budget is how many bytes of memory may go into objects that are kept decoded.
	// All objects are held packed, in a tenth of the memory or less; those that are
	// read often are kept decoded beside that. A read of another one decodes it, which
	// takes some 20 microseconds for a Pod. [AllPacked] keeps none decoded; [Plain] is
	// without limit: nothing is packed. Default: for New, where the type can be packed,
	// [DefaultBudget], which all informers of the process share that have no other; Plain
	// for NewFromListerWatcher, to which objects come decoded.
	Budget int64

	// DropManagedFields keeps metadata.managedFields, which are a third of a typical object
	// and of use to hardly any controller, out of packed objects: they are cut out of what
	// the API server sends, without decoding it. It needs New, and packed objects; see also
	// [StripManagedFields].
	DropManagedFields bool

	// Compression is how objects are packed: [codec.S2], the default, or [codec.Zstd],
	// which takes a third less memory, and ten times as long to pack.
	Compression codec.Compression

	// Resync is the period after which a handler is given every object again,
	// unless its own options say otherwise. Default: never.
	Resync time.Duration

	// Logger gets the failures of list and watch, at most one for each retry, and
	// what client-go has to say. Default: klog's, as with client-go. As
	// logr.Discard is the zero logger, silence takes a logger with a sink that
	// does nothing.
	Logger logr.Logger

	// Registerer is where the metrics of the informer go, while it runs. Informers
	// of the same name share their series there: what they count adds up, and
	// what tells how far they are is that of the last one. Default: nowhere. The
	// one that a manager of controller-runtime serves is its metrics.Registry.
	Registerer prometheus.Registerer
}

// Values of Options.Budget. Others are in bytes.
const (
	// DefaultBudget is 64 MiB.
	DefaultBudget = core.DefaultBudget
	// AllPacked keeps no object decoded: the least memory.
	AllPacked = core.AllPacked
	// Plain packs nothing: reads never decode, and an object takes what it takes.
	Plain = core.Plain
)

// complete fills in the defaults and reports what means nothing.
func (o *Options[T]) complete() error {
	if o.Scheme == nil {
		o.Scheme = scheme.Scheme
	}
	if o.Logger.IsZero() {
		o.Logger = klog.Background()
	}
	if _, err := labels.Parse(o.LabelSelector); err != nil {
		return fmt.Errorf("%w: LabelSelector %q: %w", ErrInvalidOption, o.LabelSelector, err)
	}
	if _, err := fields.ParseSelector(o.FieldSelector); err != nil {
		return fmt.Errorf("%w: FieldSelector %q: %w", ErrInvalidOption, o.FieldSelector, err)
	}
	if !utf8.ValidString(o.Name) {
		return fmt.Errorf("%w: Name %q is not UTF-8", ErrInvalidOption, o.Name)
	}
	if o.Resync < 0 {
		return fmt.Errorf("%w: Resync %v: pass zero or more", ErrInvalidOption, o.Resync)
	}
	return nil
}

// findGVK returns the group, version and kind of the objects: GVK if it is set,
// else what Scheme knows about T.
func (o *Options[T]) findGVK(example T) (schema.GroupVersionKind, error) {
	var none schema.GroupVersionKind
	if !o.GVK.Empty() {
		if o.GVK.Version == "" || o.GVK.Kind == "" {
			return none, fmt.Errorf("%w: GVK %q lacks the version or the kind", ErrInvalidOption, o.GVK)
		}
		return o.GVK, nil
	}
	switch any(example).(type) {
	case *unstructured.Unstructured, *metav1.PartialObjectMetadata:
		return none, fmt.Errorf("%w: GVK is required for %T", ErrInvalidOption, example)
	}
	known, _, err := o.Scheme.ObjectKinds(example)
	if err != nil {
		return none, fmt.Errorf("%w: Scheme: %w: add the type to the scheme, or set GVK", ErrInvalidOption, err)
	}
	if len(known) > 1 {
		return none, fmt.Errorf("%w: Scheme has %T as %v: set GVK to one of them", ErrInvalidOption, example, known)
	}
	return known[0], nil
}

// HandlerOptions configures one handler. The zero value is good.
type HandlerOptions struct {
	// Name labels the metrics of the handler. Handlers of the same name, such as
	// none, share their series: calls add up, and the lag is the greatest.
	Name string

	// Resync is the period after which the handler is given every object again
	// by OnUpdate(obj, obj), between two changes and in order with them. Zero
	// means the informer's Resync, less than zero never.
	Resync time.Duration

	// BufferSize is how many changes the handler may be behind before changes of
	// the same object may be coalesced. Default: [store.DefaultBufferSize].
	BufferSize int
}

// complete returns the options as those of the core. resync is the informer's.
func (o HandlerOptions) complete(resync time.Duration) (core.HandlerOptions, error) {
	switch {
	case !utf8.ValidString(o.Name):
		return core.HandlerOptions{}, fmt.Errorf("%w: Name %q is not UTF-8", ErrInvalidOption, o.Name)
	case o.BufferSize < 0:
		return core.HandlerOptions{}, fmt.Errorf("%w: BufferSize %d: pass zero or more", ErrInvalidOption, o.BufferSize)
	}
	return core.HandlerOptions{
		Name:   o.Name,
		Resync: cmp.Or(o.Resync, resync),
		Buffer: cmp.Or(o.BufferSize, store.DefaultBufferSize),
	}, nil
}

// core returns what the options, which are complete, say of an informer from wherever.
func (o *Options[T]) core() (core.Options, error) {
	storage, err := core.StorageOf(o.Budget, o.Compression)
	if o.Name == "" {
		o.Name = defaultName[T](o.GVK)
	}
	return core.Options{
		Name:       o.Name,
		Kind:       core.Kind{GroupVersionKind: o.GVK, Scheme: o.Scheme},
		Storage:    storage,
		Logger:     o.Logger,
		Registerer: o.Registerer,
	}, err
}

// Stats are the figures of an informer's cache at one moment: how many Objects there are and
// how many of them are Packed, which is all or none; PackedBytes, which the packed objects
// take, and DictionaryBytes, which they share; how many objects are Decoded beside that, and
// DecodedBytes, an estimate of what these take; and how many Decodes there were so far.
type Stats = core.Stats
