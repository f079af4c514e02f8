package informer

import (
	"fmt"
	"math"
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

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
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
	// without limit: nothing is packed. Default: [DefaultBudget] for New, where the type
	// can be packed; Plain for NewFromListerWatcher, to which objects come decoded.
	Budget int64

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
	// DefaultBudget is the default: 32 MiB.
	DefaultBudget = gomap.DefaultBudget
	// AllPacked keeps no object decoded: the least memory.
	AllPacked = gomap.NoBudget
	// Plain packs nothing: reads never decode, and an object takes what it takes.
	Plain int64 = math.MaxInt64
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
	if o.Budget < 0 && o.Budget != AllPacked {
		return fmt.Errorf("%w: Budget %d: pass bytes, AllPacked or Plain", ErrInvalidOption, o.Budget)
	}
	if o.Compression != "" && o.Compression != codec.S2 && o.Compression != codec.Zstd {
		return fmt.Errorf("%w: Compression %q: pass codec.S2 or codec.Zstd", ErrInvalidOption, o.Compression)
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

// watchOptions returns the handler's options as those of its cursor.
func watchOptions[T Object](o HandlerOptions) ([]store.WatchOption[T], error) {
	size := o.BufferSize
	switch {
	case !utf8.ValidString(o.Name):
		return nil, fmt.Errorf("%w: Name %q is not UTF-8", ErrInvalidOption, o.Name)
	case size < 0:
		return nil, fmt.Errorf("%w: BufferSize %d: pass zero or more", ErrInvalidOption, size)
	case size == 0:
		size = store.DefaultBufferSize
	}
	return []store.WatchOption[T]{
		store.WithInitialReplay[T](),
		store.WithSyncMarker[T](),
		store.WithBufferSize[T](size),
	}, nil
}
