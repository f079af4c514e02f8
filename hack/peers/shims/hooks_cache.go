//go:build peers

package cache

import "k8s.io/apimachinery/pkg/runtime"

// What the constructors call, once it is set.
var (
	LarderInformer func(lw ListerWatcher, example runtime.Object, options SharedIndexInformerOptions) SharedIndexInformer
	LarderIndexer  func(keyFunc KeyFunc, indexers Indexers) Indexer
)
