package ctrlruntime

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/larder-dev/larder/internal/core"
)

// settings are a cache's options, and what they mean for a kind.
type settings struct {
	cache.Options
	config  *rest.Config
	storage core.Storage // of the kinds that are packed
	own     Options
	byKind  map[schema.GroupVersionKind]cache.ByObject
}

// newSettings fills in what options leave open, and checks them. What is in a kind
// that the server does not know yet is checked when it does.
func newSettings(config *rest.Config, opts cache.Options) (*settings, error) {
	s := &settings{Options: opts, config: rest.CopyConfig(config), byKind: map[schema.GroupVersionKind]cache.ByObject{}}
	if s.config.UserAgent == "" {
		s.config.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	if s.Scheme == nil {
		s.Scheme = scheme.Scheme
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	s.DefaultNamespaces = maps.Clone(opts.DefaultNamespaces)
	for obj, byObject := range opts.ByObject {
		gvk, err := apiutil.GVKForObject(obj, s.Scheme)
		if err != nil {
			return nil, fmt.Errorf("ByObject for %T: %w", obj, err)
		}
		byObject.Namespaces = maps.Clone(byObject.Namespaces)
		s.byKind[gvk] = byObject
		if _, _, err := s.resolve(gvk); err != nil && !meta.IsNoMatchError(err) {
			return nil, fmt.Errorf("ByObject for %T: %w", obj, err)
		}
	}
	return s, nil
}

// connect makes what is missing to talk to the server.
func (s *settings) connect() (err error) {
	if s.HTTPClient == nil {
		if s.HTTPClient, err = rest.HTTPClientFor(s.config); err != nil {
			return fmt.Errorf("HTTP client of the config: %w", err)
		}
	}
	if s.Mapper == nil {
		if s.Mapper, err = apiutil.NewDynamicRESTMapper(s.config, s.HTTPClient); err != nil {
			return fmt.Errorf("RESTMapper of the config: %w", err)
		}
	}
	return nil
}

var errClusterScoped = errors.New("the kind is not namespaced, but its Namespaces are set: leave them nil")

// resolve returns what a kind's resource is, and with what settings each namespace of
// it is cached. The namespace "" is all those that are not named.
//
// A setting that is nil is taken from the next in the order: the namespace's own
// config, the kind's ByObject, DefaultNamespaces for that namespace, and the defaults
// of the cache.
func (s *settings) resolve(gvk schema.GroupVersionKind) (*meta.RESTMapping, map[string]cache.Config, error) {
	mapping, err := s.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, nil, err
	}
	namespaced := isNamespaced(mapping)
	byObject, own := s.byKind[gvk]
	if own && !namespaced && byObject.Namespaces != nil {
		return nil, nil, fmt.Errorf("%s: %w", gvk.Kind, errClusterScoped)
	}
	namespaces := byObject.Namespaces
	if namespaces == nil && namespaced {
		namespaces = s.DefaultNamespaces
	}
	base := kindConfig(byObject)
	if len(namespaces) == 0 {
		return mapping, map[string]cache.Config{cache.AllNamespaces: or(base, s.defaults())}, nil
	}
	configs := make(map[string]cache.Config, len(namespaces))
	for namespace, config := range namespaces {
		config = or(config, base, s.DefaultNamespaces[namespace], s.defaults())
		if namespace == cache.AllNamespaces {
			config.FieldSelector = others(namespaces, config.FieldSelector)
		}
		configs[namespace] = config
	}
	return mapping, configs, nil
}

// isNamespaced tells whether a resource is in namespaces.
func isNamespaced(mapping *meta.RESTMapping) bool {
	return mapping.Scope.Name() == meta.RESTScopeNameNamespace
}

// others narrows a selector to the namespaces that are not named.
func others(namespaces map[string]cache.Config, selector fields.Selector) fields.Selector {
	var terms []fields.Selector
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		if namespace != cache.AllNamespaces {
			terms = append(terms, fields.OneTermNotEqualSelector(metadataNamespace, namespace))
		}
	}
	if selector != nil {
		terms = append(terms, selector)
	}
	return fields.AndSelectors(terms...)
}

// defaults returns the settings of what has none of its own.
func (s *settings) defaults() cache.Config {
	return cache.Config{
		LabelSelector:         s.DefaultLabelSelector,
		FieldSelector:         s.DefaultFieldSelector,
		Transform:             s.DefaultTransform,
		UnsafeDisableDeepCopy: s.DefaultUnsafeDisableDeepCopy,
		EnableWatchBookmarks:  s.DefaultEnableWatchBookmarks,
		SyncPeriod:            s.SyncPeriod,
	}
}

// kindConfig returns the settings that a ByObject has for every namespace.
func kindConfig(o cache.ByObject) cache.Config {
	return cache.Config{
		LabelSelector:         o.Label,
		FieldSelector:         o.Field,
		Transform:             o.Transform,
		UnsafeDisableDeepCopy: o.UnsafeDisableDeepCopy,
		EnableWatchBookmarks:  o.EnableWatchBookmarks,
		SyncPeriod:            o.SyncPeriod,
	}
}

// or returns the first config with what it leaves open taken from those that follow.
func or(config cache.Config, next ...cache.Config) cache.Config {
	for _, n := range next {
		if config.LabelSelector == nil {
			config.LabelSelector = n.LabelSelector
		}
		if config.FieldSelector == nil {
			config.FieldSelector = n.FieldSelector
		}
		if config.Transform == nil {
			config.Transform = n.Transform
		}
		if config.UnsafeDisableDeepCopy == nil {
			config.UnsafeDisableDeepCopy = n.UnsafeDisableDeepCopy
		}
		if config.EnableWatchBookmarks == nil {
			config.EnableWatchBookmarks = n.EnableWatchBookmarks
		}
		if config.SyncPeriod == nil {
			config.SyncPeriod = n.SyncPeriod
		}
	}
	return config
}

// newClient returns an HTTP client's configuration that negotiates by itself.
func (s *settings) plainConfig() (*rest.Config, *http.Client) {
	config := rest.CopyConfig(s.config)
	config.NegotiatedSerializer = nil
	return config, s.HTTPClient
}

// kindOf returns the kind of an object, or of what a list holds.
func (s *settings) kindOf(obj runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(obj, s.Scheme)
}
