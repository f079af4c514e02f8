package greeting

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/listers"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const resource = "greetings"

// Client is a typed client of Greetings, as client-gen makes them.
type Client struct {
	rest  rest.Interface
	codec runtime.ParameterCodec
}

// NewClient returns a client of the API server of a configuration.
func NewClient(config *rest.Config) (*Client, error) {
	scheme := runtime.NewScheme()
	AddToScheme(scheme)
	c := rest.CopyConfig(config)
	c.GroupVersion = &GroupVersion
	c.APIPath = "/apis"
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, err
	}
	return &Client{rest: client, codec: runtime.NewParameterCodec(scheme)}, nil
}

// Greetings returns the client of a namespace; an empty one is all.
func (c *Client) Greetings(namespace string) *gentype.ClientWithList[*Greeting, *List] {
	return gentype.NewClientWithList(resource, c.rest, c.codec, namespace,
		func() *Greeting { return &Greeting{} }, func() *List { return &List{} })
}

// Lister reads Greetings from an informer, as lister-gen makes them.
type Lister struct {
	all listers.ResourceIndexer[*Greeting]
}

// NewLister returns a lister over an indexer.
func NewLister(indexer cache.Indexer) Lister {
	return Lister{listers.New[*Greeting](indexer, GroupVersion.WithResource(resource).GroupResource())}
}

// Greetings returns the lister of a namespace.
func (l Lister) Greetings(namespace string) listers.ResourceIndexer[*Greeting] {
	return listers.NewNamespaced(l.all, namespace)
}
