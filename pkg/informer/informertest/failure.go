package informertest

import (
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/larder-dev/larder/pkg/informer"
)

// maxShown is how many objects a failure shows in full. The rest are named.
const maxShown = 10

// failure reports that the wait ended because of cause.
func (w *wait[T]) failure(cause error) error {
	var b strings.Builder
	subject := strings.TrimSpace(w.informer.Name() + " " + w.subject)
	fmt.Fprintf(&b, "%s: %q did not come true: %v\n", subject, w.condition, cause)
	if err := w.informer.Err(); err != nil && !errors.Is(cause, err) {
		fmt.Fprintf(&b, "the informer is not up to date: %v\n", err)
	}
	if w.changes == 0 {
		b.WriteString("no change was seen\n")
	} else {
		fmt.Fprintf(&b, "changes seen: %d, the latest: %s\n", w.changes, w.latest)
	}
	if len(w.seen) == 0 {
		b.WriteString("last state seen: nothing is there\n")
	} else {
		b.WriteString("last state seen:\n")
		w.describe(&b)
	}
	return errors.New(strings.TrimSuffix(b.String(), "\n"))
}

// describe writes the objects as a YAML stream, each under its key.
func (w *wait[T]) describe(b *strings.Builder) {
	for n, obj := range inOrder(w.seen) {
		key := informer.Key(obj.GetNamespace(), obj.GetName())
		if n >= maxShown {
			fmt.Fprintf(b, "--- # %s\n# not shown\n", key)
			continue
		}
		fmt.Fprintf(b, "--- # %s\n%s", key, toYAML(obj))
	}
}

// toYAML returns an object without its managedFields, which are longer than all
// the rest and say nothing about its state.
func toYAML(obj informer.Object) string {
	shown := obj.DeepCopyObject()
	shown.(metav1.Object).SetManagedFields(nil)
	text, err := yaml.Marshal(shown)
	if err != nil {
		return fmt.Sprintf("# %v\n", err)
	}
	return string(text)
}
