package clientgo

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer"
)

// NewSharedInformerFactory returns a factory of informers of the built-in resources, with
// client-go's listers and typed informers. They talk to the API server themselves: what it
// sends is packed as it comes, and decoded when it is read. resync is the period after which
// handlers are given every object again unless they say otherwise.
//
// InformerFor has what the function makes that is passed to it, as client-go's has. All
// other informers are of this package.
//
// It talks to no server before an informer is started. It returns an
// [informer.ErrInvalidOption] for a configuration that cannot work.
func NewSharedInformerFactory(config *rest.Config, resync time.Duration) (informers.SharedInformerFactory, error) {
	return Options{}.NewSharedInformerFactory(config, resync)
}

// NewDynamicSharedInformerFactory is [NewSharedInformerFactory] of any resources, custom ones
// too, as *unstructured.Unstructured. A resource that the server does not have yet is waited
// for.
func NewDynamicSharedInformerFactory(config *rest.Config, resync time.Duration) (dynamicinformer.DynamicSharedInformerFactory, error) {
	return Options{}.NewDynamicSharedInformerFactory(config, resync)
}

// NewMetadataSharedInformerFactory is [NewDynamicSharedInformerFactory] of the metadata alone,
// as *metav1.PartialObjectMetadata: the server sends nothing else. Objects say the kind that
// they are the metadata of.
func NewMetadataSharedInformerFactory(config *rest.Config, resync time.Duration) (metadatainformer.SharedInformerFactory, error) {
	return Options{}.NewMetadataSharedInformerFactory(config, resync)
}

// NewSharedInformerFactory is the package's [NewSharedInformerFactory] with options. It
// returns an [informer.ErrInvalidOption] for an option that means nothing too.
func (o Options) NewSharedInformerFactory(config *rest.Config, resync time.Duration) (informers.SharedInformerFactory, error) {
	m, err := o.maker(config)
	if err != nil {
		return nil, err
	}
	return newTypedFactory(m, resync, o)
}

// NewDynamicSharedInformerFactory is the package's [NewDynamicSharedInformerFactory] with
// options. It returns an [informer.ErrInvalidOption] for an option that means nothing too.
func (o Options) NewDynamicSharedInformerFactory(config *rest.Config, resync time.Duration) (dynamicinformer.DynamicSharedInformerFactory, error) {
	f, err := o.newResourceFactory(config, resync, core.Unstructured)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// NewMetadataSharedInformerFactory is the package's [NewMetadataSharedInformerFactory] with
// options. It returns an [informer.ErrInvalidOption] for an option that means nothing too.
func (o Options) NewMetadataSharedInformerFactory(config *rest.Config, resync time.Duration) (metadatainformer.SharedInformerFactory, error) {
	f, err := o.newResourceFactory(config, resync, core.Metadata)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// maker makes the informers of a factory, which share a connection, a rate limit and a
// budget.
type maker struct {
	remote  core.Remote
	storage core.Storage
}

func (o Options) maker(config *rest.Config) (maker, error) {
	m := maker{remote: core.Remote{
		Config:            config,
		Namespace:         o.Namespace,
		AnyScope:          true,
		LabelSelector:     o.LabelSelector,
		FieldSelector:     o.FieldSelector,
		Tweak:             o.TweakListOptions,
		DropManagedFields: o.DropManagedFields,
	}}
	if _, err := labels.Parse(o.LabelSelector); err != nil {
		return m, fmt.Errorf("%w: LabelSelector %q: %w", informer.ErrInvalidOption, o.LabelSelector, err)
	}
	if _, err := fields.ParseSelector(o.FieldSelector); err != nil {
		return m, fmt.Errorf("%w: FieldSelector %q: %w", informer.ErrInvalidOption, o.FieldSelector, err)
	}
	if o.DropManagedFields && o.Budget == informer.Plain {
		return m, fmt.Errorf("%w: DropManagedFields: nothing is packed with the Budget Plain: use a Transform", informer.ErrInvalidOption)
	}
	var err error
	if m.storage, err = core.StorageOf(o.Budget, o.Compression); err != nil {
		return m, err
	}
	if err := m.remote.Complete(); err != nil {
		return m, err
	}
	limit(m.remote.Config)
	// What is wrong with a configuration is found out now: later there is no error to return.
	_, err = m.informer(core.Options{Form: core.Metadata, Remote: m.remote}, 0)
	return m, err
}

// limit makes one rate limiter of the limits of a configuration, as a clientset does.
func limit(config *rest.Config) {
	if config.RateLimiter == nil && config.QPS > 0 {
		config.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(config.QPS, cmp.Or(config.Burst, rest.DefaultBurst))
	}
}

// informer returns an informer with the index that client-go's have. Objects of a type that
// cannot be packed are held as they are.
func (m maker) informer(opts core.Options, resync time.Duration) (*sharedIndexInformer, error) {
	opts.Storage = m.storage
	shared, err := NewShared(opts, resync)
	if errors.Is(err, codec.ErrType) {
		opts.Storage = core.Storage{}
		shared, err = NewShared(opts, resync)
	}
	if err != nil {
		return nil, err
	}
	i := shared.in(core.AsStored)
	i.indexer.addAll(cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	return i, nil
}
