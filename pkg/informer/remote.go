package informer

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/informer/wire"
)

// client makes the requests for one kind, in one of the forms that objects can be had
// in. An empty namespace means all, or none.
type client interface {
	list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error)
	watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error)
}

// remote lists and watches one kind of an API server.
type remote struct {
	client    client
	resource  lazyResource
	namespace string
}

// newRemote returns what lists and watches the options' kind, in the form that the
// type of example asks for, or if there is a kind, packed by it.
func newRemote[T Object](cfg *rest.Config, example T, opts Options[T], kind *wire.Kind) (cache.ListerWatcher, error) {
	if cfg == nil {
		return nil, fmt.Errorf("%w: the rest.Config is nil", ErrInvalidOption)
	}
	cfg = rest.CopyConfig(cfg)
	if cfg.UserAgent == "" {
		cfg.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: rest.Config: %w", ErrInvalidOption, err)
	}
	r := &remote{namespace: opts.Namespace, resource: lazyResource{gvk: opts.GVK}}

	r.resource.finder = mapped{opts.Mapper}
	if opts.Mapper == nil {
		if r.resource.finder, err = newDiscoverer(cfg, httpClient); err != nil {
			return nil, fmt.Errorf("%w: rest.Config: %w", ErrInvalidOption, err)
		}
	}

	if kind != nil {
		c, err := wire.NewClient(cfg, httpClient, kind)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalidOption, err)
		}
		r.client = wireClient{c}
		return r.listerWatcher(), nil
	}
	switch any(example).(type) {
	case *unstructured.Unstructured:
		c, e := dynamic.NewForConfigAndClient(cfg, httpClient)
		r.client, err = dynamicClient{c}, e
	case *metav1.PartialObjectMetadata:
		c, e := metadata.NewForConfigAndClient(cfg, httpClient)
		r.client, err = metadataClient{c}, e
	default:
		listKind := opts.GVK.GroupVersion().WithKind(opts.GVK.Kind + "List")
		if !opts.Scheme.Recognizes(listKind) {
			return nil, fmt.Errorf("%w: Scheme does not know %v: add the list type beside %T", ErrInvalidOption, listKind, example)
		}
		c, e := rest.RESTClientForConfigAndClient(typedConfig(cfg, example, opts.GVK.GroupVersion(), opts.Scheme), httpClient)
		r.client, err = typedClient{c}, e
	}
	if err != nil {
		return nil, fmt.Errorf("%w: rest.Config: %w", ErrInvalidOption, err)
	}
	return r.listerWatcher(), nil
}

func (r *remote) listerWatcher() cache.ListerWatcher {
	return &cache.ListWatch{ListWithContextFunc: r.list, WatchFuncWithContext: r.watch}
}

func (r *remote) list(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	res, err := r.locate(ctx)
	if err != nil {
		return nil, err
	}
	list, err := r.client.list(ctx, res, r.namespace, opts)
	return list, r.resource.check(err)
}

func (r *remote) watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	res, err := r.locate(ctx)
	if err != nil {
		return nil, err
	}
	w, err := r.client.watch(ctx, res, r.namespace, opts)
	return w, r.resource.check(err)
}

// locate returns the resource, if the informer's namespace fits it.
func (r *remote) locate(ctx context.Context) (resource, error) {
	res, err := r.resource.get(ctx)
	if err == nil && r.namespace != "" && !res.namespaced {
		err = fmt.Errorf("%w: Namespace %q: resource %q is cluster-scoped, leave it empty",
			ErrInvalidOption, r.namespace, res.GroupResource())
	}
	return res, err
}

// typedClient decodes objects into the Go types of a scheme.
type typedClient struct{ rest.Interface }

// typedConfig returns the configuration for a typed client of one group and
// version. If the Go type can be read from protobuf, that is asked for first: it
// is smaller and quicker to decode. A server that has no protobuf for the kind, as
// for a custom resource, answers with JSON.
func typedConfig(cfg *rest.Config, example runtime.Object, gv schema.GroupVersion, scheme *runtime.Scheme) *rest.Config {
	typed := rest.CopyConfig(cfg)
	typed.GroupVersion = &gv
	typed.APIPath = "/apis"
	if gv.Group == "" {
		typed.APIPath = "/api"
	}
	typed.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	_, protobuf := example.(interface{ Unmarshal(data []byte) error })
	if protobuf && typed.ContentType == "" && typed.AcceptContentTypes == "" {
		typed.ContentType = runtime.ContentTypeProtobuf
		typed.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	}
	return typed
}

func (c typedClient) list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	return c.request(r, namespace, opts).Do(ctx).Get()
}

func (c typedClient) watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	return c.request(r, namespace, opts).Watch(ctx)
}

func (c typedClient) request(r resource, namespace string, opts metav1.ListOptions) *rest.Request {
	return c.Get().
		NamespaceIfScoped(namespace, namespace != "").
		Resource(r.Resource).
		VersionedParams(&opts, metav1.ParameterCodec)
}

// wireClient returns objects packed.
type wireClient struct{ *wire.Client }

func (c wireClient) list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	return orNone(c.List(ctx, r.Resource, namespace, opts))
}

func (c wireClient) watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	return c.Watch(ctx, r.Resource, namespace, opts)
}

// dynamicClient returns objects as *unstructured.Unstructured.
type dynamicClient struct{ dynamic.Interface }

func (c dynamicClient) list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	return orNone(c.Resource(r.GroupVersionResource).Namespace(namespace).List(ctx, opts))
}

func (c dynamicClient) watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	return c.Resource(r.GroupVersionResource).Namespace(namespace).Watch(ctx, opts)
}

// metadataClient returns objects as *metav1.PartialObjectMetadata.
type metadataClient struct{ metadata.Interface }

func (c metadataClient) list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	return orNone(c.Resource(r.GroupVersionResource).Namespace(namespace).List(ctx, opts))
}

func (c metadataClient) watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	return c.Resource(r.GroupVersionResource).Namespace(namespace).Watch(ctx, opts)
}

// orNone returns a list as an interface that is nil if the list is.
func orNone[L runtime.Object](list L, err error) (runtime.Object, error) {
	if err != nil {
		return nil, err
	}
	return list, nil
}
