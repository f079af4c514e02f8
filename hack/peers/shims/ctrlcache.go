//go:build peers

package larder_test

import (
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

// New is larder's cache by the name of controller-runtime's.
func New(config *rest.Config, opts cache.Options) (cache.Cache, error) {
	return ctrlruntime.NewCache(config, opts)
}
