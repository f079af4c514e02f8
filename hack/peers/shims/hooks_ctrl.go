//go:build peers

package controllerruntime

import (
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
)

// Whoever makes a manager links this package. The cache's own cannot import what imports it.
func init() { cache.LarderCache = ctrlruntime.NewCache }
