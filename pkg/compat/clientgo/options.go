package clientgo

import (
	"fmt"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

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
	mutations := newMutationDetector(example)
	s, err := o.newShelf(example, mutations.AddObject)
	if err != nil {
		return nil, err
	}
	return newInformer(lw, example, options, s, mutations), nil
}

// NewIndexer is the package's [NewIndexer] with options. It returns an
// [informer.ErrInvalidOption] for an option that means nothing.
func (o Options) NewIndexer(keyFunc cache.KeyFunc, indexers cache.Indexers) (cache.Indexer, error) {
	s, err := o.newShelf(nil, func(any) {})
	if err != nil {
		return nil, err
	}
	return newIndexer(keyFunc, indexers, noMetric{}, s), nil
}

// newShelf returns an empty shelf. decoded is called with each object that was decoded.
func (o Options) newShelf(example any, decoded func(any)) (shelf, error) {
	plain := o.Budget == 0 || o.Budget == informer.Plain
	switch {
	case o.Budget < 0 && o.Budget != informer.AllPacked:
		return nil, fmt.Errorf("%w: Budget %d: pass bytes, AllPacked or Plain", informer.ErrInvalidOption, o.Budget)
	case o.Compression != "" && o.Compression != codec.S2 && o.Compression != codec.Zstd:
		return nil, fmt.Errorf("%w: Compression %q: pass codec.S2 or codec.Zstd", informer.ErrInvalidOption, o.Compression)
	case o.Compression != "" && plain:
		return nil, fmt.Errorf("%w: Compression %q: nothing is packed without a Budget", informer.ErrInvalidOption, o.Compression)
	case plain:
		return newPlainShelf(), nil
	}
	p := &packing{options: codec.PackerOptions{Compression: o.Compression}, decoded: decoded}
	if example != nil {
		if _, err := p.of(reflect.TypeOf(example)); err != nil {
			return nil, fmt.Errorf("%w: Budget: %w: use Plain", informer.ErrInvalidOption, err)
		}
	}
	return newPackedShelf(p, o.Budget)
}
