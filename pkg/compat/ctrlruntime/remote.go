package ctrlruntime

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

const metadataNamespace = "metadata.namespace"

// remote is a share of a kind as the server has it: it lists and watches for the
// share's informer, in the widest form that anybody has asked for so far.
//
// When that becomes wider, the watch is ended and everything listed again. A list and
// the watches after it are always of one form.
type remote struct {
	settings  *settings
	config    cache.Config
	mapping   *meta.RESTMapping
	namespace string // "" for all
	status    *status
	retry     chan struct{} // holds one

	wanted atomic.Int32 // the form

	mu      sync.Mutex
	listed  form // of the latest list
	current watch.Interface
}

var _ clientgo.Follower = (*remote)(nil)

func newRemote(s *settings, mapping *meta.RESTMapping, namespace string, config cache.Config, wanted form) *remote {
	if !isNamespaced(mapping) {
		namespace = ""
	} else if namespace == "" && config.FieldSelector != nil {
		// It saves the permission for the others.
		namespace, _ = config.FieldSelector.RequiresExactMatch(metadataNamespace)
	}
	r := &remote{settings: s, config: config, mapping: mapping, namespace: namespace, status: &status{}, retry: make(chan struct{}, 1)}
	r.wanted.Store(int32(wanted))
	return r
}

// widen has everything listed again if it is not in a form that is as wide.
func (r *remote) widen(to form) {
	for {
		wanted := r.wanted.Load()
		if form(wanted) >= to {
			return
		}
		if r.wanted.CompareAndSwap(wanted, int32(to)) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && r.listed < to {
		r.current.Stop()
	}
	r.again()
}

// again ends the wait for the next attempt, if there is one.
func (r *remote) again() {
	select {
	case r.retry <- struct{}{}:
	default:
	}
}

// Retry implements [clientgo.Follower].
func (r *remote) Retry() <-chan struct{} { return r.retry }

// Stored implements [clientgo.Follower].
func (r *remote) Stored(resourceVersion string, list bool) {
	var f form
	if list {
		r.mu.Lock()
		f = r.listed
		r.mu.Unlock()
	}
	r.status.stored(resourceVersion, f)
}

// List is ListWithContext without a context.
func (r *remote) List(opts metav1.ListOptions) (runtime.Object, error) {
	return r.ListWithContext(context.Background(), opts)
}

// Watch is WatchWithContext without a context.
func (r *remote) Watch(opts metav1.ListOptions) (watch.Interface, error) {
	return r.WatchWithContext(context.Background(), opts)
}

// ListWithContext lists in the form that is wanted.
func (r *remote) ListWithContext(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	r.mu.Lock()
	r.listed = form(r.wanted.Load())
	source, err := r.source(r.listed)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r.restrict(&opts)
	if opts.ResourceVersion == "0" {
		opts.ResourceVersion = "" // what the server's cache has may be older than what a client has just written
	}
	return source.list(ctx, opts)
}

// WatchWithContext watches in the form of the latest list. If that is no longer wide
// enough it returns [clientgo.ErrRelist].
func (r *remote) WatchWithContext(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	r.restrict(&opts)
	opts.Watch = true
	isList := ptr.Deref(opts.SendInitialEvents, false)
	// The end of a streamed list is a bookmark.
	opts.AllowWatchBookmarks = isList || ptr.Deref(r.config.EnableWatchBookmarks, true)

	r.mu.Lock()
	wanted := form(r.wanted.Load())
	if isList {
		r.listed = wanted
	}
	listed := r.listed
	source, err := r.source(listed)
	r.current = nil
	r.mu.Unlock()
	switch {
	case listed < wanted:
		return nil, clientgo.ErrRelist
	case err != nil:
		return nil, err
	}
	w, err := source.watch(ctx, opts)
	if err != nil {
		return nil, err
	}
	if !isList {
		r.status.failed(nil)
	}
	return r.hold(w), nil
}

// hold keeps a watch so that widen can end it, and ends it if that has come between.
func (r *remote) hold(w watch.Interface) watch.Interface {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = w
	if r.listed < form(r.wanted.Load()) {
		w.Stop()
	}
	return w
}

// restrict applies the selectors.
func (r *remote) restrict(opts *metav1.ListOptions) {
	if r.config.LabelSelector != nil {
		opts.LabelSelector = r.config.LabelSelector.String()
	}
	if r.config.FieldSelector != nil {
		opts.FieldSelector = r.config.FieldSelector.String()
	}
}

// source is a resource in one form.
type source struct {
	list  func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error)
	watch func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

func (r *remote) source(f form) (source, error) {
	switch f {
	case untyped:
		return r.untypedSource()
	case metadataOnly:
		return r.metadataSource()
	default:
		return r.typedSource()
	}
}

func (r *remote) untypedSource() (source, error) {
	client, err := dynamic.NewForConfigAndClient(r.settings.plainConfig())
	if err != nil {
		return source{}, err
	}
	var resource dynamic.ResourceInterface = client.Resource(r.mapping.Resource)
	if r.namespace != "" {
		resource = client.Resource(r.mapping.Resource).Namespace(r.namespace)
	}
	return source{
		list: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, opts)
		},
		watch: resource.Watch,
	}, nil
}

func (r *remote) metadataSource() (source, error) {
	resource, err := r.metadataIn(r.namespace)
	if err != nil {
		return source{}, err
	}
	return source{
		list: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, opts)
		},
		watch: resource.Watch,
	}, nil
}

func (r *remote) metadataIn(namespace string) (metadata.ResourceInterface, error) {
	client, err := metadata.NewForConfigAndClient(r.settings.plainConfig())
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		return client.Resource(r.mapping.Resource), nil
	}
	return client.Resource(r.mapping.Resource).Namespace(namespace), nil
}

// metadataOf lists what of the share the server has in a scope now.
func (r *remote) metadataOf(ctx context.Context, s scope) (*metav1.PartialObjectMetadataList, error) {
	resource, err := r.metadataIn(cmp.Or(r.namespace, s.Namespace))
	if err != nil {
		return nil, err
	}
	var opts metav1.ListOptions
	r.restrict(&opts)
	opts.LabelSelector = and(opts.LabelSelector, s.labels)
	if s.Name != "" {
		opts.FieldSelector = and(opts.FieldSelector, fields.OneTermEqualSelector(metadataName, s.Name).String())
	}
	return resource.List(ctx, opts)
}

// and joins two selectors.
func and(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + "," + other
}

func (r *remote) typedSource() (source, error) {
	gvk := r.mapping.GroupVersionKind
	codecs := serializer.NewCodecFactory(r.settings.Scheme)
	client, err := apiutil.RESTClientForGVK(gvk, false, false, r.settings.config, codecs, r.settings.HTTPClient)
	if err != nil {
		return source{}, err
	}
	listKind := gvk.GroupVersion().WithKind(gvk.Kind + "List")
	params := runtime.NewParameterCodec(r.settings.Scheme)
	return source{
		list: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			list, err := r.settings.Scheme.New(listKind)
			if err != nil {
				return nil, err
			}
			req := client.Get().NamespaceIfScoped(r.namespace, r.namespace != "").Resource(r.mapping.Resource.Resource)
			return list, req.VersionedParams(&opts, params).Do(ctx).Into(list)
		},
		watch: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			req := client.Get().NamespaceIfScoped(r.namespace, r.namespace != "").Resource(r.mapping.Resource.Resource)
			return req.VersionedParams(&opts, params).Watch(ctx)
		},
	}, nil
}
