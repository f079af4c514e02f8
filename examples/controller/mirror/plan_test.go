package mirror

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Whatever is in the namespaces, a plan touches copies of the source only, puts
// exactly one thing in order for each namespace that matches and is not going away,
// and carrying it out leaves nothing to do.
func TestPlan(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		w := randomWorld(random)
		p := w.plan()
		for _, c := range slices.Concat(p.update, p.remove) {
			if !w.isCopy(c) {
				t.Fatalf("the plan touches %s/%s, which is no copy of the source\n%v", c.Namespace, c.Name, w)
			}
		}
		w.carryOut(p)
		for _, namespace := range p.create {
			if w.isGoing(namespace) {
				t.Fatalf("the plan makes a copy in %s, which is being deleted\n%v", namespace, w)
			}
		}
		// What was removed because it could not be updated is made in the turn after.
		w.carryOut(w.plan())
		if p := w.plan(); len(p.create)+len(p.update)+len(p.remove) > 0 {
			t.Fatalf("there is still something to do: %+v\n%v", p, w)
		}
		w.check(t)
	}
}

// A world is a source, namespaces, and what is in them under the source's name.
type world struct {
	source     *corev1.ConfigMap
	namespaces []*metav1.PartialObjectMetadata
	matches    map[string]bool
	found      map[string]*corev1.ConfigMap
}

func randomWorld(random *rand.Rand) *world {
	w := &world{
		source:  &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns-0", Name: "s"}, Data: map[string]string{"k": "v"}},
		matches: map[string]bool{},
		found:   map[string]*corev1.ConfigMap{},
	}
	now := metav1.Now()
	for i := range random.IntN(6) {
		ns := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ns-%d", i)}}
		if random.IntN(4) == 0 {
			ns.DeletionTimestamp = &now
		}
		w.namespaces = append(w.namespaces, ns)
		w.matches[ns.Name] = random.IntN(2) == 0
		if ns.Name == w.source.Namespace {
			continue
		}
		c := newCopy(w.source, ns.Name)
		switch random.IntN(7) {
		case 0: // as it should be
		case 1:
			c.Data = map[string]string{"k": "drifted"}
		case 2:
			delete(c.Annotations, AnnotationOf)
		case 3:
			c.Annotations[AnnotationOf] = "elsewhere/s"
		case 4:
			c.Immutable = new(true)
		case 5:
			delete(c.Labels, LabelManagedBy)
		default:
			continue
		}
		w.found[ns.Name] = c
	}
	return w
}

func (w *world) isCopy(c *corev1.ConfigMap) bool {
	of, ok := sourceOf(c)
	return ok && of == requestFor(w.source).NamespacedName
}

func (w *world) isGoing(namespace string) bool {
	return slices.ContainsFunc(w.namespaces, func(ns *metav1.PartialObjectMetadata) bool {
		return ns.Name == namespace && ns.DeletionTimestamp != nil
	})
}

func (w *world) plan() plan {
	matching := func(yield func(*metav1.PartialObjectMetadata) bool) {
		for _, ns := range w.namespaces {
			if w.matches[ns.Name] && !yield(ns) {
				return
			}
		}
	}
	copies := func(yield func(*corev1.ConfigMap) bool) {
		for _, c := range w.found {
			if w.isCopy(c) && !yield(c) {
				return
			}
		}
	}
	return makePlan(w.source, matching, copies, func(ns string) (*corev1.ConfigMap, bool) {
		c, ok := w.found[ns]
		return c, ok
	})
}

func (w *world) carryOut(p plan) {
	for _, ns := range p.create {
		w.found[ns] = newCopy(w.source, ns)
	}
	for _, c := range p.update {
		equalise(c, w.source)
	}
	for _, c := range p.remove {
		delete(w.found, c.Namespace)
	}
}

// check compares the world with what the package promises.
func (w *world) check(t *testing.T) {
	t.Helper()
	for _, ns := range w.namespaces {
		c := w.found[ns.Name]
		mine := c != nil && w.isCopy(c)
		switch {
		case ns.Name == w.source.Namespace || ns.DeletionTimestamp != nil && w.matches[ns.Name]:
		case !w.matches[ns.Name] && mine:
			t.Fatalf("%s does not match, but has a copy\n%v", ns.Name, w)
		case w.matches[ns.Name] && c == nil:
			t.Fatalf("%s matches, but has no copy\n%v", ns.Name, w)
		case w.matches[ns.Name] && mine && (!equal(c, w.source) || frozen(c)):
			t.Fatalf("the copy in %s is not what it should be: %v\n%v", ns.Name, c, w)
		}
	}
}
