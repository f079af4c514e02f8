package mirror

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/larder-dev/larder/pkg/informer"
)

// What the controller reads from and writes to ConfigMaps.
const (
	// AnnotationTo makes a ConfigMap a source; its value is a label selector for
	// the namespaces to mirror it to.
	AnnotationTo = "larder.dev/mirror-to"
	// AnnotationStatus tells, on a source, how far the mirroring is, in words.
	AnnotationStatus = "larder.dev/mirror-status"
	// AnnotationOf makes a ConfigMap a copy; its value is the key of the source,
	// "namespace/name".
	AnnotationOf = "larder.dev/mirror-of"
	// Finalizer holds a source back until its copies are removed.
	Finalizer = "larder.dev/mirror"
	// LabelManagedBy has, on copies, the value [Name], so that they can be listed.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// Name is the controller's name in the log, metrics, Events and labels.
	Name = "larder-mirror"
)

// sourceOf returns the key of the source that a ConfigMap is a copy of. A copy has
// its source's name and is in another namespace; what only says that it is a copy
// is none.
func sourceOf(cm *corev1.ConfigMap) (types.NamespacedName, bool) {
	namespace, name, ok := strings.Cut(cm.Annotations[AnnotationOf], "/")
	if !ok || namespace == "" || namespace == cm.Namespace || name != cm.Name {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, true
}

// isSource tells whether a ConfigMap is to be mirrored. A copy is not, whatever its
// annotations: mirrors of mirrors would have no end.
func isSource(cm *corev1.ConfigMap) bool {
	if _, isCopy := sourceOf(cm); isCopy {
		return false
	}
	_, wanted := cm.Annotations[AnnotationTo]
	return wanted && cm.DeletionTimestamp == nil
}

// wasSource tells whether there is something to take back before a ConfigMap that
// is not a source can be left alone.
func wasSource(cm *corev1.ConfigMap) bool {
	_, reported := cm.Annotations[AnnotationStatus]
	return reported || slices.Contains(cm.Finalizers, Finalizer)
}

// newCopy returns the copy of a source for a namespace.
func newCopy(source *corev1.ConfigMap, namespace string) *corev1.ConfigMap {
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: source.Name}}
	equalise(c, source)
	return c
}

// equalise makes a copy what it should be. Labels and annotations that others put
// on it stay.
func equalise(c, source *corev1.ConfigMap) {
	c.Data, c.BinaryData = source.Data, source.BinaryData
	if c.Labels == nil {
		c.Labels = make(map[string]string)
	}
	c.Labels[LabelManagedBy] = Name
	if c.Annotations == nil {
		c.Annotations = make(map[string]string)
	}
	c.Annotations[AnnotationOf] = informer.Key(source.Namespace, source.Name)
}

// equal tells whether a copy is what equalise would make of it. That it is a copy
// of the source is known.
func equal(c, source *corev1.ConfigMap) bool {
	return c.Labels[LabelManagedBy] == Name &&
		maps.Equal(c.Data, source.Data) &&
		maps.EqualFunc(c.BinaryData, source.BinaryData, bytes.Equal)
}

// frozen tells that a copy cannot be updated, because somebody made it immutable.
func frozen(c *corev1.ConfigMap) bool { return c.Immutable != nil && *c.Immutable }

// strip drops what the controller never reads: who wrote which field, and the data
// of ConfigMaps that are neither source nor copy. Running it twice does no more
// than running it once. What is left must not be written back as a whole unless
// it is a copy.
func strip(cm *corev1.ConfigMap) (*corev1.ConfigMap, error) {
	cm.ManagedFields = nil
	if _, isCopy := sourceOf(cm); !isCopy && !isSource(cm) {
		cm.Data, cm.BinaryData = nil, nil
	}
	return cm, nil
}
