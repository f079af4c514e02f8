package clientgo

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer"
)

// Options choose how objects are held: as they are, which is the zero value, or packed.
// The constructors are those of the package, but that they can fail.
//
//	informer, err := clientgo.Options{Budget: informer.DefaultBudget}.NewSharedIndexInformer(lw, &corev1.Pod{}, resync, indexers)
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
	// [informer.AllPacked] to keep none. Default: [informer.Plain], which packs nothing.
	Budget int64

	// Compression is how objects are packed: [codec.S2], the default, or [codec.Zstd],
	// which takes a third less memory, and ten times as long to pack. It needs a Budget.
	Compression codec.Compression
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
	storage, err := o.storage(informer.Plain)
	if err != nil {
		return nil, err
	}
	return newInformer(lw, example, options, storage)
}

// NewIndexer is the package's [NewIndexer] with options. It returns an
// [informer.ErrInvalidOption] for an option that means nothing.
func (o Options) NewIndexer(keyFunc cache.KeyFunc, indexers cache.Indexers) (cache.Indexer, error) {
	storage, err := o.storage(informer.Plain)
	if err != nil {
		return nil, err
	}
	return newFilledIndexer(keyFunc, indexers, storage)
}

// storage returns how objects are held, with a budget for those options that have none.
func (o Options) storage(budget int64) (core.Storage, error) {
	return core.StorageOf(cmp.Or(o.Budget, budget), o.Compression)
}
