package clientgo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic/dynamiclister"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata/metadatalister"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/informer"
)

// resourceFactory makes informers of whatever resources, in one form, and runs them. It is a
// [dynamicinformer.DynamicSharedInformerFactory] and a
// [metadatainformer.SharedInformerFactory].
type resourceFactory struct {
	maker     maker
	form      core.Form
	resync    time.Duration
	transform cache.TransformFunc
	running   sync.WaitGroup

	mu        sync.Mutex
	informers map[schema.GroupVersionResource]*resourceInformer
	shutDown  bool
}

// resourceInformer is the informer of a resource, with its lister.
type resourceInformer struct {
	*sharedIndexInformer
	lister  cache.GenericLister
	started bool
}

var _ informers.GenericInformer = (*resourceInformer)(nil)

// Informer returns the informer.
func (i *resourceInformer) Informer() cache.SharedIndexInformer { return i.sharedIndexInformer }

// Lister returns the lister, which reads the informer's store.
func (i *resourceInformer) Lister() cache.GenericLister { return i.lister }

func (o Options) newResourceFactory(config *rest.Config, resync time.Duration, f core.Form) (*resourceFactory, error) {
	if o.CustomResync != nil {
		return nil, fmt.Errorf("%w: CustomResync: it is by Go type, of which all objects of the factory are: pass a HandlerOptions.ResyncPeriod", informer.ErrInvalidOption)
	}
	m, err := o.maker(config)
	if err != nil {
		return nil, err
	}
	return &resourceFactory{
		maker: m, form: f, resync: resync, transform: o.Transform,
		informers: map[schema.GroupVersionResource]*resourceInformer{},
	}, nil
}

// ForResource returns the informer and lister of a resource. It does not ask the server.
func (f *resourceFactory) ForResource(gvr schema.GroupVersionResource) informers.GenericInformer {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.informers[gvr]
	if i == nil {
		i = f.newInformer(gvr)
		f.informers[gvr] = i
	}
	return i
}

func (f *resourceFactory) newInformer(gvr schema.GroupVersionResource) *resourceInformer {
	remote := f.maker.remote
	remote.Resource = gvr
	made, err := f.maker.informer(core.Options{Name: gvr.GroupResource().String(), Form: f.form, Remote: remote}, f.resync)
	if err == nil {
		err = made.SetTransform(f.transform)
	}
	if err != nil {
		panic(err) // the configuration was tried, and both forms can be packed
	}
	lister := dynamiclister.NewRuntimeObjectShim(dynamiclister.New(made.indexer, gvr))
	if f.form == core.Metadata {
		lister = metadatalister.NewRuntimeObjectShim(metadatalister.New(made.indexer, gvr))
	}
	return &resourceInformer{sharedIndexInformer: made, lister: lister}
}

// Start is StartWithContext with a channel.
func (f *resourceFactory) Start(stopCh <-chan struct{}) {
	f.StartWithContext(wait.ContextForChannel(stopCh))
}

// StartWithContext runs the informers that do not run yet, until ctx is done. It does not
// block.
func (f *resourceFactory) StartWithContext(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shutDown {
		return
	}
	for _, i := range f.informers {
		if !i.started {
			i.started = true
			f.running.Go(func() { i.RunWithContext(ctx) })
		}
	}
}

// WaitForCacheSync waits until the informers that run are synced, or stopCh is closed, and
// tells which are.
func (f *resourceFactory) WaitForCacheSync(stopCh <-chan struct{}) map[schema.GroupVersionResource]bool {
	started := f.started()
	checkers := make([]cache.DoneChecker, 0, len(started))
	for _, i := range started {
		checkers = append(checkers, i.HasSyncedChecker())
	}
	cache.WaitFor(wait.ContextForChannel(stopCh), "", checkers...)
	synced := make(map[schema.GroupVersionResource]bool, len(started))
	for gvr, i := range started {
		synced[gvr] = i.HasSynced()
	}
	return synced
}

// started returns the informers that run.
func (f *resourceFactory) started() map[schema.GroupVersionResource]*resourceInformer {
	f.mu.Lock()
	defer f.mu.Unlock()
	started := map[schema.GroupVersionResource]*resourceInformer{}
	for gvr, i := range f.informers {
		if i.started {
			started[gvr] = i
		}
	}
	return started
}

// Shutdown waits until no informer runs any more, for which the channels have to be closed
// that they were started with. No further informers are started.
func (f *resourceFactory) Shutdown() {
	f.mu.Lock()
	f.shutDown = true
	f.mu.Unlock()
	f.running.Wait()
}
