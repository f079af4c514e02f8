//go:build peers

package fake

import (
	"errors"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

// Tests of what has informers link this package. The cache's own cannot import what imports it.
func init() {
	if os.Getenv("LARDER_PEERS_FORM") != "packed" {
		cache.LarderInformer = clientgo.NewSharedIndexInformerWithOptions
		cache.LarderIndexer = clientgo.NewIndexer
		return
	}
	packed := clientgo.Options{Budget: informer.AllPacked}
	cache.LarderInformer = func(lw cache.ListerWatcher, example runtime.Object, options cache.SharedIndexInformerOptions) cache.SharedIndexInformer {
		inf, err := packed.NewSharedIndexInformerWithOptions(lw, example, options)
		if errors.Is(err, codec.ErrType) {
			return clientgo.NewSharedIndexInformerWithOptions(lw, example, options)
		}
		if err != nil {
			panic(err)
		}
		return inf
	}
	cache.LarderIndexer = func(keyFunc cache.KeyFunc, indexers cache.Indexers) cache.Indexer {
		x, err := packed.NewIndexer(keyFunc, indexers)
		if err != nil {
			panic(err)
		}
		return x
	}
}
