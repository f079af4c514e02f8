//go:build peers

package larder_test

import (
	"os"
	"slices"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/informer"
)

// packed tells whether objects are to be packed, and all of them decoded for each reader.
var packed = os.Getenv("LARDER_PEERS_FORM") == "packed"

// sharedIndexInformer is what tests assert an informer to be.
type sharedIndexInformer struct{ cache.SharedIndexInformer }

func NewSharedInformer(lw cache.ListerWatcher, example runtime.Object, resync time.Duration) cache.SharedInformer {
	return NewSharedIndexInformer(lw, example, resync, cache.Indexers{})
}

func NewSharedIndexInformer(lw cache.ListerWatcher, example runtime.Object, resync time.Duration, indexers cache.Indexers) cache.SharedIndexInformer {
	if !packed {
		return &sharedIndexInformer{clientgo.NewSharedIndexInformer(lw, example, resync, indexers)}
	}
	inf, err := clientgo.Options{Budget: informer.AllPacked}.NewSharedIndexInformer(lw, example, resync, indexers)
	must(err)
	return &sharedIndexInformer{inf}
}

// sharedProcessorRunHook is set by a test that is excluded, in a function that it shares with one that is not.
var sharedProcessorRunHook atomic.Pointer[func()]

// The tests look into the informer here; larder tells.

func handlers(i cache.SharedInformer) []clientgo.HandlerStatus {
	all, err := clientgo.Handlers(i.(*sharedIndexInformer).SharedIndexInformer)
	if err != nil {
		panic(err)
	}
	return all
}

func eventHandlerCount(i cache.SharedInformer) int { return len(handlers(i)) }

func isRegistered(i cache.SharedInformer, h cache.ResourceEventHandlerRegistration) bool {
	return slices.ContainsFunc(handlers(i), func(s clientgo.HandlerStatus) bool { return s.Registration == h })
}

func isStarted(i cache.SharedInformer) bool {
	return i.(*sharedIndexInformer).SharedIndexInformer.(interface{ HasStarted() bool }).HasStarted()
}

func NewIndexer(keyFunc cache.KeyFunc, indexers cache.Indexers) cache.Indexer {
	if !packed {
		return clientgo.NewIndexer(keyFunc, indexers)
	}
	x, err := clientgo.Options{Budget: informer.AllPacked}.NewIndexer(keyFunc, indexers)
	must(err)
	return x
}

func NewStore(keyFunc cache.KeyFunc) cache.Store { return NewIndexer(keyFunc, nil) }

// threadSafeMap has the keys beside the objects, an indexer takes them from the objects.
type threadSafeMap struct{ cache.Indexer }

type keyed struct {
	Key string
	Obj any
}

func (k keyed) GetObjectMeta() metav1.Object {
	m, err := meta.Accessor(k.Obj)
	if err != nil {
		return nil
	}
	return m
}

func NewThreadSafeStore(indexers cache.Indexers, _ cache.Indices) any {
	return &threadSafeMap{NewIndexer(func(obj any) (string, error) { return obj.(keyed).Key, nil }, indexers)}
}

func (m *threadSafeMap) Add(key string, obj any)    { must(m.Indexer.Add(keyed{key, obj})) }
func (m *threadSafeMap) Update(key string, obj any) { must(m.Indexer.Update(keyed{key, obj})) }
func (m *threadSafeMap) Delete(key string)          { must(m.Indexer.Delete(keyed{key, nil})) }
func (m *threadSafeMap) DeleteWithObject(key string, obj any) {
	must(m.Indexer.Delete(keyed{key, obj}))
}

func (m *threadSafeMap) Replace(objects map[string]any, resourceVersion string) {
	list := []any{}
	for key, obj := range objects {
		list = append(list, keyed{key, obj})
	}
	must(m.Indexer.Replace(list, resourceVersion))
}

func (m *threadSafeMap) Transaction(txns ...cache.ThreadSafeStoreTransaction) {
	var keyedTxns []cache.Transaction
	for _, txn := range txns {
		keyedTxns = append(keyedTxns, cache.Transaction{Object: keyed{txn.Key, txn.Object}, Type: txn.Type})
	}
	if err := m.Indexer.(cache.TransactionStore).Transaction(keyedTxns...); err != nil {
		panic(err)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
