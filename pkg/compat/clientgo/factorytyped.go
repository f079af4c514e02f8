package clientgo

import (
	"fmt"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/informers/admissionregistration"
	"k8s.io/client-go/informers/apiserverinternal"
	"k8s.io/client-go/informers/apps"
	"k8s.io/client-go/informers/autoscaling"
	"k8s.io/client-go/informers/batch"
	"k8s.io/client-go/informers/certificates"
	"k8s.io/client-go/informers/coordination"
	coreinformers "k8s.io/client-go/informers/core"
	"k8s.io/client-go/informers/discovery"
	"k8s.io/client-go/informers/events"
	"k8s.io/client-go/informers/extensions"
	"k8s.io/client-go/informers/flowcontrol"
	"k8s.io/client-go/informers/lifecycle"
	"k8s.io/client-go/informers/networking"
	"k8s.io/client-go/informers/node"
	"k8s.io/client-go/informers/policy"
	"k8s.io/client-go/informers/rbac"
	"k8s.io/client-go/informers/resource"
	"k8s.io/client-go/informers/scheduling"
	"k8s.io/client-go/informers/storage"
	"k8s.io/client-go/informers/storagemigration"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/informer"
)

// typedFactory is client-go's factory, which keeps the informers and runs them. But the
// groups of generated informers ask generated for what they hand out.
type typedFactory struct {
	informers.SharedInformerFactory
	generated informers.SharedInformerFactory
}

func newTypedFactory(m maker, resync time.Duration, o Options) (informers.SharedInformerFactory, error) {
	// It is for the functions that others pass to InformerFor.
	client, err := kubernetes.NewForConfigAndClient(m.remote.Config, m.remote.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("%w: rest.Config: %w", informer.ErrInvalidOption, err)
	}
	theirs := informers.NewSharedInformerFactoryWithOptions(client, resync,
		informers.WithCustomResyncConfig(o.CustomResync), informers.WithTransform(o.Transform))
	return &typedFactory{theirs, newGenerated(m, theirs, theirs.InformerFor)}, nil
}

// generated is client-go's factory, but that its informers are ours, whatever function would
// make them. F is the type of these functions, whose name is internal to client-go.
type generated[F any] struct {
	informers.SharedInformerFactory
	maker maker
}

// newGenerated infers F.
func newGenerated[F any](m maker, theirs informers.SharedInformerFactory, _ func(runtime.Object, F) cache.SharedIndexInformer) informers.SharedInformerFactory {
	return any(&generated[F]{theirs, m}).(informers.SharedInformerFactory)
}

// InformerFor returns our informer of the objects of example's type.
func (g *generated[F]) InformerFor(example runtime.Object, _ F) cache.SharedIndexInformer {
	return g.SharedInformerFactory.InformerFor(example, func(_ kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
		i, err := g.maker.typed(example, resync)
		if err != nil {
			panic(err) // the scheme has what is generated, and the configuration was tried
		}
		return i
	})
}

// typed returns an informer of objects of a type that client-go's scheme has.
func (m maker) typed(example runtime.Object, resync time.Duration) (*sharedIndexInformer, error) {
	kinds, _, err := scheme.Scheme.ObjectKinds(example)
	if err != nil {
		return nil, err
	}
	plural, _ := meta.UnsafeGuessKindToResource(kinds[0])
	return m.informer(core.Options{
		Name:   plural.GroupResource().String(),
		Kind:   core.Kind{GroupVersionKind: kinds[0], Scheme: scheme.Scheme},
		Form:   core.Typed,
		Remote: m.remote,
	}, resync)
}

// ForResource returns the informer and lister of a built-in resource.
func (f *typedFactory) ForResource(gvr schema.GroupVersionResource) (informers.GenericInformer, error) {
	if _, err := informers.NewSharedInformerFactory(nil, 0).ForResource(gvr); err != nil {
		return nil, err
	}
	// Client-go's takes the informer that is there.
	if example := exampleOf(gvr); example != nil {
		f.generated.InformerFor(example, nil)
	}
	return f.SharedInformerFactory.ForResource(gvr)
}

// exampleOf returns an object of the type of a built-in resource, or nil.
func exampleOf(gvr schema.GroupVersionResource) runtime.Object {
	gv := gvr.GroupVersion()
	for kind, goType := range scheme.Scheme.KnownTypes(gv) {
		if plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(kind)); plural == gvr {
			return reflect.New(goType).Interface().(runtime.Object)
		}
	}
	return nil
}

// Admissionregistration returns the informers of the API group.
func (f *typedFactory) Admissionregistration() admissionregistration.Interface {
	return admissionregistration.New(f.generated, "", nil)
}

// Internal returns the informers of the API group.
func (f *typedFactory) Internal() apiserverinternal.Interface {
	return apiserverinternal.New(f.generated, "", nil)
}

// Apps returns the informers of the API group.
func (f *typedFactory) Apps() apps.Interface { return apps.New(f.generated, "", nil) }

// Autoscaling returns the informers of the API group.
func (f *typedFactory) Autoscaling() autoscaling.Interface {
	return autoscaling.New(f.generated, "", nil)
}

// Batch returns the informers of the API group.
func (f *typedFactory) Batch() batch.Interface { return batch.New(f.generated, "", nil) }

// Certificates returns the informers of the API group.
func (f *typedFactory) Certificates() certificates.Interface {
	return certificates.New(f.generated, "", nil)
}

// Coordination returns the informers of the API group.
func (f *typedFactory) Coordination() coordination.Interface {
	return coordination.New(f.generated, "", nil)
}

// Core returns the informers of the API group.
func (f *typedFactory) Core() coreinformers.Interface { return coreinformers.New(f.generated, "", nil) }

// Discovery returns the informers of the API group.
func (f *typedFactory) Discovery() discovery.Interface { return discovery.New(f.generated, "", nil) }

// Events returns the informers of the API group.
func (f *typedFactory) Events() events.Interface { return events.New(f.generated, "", nil) }

// Extensions returns the informers of the API group.
func (f *typedFactory) Extensions() extensions.Interface { return extensions.New(f.generated, "", nil) }

// Flowcontrol returns the informers of the API group.
func (f *typedFactory) Flowcontrol() flowcontrol.Interface {
	return flowcontrol.New(f.generated, "", nil)
}

// Lifecycle returns the informers of the API group.
func (f *typedFactory) Lifecycle() lifecycle.Interface { return lifecycle.New(f.generated, "", nil) }

// Networking returns the informers of the API group.
func (f *typedFactory) Networking() networking.Interface { return networking.New(f.generated, "", nil) }

// Node returns the informers of the API group.
func (f *typedFactory) Node() node.Interface { return node.New(f.generated, "", nil) }

// Policy returns the informers of the API group.
func (f *typedFactory) Policy() policy.Interface { return policy.New(f.generated, "", nil) }

// Rbac returns the informers of the API group.
func (f *typedFactory) Rbac() rbac.Interface { return rbac.New(f.generated, "", nil) }

// Resource returns the informers of the API group.
func (f *typedFactory) Resource() resource.Interface { return resource.New(f.generated, "", nil) }

// Scheduling returns the informers of the API group.
func (f *typedFactory) Scheduling() scheduling.Interface { return scheduling.New(f.generated, "", nil) }

// Storage returns the informers of the API group.
func (f *typedFactory) Storage() storage.Interface { return storage.New(f.generated, "", nil) }

// Storagemigration returns the informers of the API group.
func (f *typedFactory) Storagemigration() storagemigration.Interface {
	return storagemigration.New(f.generated, "", nil)
}
