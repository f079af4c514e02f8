//go:build peers

package larder_test

import (
	"os"

	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

func NewIndexer(keyFunc cache.KeyFunc, indexers cache.Indexers) cache.Indexer {
	if os.Getenv("LARDER_PEERS_FORM") != "packed" {
		return clientgo.NewIndexer(keyFunc, indexers)
	}
	x, err := clientgo.Options{Budget: informer.AllPacked}.NewIndexer(keyFunc, indexers)
	if err != nil {
		panic(err)
	}
	return x
}
