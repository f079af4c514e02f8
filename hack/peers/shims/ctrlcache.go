//go:build peers

package larder_test

import (
	"os"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

// New is larder's cache by the name of controller-runtime's.
func New(config *rest.Config, opts cache.Options) (cache.Cache, error) {
	if os.Getenv("LARDER_PEERS_FORM") == "plain" {
		return ctrlruntime.Options{Budget: informer.Plain}.NewCache(config, opts)
	}
	return ctrlruntime.NewCache(config, opts)
}
