package clientgo

import (
	"context"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

// ListWatch returns what lists and watches by a typed client, such as
// client.CoreV1().Pods(namespace). Clients of any clientset will do, also fake ones, of which
// no streamed lists are asked.
func ListWatch[L runtime.Object](client interface {
	List(ctx context.Context, opts metav1.ListOptions) (L, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
},
) cache.ListerWatcher {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			list, err := client.List(ctx, opts)
			if err != nil {
				return nil, err // and no list that is nil
			}
			return list, nil
		},
		WatchFuncWithContext: client.Watch,
	}
	if isFake(reflect.ValueOf(client), maxWrapped) {
		return cache.ToListWatcherWithWatchListSemantics(lw, noStreams{})
	}
	return cache.ToListWatcherWithWatchListSemantics(lw, client)
}

// noStreams is a client that cannot stream lists.
type noStreams struct{}

// IsWatchListSemanticsUnSupported tells a reflector so.
func (noStreams) IsWatchListSemanticsUnSupported() bool { return true }

// fake is what all fake clients are made of, a [clienttesting.Fake].
var fake = reflect.TypeFor[interface {
	Invokes(action clienttesting.Action, defaultReturnObj runtime.Object) (runtime.Object, error)
}]()

// maxWrapped is how deep a fake may be in what is around it: the client of one resource, of
// one group, and somebody's own around these.
const maxWrapped = 3

// isFake tells whether a client is a fake, or something around one. The clients of a clientset
// do not say so, as the clientset does.
func isFake(client reflect.Value, depth int) bool {
	if client.Kind() == reflect.Interface {
		client = client.Elem()
	}
	if client.IsValid() && client.Type().Implements(fake) {
		return true
	}
	client = reflect.Indirect(client)
	if client.Kind() != reflect.Struct || depth == 0 {
		return false
	}
	for _, field := range client.Fields() {
		if isFake(field, depth-1) {
			return true
		}
	}
	return false
}
