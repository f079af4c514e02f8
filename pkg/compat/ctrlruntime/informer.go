package ctrlruntime

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

// NewInformer puts larder's informers into controller-runtime's own cache. Reads
// take no lock, and a slow event handler costs bounded memory; everything else is
// as it was. [NewCache] does more.
//
//	manager.Options{Cache: cache.Options{NewInformer: ctrlruntime.NewInformer}}
func NewInformer(lw toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	return clientgo.NewSharedIndexInformer(lw, example, resync, indexers)
}
