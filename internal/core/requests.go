package core

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/pkg/informer/wire"
)

// Remote says what an informer is to have of an API server.
type Remote struct {
	// Config says where the server is. HTTPClient may be nil: it is then made of Config.
	Config     *rest.Config
	HTTPClient *http.Client
	// Mapper finds the resource of the kind. If it is nil the server is asked.
	Mapper meta.RESTMapper
	// Resource, if it is set, is the resource. It is then the kind that the server is asked
	// for, so that no objects can be had as Go types of a scheme.
	Resource schema.GroupVersionResource
	// Namespace is empty for all, or none. A resource that is not in namespaces is refused
	// with one, unless AnyScope has all of it listed.
	Namespace                    string
	AnyScope                     bool
	LabelSelector, FieldSelector string
	// Tweak, if it is set, changes the options of every request.
	Tweak func(*metav1.ListOptions)
	// NoBookmarks has the server send none, but for the end of a streamed list.
	NoBookmarks bool
	// Fresh has lists not be older than the call.
	Fresh bool
	// DropManagedFields keeps managedFields out of packed objects.
	DropManagedFields bool
}

// requests makes the requests for one kind, in one of the forms that objects can be had in.
// An empty namespace means all, or none.
type requests interface {
	list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error)
	watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error)
}

// Complete fills in what is not set. Informers can share what it has made.
func (r *Remote) Complete() (err error) {
	if r.Config == nil {
		return fmt.Errorf("%w: the rest.Config is nil", ErrInvalidOption)
	}
	r.Config = rest.CopyConfig(r.Config)
	if r.Config.UserAgent == "" {
		r.Config.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	if r.HTTPClient == nil {
		if r.HTTPClient, err = rest.HTTPClientFor(r.Config); err != nil {
			return fmt.Errorf("%w: rest.Config: %w", ErrInvalidOption, err)
		}
	}
	return nil
}

// finder returns what finds the resource.
func (r *Remote) finder() (finder, error) {
	if r.Mapper != nil && r.Resource.Empty() {
		return mapped{r.Mapper}, nil
	}
	d, err := newDiscoverer(r.Config, r.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("%w: rest.Config: %w", ErrInvalidOption, err)
	}
	if r.Resource.Empty() {
		return d, nil
	}
	return named{d, r.Resource}, nil
}

// decoding returns what requests objects decoded, in a form.
func (r *Remote) decoding(kind Kind, f Form) (requests, error) {
	var made requests
	var err error
	switch f {
	case Unstructured:
		var c *dynamic.DynamicClient
		c, err = dynamic.NewForConfigAndClient(r.plainConfig(), r.HTTPClient)
		made = dynamicRequests{c}
	case Metadata:
		var c metadata.Interface
		c, err = metadata.NewForConfigAndClient(r.plainConfig(), r.HTTPClient)
		made = metadataRequests{c}
	default:
		made, err = r.typed(kind)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: rest.Config: %w", ErrInvalidOption, err)
	}
	return made, nil
}

// plainConfig returns a configuration for clients that negotiate by themselves.
func (r *Remote) plainConfig() *rest.Config {
	config := rest.CopyConfig(r.Config)
	config.NegotiatedSerializer = nil
	return config
}

// packing returns what requests objects packed.
func (r *Remote) packing(kind *wire.Kind) (requests, error) {
	c, err := wire.NewClient(r.Config, r.HTTPClient, kind)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidOption, err)
	}
	return wireRequests{c}, nil
}

// typed returns what requests objects as the Go types of the scheme. If the Go type can be
// read from protobuf, that is asked for first: it is smaller and quicker to decode. A server
// that has no protobuf for the kind, as for a custom resource, answers with JSON.
func (r *Remote) typed(kind Kind) (requests, error) {
	example, err := kind.New(Typed)
	if err != nil {
		return nil, err
	}
	gv := kind.GroupVersion()
	listKind := gv.WithKind(kind.Kind + "List")
	if !kind.Scheme.Recognizes(listKind) {
		return nil, fmt.Errorf("%w: Scheme does not know %v: add the list type beside %T", ErrInvalidOption, listKind, example)
	}
	config := rest.CopyConfig(r.Config)
	config.GroupVersion = &gv
	config.APIPath = "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = serializer.NewCodecFactory(kind.Scheme).WithoutConversion()
	_, protobuf := example.(interface{ Unmarshal(data []byte) error })
	if protobuf && config.ContentType == "" && config.AcceptContentTypes == "" {
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	}
	c, err := rest.RESTClientForConfigAndClient(config, r.HTTPClient)
	return typedRequests{c}, err
}

type typedRequests struct{ rest.Interface }

func (c typedRequests) list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	return c.request(r, namespace, opts).Do(ctx).Get()
}

func (c typedRequests) watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	return c.request(r, namespace, opts).Watch(ctx)
}

func (c typedRequests) request(r resource, namespace string, opts metav1.ListOptions) *rest.Request {
	return c.Get().
		NamespaceIfScoped(namespace, namespace != "").
		Resource(r.Resource).
		VersionedParams(&opts, metav1.ParameterCodec)
}

type wireRequests struct{ *wire.Client }

func (c wireRequests) list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	return orNone(c.List(ctx, r.Resource, namespace, opts))
}

func (c wireRequests) watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	return c.Watch(ctx, r.Resource, namespace, opts)
}

type dynamicRequests struct{ dynamic.Interface }

func (c dynamicRequests) list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	return orNone(c.Resource(r.GroupVersionResource).Namespace(namespace).List(ctx, opts))
}

func (c dynamicRequests) watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	return c.Resource(r.GroupVersionResource).Namespace(namespace).Watch(ctx, opts)
}

type metadataRequests struct{ metadata.Interface }

func (c metadataRequests) list(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	return orNone(c.Resource(r.GroupVersionResource).Namespace(namespace).List(ctx, opts))
}

func (c metadataRequests) watch(ctx context.Context, r resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	return c.Resource(r.GroupVersionResource).Namespace(namespace).Watch(ctx, opts)
}

// orNone returns a list as an interface that is nil if the list is.
func orNone[L runtime.Object](list L, err error) (runtime.Object, error) {
	if err != nil {
		return nil, err
	}
	return list, nil
}
