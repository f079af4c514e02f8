package ctrlruntime_test

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/compat/ctrlruntime"
	"github.com/larder-dev/larder/pkg/informer"
)

// A reader of an informer reads what a cache would: copies that say what they are, by
// namespace, labels and page.
func TestNewReader(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"c", "a", "b"} {
		b.create(name, map[string]string{"on": "yes", "is": name}, "a", name)
	}
	b.create("off", nil)
	inf, err := informer.New(b.config, informer.Options[*corev1.ConfigMap]{Namespace: b.namespace})
	b.must(err)
	b.run(inf.Start)
	r := ctrlruntime.NewReader(inf)
	ctx := b.Context()

	var cm corev1.ConfigMap
	b.must(r.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: "a"}, &cm))
	if cm.Data["a"] != "a" || cm.Kind != "ConfigMap" {
		t.Errorf("Get: %v", cm)
	}
	cm.Data["a"] = "changed"
	if stored, _ := inf.Get(b.namespace, "a"); stored.Data["a"] != "a" {
		t.Error("the copy is shared")
	}
	if err := r.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: "none"}, &cm); !apierrors.IsNotFound(err) {
		t.Errorf("what is not there: %v", err)
	}
	if err := r.Get(ctx, client.ObjectKey{Name: "a"}, &corev1.Pod{}); !meta.IsNoMatchError(err) {
		t.Errorf("another type: %v", err)
	}

	var list corev1.ConfigMapList
	b.must(r.List(ctx, &list, client.InNamespace(b.namespace), client.MatchingLabels{"on": "yes"}, client.Limit(2)))
	if got := names(&list); !slices.Equal(got, []string{"a", "b"}) || *list.RemainingItemCount != 1 || list.ResourceVersion == "" {
		t.Errorf("the first page: %v", got)
	}
	b.must(r.List(ctx, &list, client.InNamespace(b.namespace), client.MatchingLabels{"on": "yes"}, client.Continue(list.Continue)))
	if got := names(&list); !slices.Equal(got, []string{"c"}) || list.RemainingItemCount != nil {
		t.Errorf("the second page: %v", got)
	}
	not, err := labels.Parse("is!=a,on")
	b.must(err)
	b.must(r.List(ctx, &list, client.MatchingLabelsSelector{Selector: not}))
	if got := names(&list); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("what an index of labels cannot tell: %v", got)
	}
	b.must(r.List(ctx, &list, client.MatchingFields{"metadata.name": "b"}))
	if got := names(&list); !slices.Equal(got, []string{"b"}) {
		t.Errorf("by name: %v", got)
	}
	if err := r.List(ctx, &list, client.MatchingFields{"data.a": "b"}); !errors.Is(err, ctrlruntime.ErrIndexNotFound) {
		t.Errorf("by a field without an index: %v", err)
	}
	if err := r.List(ctx, &corev1.PodList{}); !meta.IsNoMatchError(err) {
		t.Errorf("a list of another type: %v", err)
	}
}
