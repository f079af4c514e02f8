package ctrlruntime

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

// Options say how a cache holds its objects. The zero value is that of [NewCache].
//
//	manager.Options{NewCache: ctrlruntime.Options{Budget: 256 << 20}.NewCache}
type Options struct {
	// Budget is how many bytes of memory may go into objects that are kept decoded, of all
	// kinds together: those that are read most. All objects are held packed beside that, in
	// a tenth of the memory or less. [informer.AllPacked] keeps none decoded, and
	// [informer.Plain] packs nothing. Default: 64 MiB, but a kind whose options say
	// UnsafeDisableDeepCopy is not packed: who reads all of it without copies is not to pay
	// for decoding. With a Budget it is.
	Budget int64

	// Compression is how objects are packed: [codec.S2], the default, or [codec.Zstd],
	// which takes a third less memory, and ten times as long to pack.
	Compression codec.Compression

	// DropManagedFields keeps metadata.managedFields out of packed objects, without decoding
	// them: a third of a typical object, and of use to hardly any controller.
	DropManagedFields bool
}

// NewCache returns a cache with controller-runtime's options, which mean what they
// mean there. It is a [cache.NewCacheFunc], and what it returns is a [*Cache]. It
// asks the server about the kinds in ByObject, and watches nothing before Start.
//
//	manager.Options{NewCache: ctrlruntime.NewCache}
//
// With a NewInformer in the options it is controller-runtime's own cache, over those
// informers.
func NewCache(config *rest.Config, opts cache.Options) (cache.Cache, error) {
	return Options{}.NewCache(config, opts)
}

var _ cache.NewCacheFunc = NewCache

// NewCache is [NewCache] with options. It returns an [informer.ErrInvalidOption] for one that
// means nothing.
func (o Options) NewCache(config *rest.Config, opts cache.Options) (cache.Cache, error) {
	storage := core.Storage{Budget: core.NewBudget(core.DefaultBudget), Compression: o.Compression}
	if o.Budget != 0 {
		var err error
		if storage, err = core.StorageOf(o.Budget, o.Compression); err != nil {
			return nil, err
		}
	}
	if opts.NewInformer != nil {
		return cache.New(config, opts)
	}
	s, err := newSettings(config, opts)
	if err != nil {
		return nil, err
	}
	s.storage, s.own = storage, o
	return &Cache{
		settings: s,
		started:  make(chan struct{}),
		kinds:    map[schemaKind]*kindCache{},
		fields:   map[schemaKind]*fieldIndexes{},
	}, nil
}

// NewInformer puts larder's informers into controller-runtime's own cache, which then holds
// its objects packed, all kinds within 64 MiB of decoded ones. The objects come decoded; reads
// take no lock, and a slow event handler costs bounded memory. Everything else is as it was.
// [NewCache] does more, and takes less to fill.
//
//	manager.Options{Cache: cache.Options{NewInformer: ctrlruntime.NewInformer}}
func NewInformer(lw toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	shared, err := clientgo.NewShared(core.Options{
		Name:          fmt.Sprintf("%T", example),
		ListerWatcher: lw,
		Example:       example,
		Storage:       core.Storage{Budget: core.CommonBudget()},
	}, resync)
	if errors.Is(err, codec.ErrType) {
		return clientgo.NewSharedIndexInformer(lw, example, resync, indexers)
	}
	if err != nil {
		panic(err) // there is no other option that could be wrong
	}
	inf := shared.In(core.AsStored)
	if err := inf.AddIndexers(indexers); err != nil {
		panic(err) // of nothing: nothing can fail
	}
	return inf
}
