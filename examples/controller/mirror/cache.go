package mirror

import (
	"context"
	"fmt"
	"iter"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/larder-dev/larder/pkg/informer"
)

// The indexes. See the package's documentation for what each is for.
const (
	namespacesByTerm = "term"
	sourcesByTerm    = "source-term"
	sourcesByName    = "source-name"
	copiesBySource   = "copy-of"
)

// cache is what the controller knows of the cluster. Its objects are shared: they
// must not be changed.
type cache struct {
	configMaps *informer.Informer[*corev1.ConfigMap]
	namespaces *informer.Informer[*metav1.PartialObjectMetadata]
}

func newCache(cfg *rest.Config, logger logr.Logger) (*cache, error) {
	configMaps, err := informer.New(cfg, informer.Options[*corev1.ConfigMap]{
		Transform: strip,
		Indexes: map[string]informer.IndexFunc[*corev1.ConfigMap]{
			sourcesByTerm:  indexSourceTerms,
			sourcesByName:  indexSourceName,
			copiesBySource: indexCopy,
		},
		Logger: logger,
	})
	if err != nil {
		return nil, fmt.Errorf("informer of ConfigMaps: %w", err)
	}
	namespaces, err := informer.New(cfg, informer.Options[*metav1.PartialObjectMetadata]{
		GVK: corev1.SchemeGroupVersion.WithKind("Namespace"),
		Indexes: map[string]informer.IndexFunc[*metav1.PartialObjectMetadata]{
			namespacesByTerm: indexNamespaceTerms,
		},
		Logger: logger,
	})
	if err != nil {
		return nil, fmt.Errorf("informer of Namespaces: %w", err)
	}
	return &cache{configMaps: configMaps, namespaces: namespaces}, nil
}

func indexSourceTerms(cm *corev1.ConfigMap) []string {
	if !isSource(cm) {
		return nil
	}
	selector, err := parseSelector(cm.Annotations[AnnotationTo])
	if err != nil {
		return nil // no namespace can change that; the reconciler reports it
	}
	return selectorTerms(selector)
}

func indexSourceName(cm *corev1.ConfigMap) []string {
	if !isSource(cm) {
		return nil
	}
	return []string{cm.Name}
}

func indexCopy(cm *corev1.ConfigMap) []string {
	source, ok := sourceOf(cm)
	if !ok {
		return nil
	}
	return []string{informer.Key(source.Namespace, source.Name)}
}

func indexNamespaceTerms(ns *metav1.PartialObjectMetadata) []string {
	return labelTerms(ns.Labels)
}

// matching returns the namespaces that match a selector, each once.
func (c *cache) matching(selector labels.Selector) iter.Seq[*metav1.PartialObjectMetadata] {
	return func(yield func(*metav1.PartialObjectMetadata) bool) {
		for _, term := range selectorTerms(selector) {
			for ns := range lookUp(c.namespaces, namespacesByTerm, term) {
				if selector.Matches(labels.Set(ns.Labels)) && !yield(ns) {
					return
				}
			}
		}
	}
}

// copies returns the copies of a source, in whatever state.
func (c *cache) copies(source types.NamespacedName) iter.Seq[*corev1.ConfigMap] {
	return lookUp(c.configMaps, copiesBySource, informer.Key(source.Namespace, source.Name))
}

// lookUp asks an index that newCache has made.
func lookUp[T informer.Object](inf *informer.Informer[T], index, value string) iter.Seq[T] {
	found, err := inf.ByIndex(index, value)
	if err != nil {
		panic(err) // the index was not made, which no input can bring about
	}
	return func(yield func(T) bool) {
		for _, obj := range found {
			if !yield(obj) {
				return
			}
		}
	}
}

// concernedByConfigMap maps a ConfigMap to the sources whose mirroring its change
// may affect: itself, the source that it is a copy of, and those of its name, for
// which it may be in the way.
func (c *cache) concernedByConfigMap(_ context.Context, cm *corev1.ConfigMap) []reconcile.Request {
	var requests []reconcile.Request
	if isSource(cm) || wasSource(cm) {
		requests = append(requests, requestFor(cm))
	}
	if source, ok := sourceOf(cm); ok {
		requests = append(requests, reconcile.Request{NamespacedName: source})
	}
	for source := range lookUp(c.configMaps, sourcesByName, cm.Name) {
		requests = append(requests, requestFor(source))
	}
	return requests
}

// concernedByNamespace maps a namespace to the sources that want to be there.
func (c *cache) concernedByNamespace(_ context.Context, ns *metav1.PartialObjectMetadata) []reconcile.Request {
	var requests []reconcile.Request
	for _, term := range labelTerms(ns.Labels) {
		for source := range lookUp(c.configMaps, sourcesByTerm, term) {
			selector, err := parseSelector(source.Annotations[AnnotationTo])
			if err == nil && selector.Matches(labels.Set(ns.Labels)) {
				requests = append(requests, requestFor(source))
			}
		}
	}
	return requests
}

func requestFor(cm *corev1.ConfigMap) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: cm.Namespace, Name: cm.Name}}
}

// namespaceChanged leaves out the updates of namespaces that make no difference: all
// but those of labels and the beginning of the deletion.
func namespaceChanged() predicate.TypedPredicate[*metav1.PartialObjectMetadata] {
	return predicate.Or(
		predicate.TypedLabelChangedPredicate[*metav1.PartialObjectMetadata]{},
		predicate.TypedFuncs[*metav1.PartialObjectMetadata]{
			UpdateFunc: func(e event.TypedUpdateEvent[*metav1.PartialObjectMetadata]) bool {
				return e.ObjectOld.DeletionTimestamp.IsZero() != e.ObjectNew.DeletionTimestamp.IsZero()
			},
		},
	)
}
