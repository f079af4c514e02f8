package greeting

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

// NewInformer makes the controller's informers. This is the line that moves it:
// cache.NewSharedIndexInformer moves it back.
var NewInformer Constructor = clientgo.NewSharedIndexInformer

// Constructor is the type of client-go's and larder's constructor.
type Constructor = func(cache.ListerWatcher, runtime.Object, time.Duration, cache.Indexers) cache.SharedIndexInformer

// Informers are what the controller reads from.
type Informers struct {
	Greetings  cache.SharedIndexInformer
	ConfigMaps cache.SharedIndexInformer
	Factory    informers.SharedInformerFactory // runs both
}

// NewInformers returns the informers of all namespaces. A factory takes part with
// the informers that it is given.
func NewInformers(kube kubernetes.Interface, client *Client, resync time.Duration) Informers {
	byNamespace := func() cache.Indexers {
		return cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	}
	factory := informers.NewSharedInformerFactory(kube, resync)
	return Informers{
		Factory: factory,
		Greetings: factory.InformerFor(&Greeting{}, func(_ kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
			lw := cache.NewListWatchFromClient(client.rest, resource, "", fields.Everything())
			return NewInformer(lw, &Greeting{}, resync, byNamespace())
		}),
		ConfigMaps: factory.InformerFor(&corev1.ConfigMap{}, func(kube kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
			lw := cache.NewListWatchFromClient(kube.CoreV1().RESTClient(), "configmaps", "", fields.Everything())
			return NewInformer(lw, &corev1.ConfigMap{}, resync, byNamespace())
		}),
	}
}
