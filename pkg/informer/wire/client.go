package wire

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/flowcontrol"
)

// A Client lists and watches the objects of one Kind. It is safe for concurrent use.
type Client struct {
	kind        *Kind
	rest        rest.Interface
	acceptList  string
	acceptWatch string
}

// NewClient returns a client of an API server. The configuration's serializer and APIPath are not used, and of its content
// types only whether they leave out protobuf: then JSON is asked for. All else works as with the clients of client-go. httpClient may be nil: it is then made from the configuration.
// No request is made.
func NewClient(config *rest.Config, httpClient *http.Client, kind *Kind) (*Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = cmp.Or(config.UserAgent, rest.DefaultKubernetesUserAgent())
	gv := kind.gvk.GroupVersion()
	config.GroupVersion = &gv
	config.APIPath = "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	if httpClient == nil {
		var err error
		if httpClient, err = rest.HTTPClientFor(config); err != nil {
			return nil, fmt.Errorf("rest.Config: %w", err)
		}
	}
	base, path, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("rest.Config: %w", err)
	}
	content := rest.ClientContentConfig{GroupVersion: gv, Negotiator: newNegotiator(kind)}
	client, err := rest.NewRESTClient(base, path, content, rateLimiter(config), httpClient)
	if err != nil {
		return nil, fmt.Errorf("rest.Config: %w", err)
	}
	c := &Client{kind: kind, rest: warner{client, config}}
	protobuf := kind.root != nil && takesProtobuf(config)
	c.acceptList, c.acceptWatch = kind.accept("List", protobuf), kind.accept("", protobuf)
	return c, nil
}

// takesProtobuf tells whether a configuration's content types let protobuf in.
func takesProtobuf(config *rest.Config) bool {
	types := cmp.Or(config.AcceptContentTypes, config.ContentType)
	return types == "" || strings.Contains(types, runtime.ContentTypeProtobuf)
}

// rateLimiter returns the limiter that a configuration asks for, or nil.
func rateLimiter(config *rest.Config) flowcontrol.RateLimiter {
	qps := cmp.Or(config.QPS, rest.DefaultQPS)
	if config.RateLimiter != nil || qps < 0 {
		return config.RateLimiter
	}
	return flowcontrol.NewTokenBucketRateLimiter(qps, cmp.Or(config.Burst, rest.DefaultBurst))
}

// warner gives a configuration's handler of warnings to requests, as rest.NewRESTClient cannot be given it.
type warner struct {
	rest.Interface
	config *rest.Config
}

// Get begins a GET request.
func (w warner) Get() *rest.Request {
	r := w.Interface.Get()
	switch {
	case w.config.WarningHandlerWithContext != nil:
		r.WarningHandlerWithContext(w.config.WarningHandlerWithContext)
	case w.config.WarningHandler != nil:
		r.WarningHandler(w.config.WarningHandler)
	}
	return r
}

// accept returns the value of the Accept header. suffix is that of the kind of what is asked for.
func (k *Kind) accept(suffix string, protobuf bool) string {
	as := ""
	if k.partial {
		as = ";as=" + k.sent.kind + suffix + ";g=" + metav1.GroupName + ";v=v1"
	}
	if k.drops {
		as += ";drop=metadata.managedFields" // a server that does not know it sends them all the same
	}
	if !protobuf {
		return runtime.ContentTypeJSON + as
	}
	return runtime.ContentTypeProtobuf + as + "," + runtime.ContentTypeJSON + as
}

// List lists the objects of a resource, such as "pods", or a page of them. An empty namespace means all, or none.
//
// Errors are those of client-go's clients, a [*MalformedError], a [*TransformError], or what broke the connection,
// which is io.ErrUnexpectedEOF if the list is cut off.
func (c *Client) List(ctx context.Context, resource, namespace string, opts metav1.ListOptions) (*List, error) {
	body, err := c.request(resource, namespace, opts, c.acceptList).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return c.kind.readList(body)
}

// Watch watches the objects of a resource. The objects of the events are [*Object], and *metav1.Status in ERROR events.
// Errors are those of client-go's clients.
func (c *Client) Watch(ctx context.Context, resource, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	opts.Watch = true
	return c.request(resource, namespace, opts, c.acceptWatch).Watch(ctx)
}

func (c *Client) request(resource, namespace string, opts metav1.ListOptions, accept string) *rest.Request {
	return c.rest.Get().
		NamespaceIfScoped(namespace, namespace != "").
		Resource(resource).
		VersionedParams(&opts, metav1.ParameterCodec).
		SetHeader("Accept", accept)
}

// Scope says which objects of a resource are meant. The zero value is all of them.
type Scope struct {
	// Namespace is the namespace, or empty for all.
	Namespace string
	// LabelSelector and FieldSelector select by labels and fields.
	LabelSelector, FieldSelector string
}

// ListerWatcher returns what lists and watches a resource for a Reflector or an informer of client-go, which are to be
// given an *Object as the example of what is expected. Streamed lists work.
func (c *Client) ListerWatcher(resource string, scope Scope) cache.ListerWatcher {
	selecting := func(opts *metav1.ListOptions) {
		opts.LabelSelector, opts.FieldSelector = scope.LabelSelector, scope.FieldSelector
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			selecting(&opts)
			list, err := c.List(ctx, resource, scope.Namespace, opts)
			if err != nil {
				return nil, err // and no list that is nil
			}
			return list, nil
		},
		WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			selecting(&opts)
			return c.Watch(ctx, resource, scope.Namespace, opts)
		},
	}
}
