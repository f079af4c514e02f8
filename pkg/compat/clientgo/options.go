package clientgo

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer"
)

// Options choose how objects are held: as they are, or packed. The constructors are those of
// the package, but that they can fail. Informers and indexers that are made one by one are
// not packed by default, factories of informers are.
//
//	informer, err := clientgo.Options{Budget: informer.DefaultBudget}.NewSharedIndexInformer(lw, &corev1.Pod{}, resync, indexers)
//	factory, err := clientgo.Options{Namespace: "shop", DropManagedFields: true}.NewSharedInformerFactory(config, resync)
//
// Packed objects take a tenth of the memory or less. Who reads one gets a decoded copy, or
// shares one that is kept decoded; so a change to an object from the cache, which is as
// wrong as ever, reaches other readers or not, but never what is packed. Index functions
// run when an object is written, and keys, index values and what is equal to what a
// handler knows cost no decoding.
//
// Objects can be of any types that [codec.New] takes, also of several at once. An object
// of another type is not stored: by hand that is a [*gomap.EncodeError], from the watch
// an [*informer.ObjectError], and both are a [codec.ErrType]. What is decoded is what the
// server sent; an empty slice or map of a built-in type is nil.
type Options struct {
	// Budget is how many bytes of memory may go into objects that are kept decoded
	// beside the packed ones, because they are read often: [informer.DefaultBudget], or
	// [informer.AllPacked] to keep none. [informer.Plain] packs nothing, and is the default
	// of an informer or indexer. All informers of a factory share one budget; by default
	// it is [informer.DefaultBudget], which they share with all others in the process that
	// have none of their own.
	Budget int64

	// Compression is how objects are packed: [codec.S2], the default, or [codec.Zstd],
	// which takes a third less memory, and ten times as long to pack. It needs a Budget, or a
	// factory.
	Compression codec.Compression

	// The options that follow are for factories only, which talk to an API server
	// themselves.

	// Namespace limits the informers of resources that are in namespaces to one of these.
	// Default: all.
	Namespace string

	// LabelSelector and FieldSelector limit the informers to the objects that match, in the
	// syntax of kubectl's --selector and --field-selector. Default: all.
	LabelSelector, FieldSelector string

	// TweakListOptions, if it is set, changes the options of every list and watch, after
	// the selectors were set.
	TweakListOptions func(*metav1.ListOptions)

	// Transform, if it is set, is applied to every object before it is stored. Every object
	// is decoded for it. It must keep namespace, name, uid and resourceVersion.
	Transform cache.TransformFunc

	// CustomResync is the period of resync for objects of the same Go type, where it is not
	// to be the factory's. It needs NewSharedInformerFactory.
	CustomResync map[metav1.Object]time.Duration

	// DropManagedFields keeps metadata.managedFields, which are a third of a typical object,
	// out of packed objects: they are cut out of what the API server sends, without
	// decoding it.
	DropManagedFields bool
}

// NewSharedIndexInformer is the package's [NewSharedIndexInformer] with options. It
// returns an [informer.ErrInvalidOption] for an option that means nothing, which is a
// [codec.ErrType] too if objects of example's type cannot be packed.
func (o Options) NewSharedIndexInformer(lw cache.ListerWatcher, example runtime.Object, resync time.Duration, indexers cache.Indexers) (cache.SharedIndexInformer, error) {
	return o.NewSharedIndexInformerWithOptions(lw, example, cache.SharedIndexInformerOptions{ResyncPeriod: resync, Indexers: indexers})
}

// NewSharedIndexInformerWithOptions is the package's
// [NewSharedIndexInformerWithOptions] with options, and with the errors of
// [Options.NewSharedIndexInformer].
func (o Options) NewSharedIndexInformerWithOptions(lw cache.ListerWatcher, example runtime.Object, options cache.SharedIndexInformerOptions) (cache.SharedIndexInformer, error) {
	storage, err := o.held()
	if err != nil {
		return nil, err
	}
	return newInformer(lw, example, options, storage)
}

// NewIndexer is the package's [NewIndexer] with options. It returns an
// [informer.ErrInvalidOption] for an option that means nothing.
func (o Options) NewIndexer(keyFunc cache.KeyFunc, indexers cache.Indexers) (cache.Indexer, error) {
	storage, err := o.held()
	if err != nil {
		return nil, err
	}
	return newFilledIndexer(keyFunc, indexers, storage)
}

// held returns how objects are held of what comes from elsewhere, decoded.
func (o Options) held() (core.Storage, error) {
	for _, option := range []struct {
		name string
		set  bool
	}{
		{"Namespace", o.Namespace != ""},
		{"LabelSelector", o.LabelSelector != ""},
		{"FieldSelector", o.FieldSelector != ""},
		{"TweakListOptions", o.TweakListOptions != nil},
		{"Transform", o.Transform != nil},
		{"CustomResync", o.CustomResync != nil},
		{"DropManagedFields", o.DropManagedFields},
	} {
		if option.set {
			return core.Storage{}, fmt.Errorf("%w: %s: it is for factories, which talk to an API server themselves", informer.ErrInvalidOption, option.name)
		}
	}
	return core.StorageOf(cmp.Or(o.Budget, informer.Plain), o.Compression)
}
