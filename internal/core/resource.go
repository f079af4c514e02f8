package core

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/pkg/informer/wire"
)

// resource is what the API server calls a kind: the path below which its objects
// are, and whether they are in namespaces.
type resource struct {
	schema.GroupVersionResource
	namespaced bool
	gvk        schema.GroupVersionKind
}

// finder finds the resource of a kind. A kind that the server does not have is
// an error that meta.IsNoMatchError recognises.
type finder interface {
	find(ctx context.Context, gvk schema.GroupVersionKind) (resource, error)
}

// lazyResource finds a resource when it is first needed, and again after it was
// gone. A CustomResourceDefinition may appear after the informer has started, and
// come back with another scope or plural.
type lazyResource struct {
	finder finder
	gvk    schema.GroupVersionKind

	mu    sync.Mutex
	found *resource
}

// get returns the resource.
func (l *lazyResource) get(ctx context.Context) (resource, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == nil {
		r, err := l.finder.find(ctx, l.gvk)
		if err != nil {
			return resource{}, err
		}
		l.found = &r
	}
	return *l.found, nil
}

// check looks at the error of a request to the resource, to forget a resource
// that has gone, or that has come back as another kind, and returns it.
func (l *lazyResource) check(err error) error {
	_, malformed := errors.AsType[*wire.MalformedError](err)
	if malformed || apierrors.IsNotFound(err) {
		l.mu.Lock()
		l.found = nil
		l.mu.Unlock()
	}
	return err
}

// discoverer asks the API server for the resources of the kind's own group and
// version, which is one small request.
type discoverer struct {
	client *discovery.DiscoveryClient
}

func newDiscoverer(cfg *rest.Config, client *http.Client) (discoverer, error) {
	c, err := discovery.NewDiscoveryClientForConfigAndClient(cfg, client)
	return discoverer{c}, err
}

func (d discoverer) find(ctx context.Context, gvk schema.GroupVersionKind) (resource, error) {
	found, err := d.first(ctx, gvk.GroupVersion(), func(r metav1.APIResource) bool {
		// A subresource, "deployments/scale", may be of the kind of another resource.
		return r.Kind == gvk.Kind && !strings.Contains(r.Name, "/")
	})
	switch {
	case err != nil:
		return resource{}, fmt.Errorf("look up kind %v: %w", gvk, err)
	case found == nil:
		return resource{}, &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: []string{gvk.Version}}
	}
	return *found, nil
}

// first returns the first resource of a group and version that is the one, or nil.
func (d discoverer) first(ctx context.Context, gv schema.GroupVersion, isIt func(metav1.APIResource) bool) (*resource, error) {
	list, err := d.client.ServerResourcesForGroupVersionWithContext(ctx, gv.String())
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, r := range list.APIResources {
		if isIt(r) {
			return &resource{gv.WithResource(r.Name), r.Namespaced, gv.WithKind(r.Kind)}, nil
		}
	}
	return nil, nil
}

// named finds a resource of which the name is known.
type named struct {
	discoverer
	gvr schema.GroupVersionResource
}

func (n named) find(ctx context.Context, _ schema.GroupVersionKind) (resource, error) {
	found, err := n.first(ctx, n.gvr.GroupVersion(), func(r metav1.APIResource) bool { return r.Name == n.gvr.Resource })
	switch {
	case err != nil:
		return resource{}, fmt.Errorf("look up resource %v: %w", n.gvr, err)
	case found == nil:
		return resource{}, &meta.NoResourceMatchError{PartialResource: n.gvr}
	}
	return *found, nil
}

// mapped finds resources with a RESTMapper.
type mapped struct {
	mapper meta.RESTMapper
}

func (m mapped) find(_ context.Context, gvk schema.GroupVersionKind) (resource, error) {
	mapping, err := m.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		if meta.IsNoMatchError(err) {
			meta.MaybeResetRESTMapper(m.mapper)
		}
		return resource{}, fmt.Errorf("look up kind %v: %w", gvk, err)
	}
	return resource{mapping.Resource, mapping.Scope.Name() == meta.RESTScopeNameNamespace, mapping.GroupVersionKind}, nil
}
