package informer_test

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/informer"
)

// Options that cannot work are an error of the constructor, which names the option.
func TestInvalidOptions(t *testing.T) {
	config := &rest.Config{Host: "https://127.0.0.1:1"}
	listless := runtime.NewScheme()
	listless.AddKnownTypeWithName(widgetGVK, &widget{})
	ambiguous := widgetScheme()
	ambiguous.AddKnownTypeWithName(schema.GroupVersionKind{Group: "other", Version: "v1", Kind: "Widget"}, &widget{})

	for name, failing := range map[string]struct {
		err   error
		names string
	}{
		"label selector": {
			errOf(informer.New(config, informer.Options[*corev1.Pod]{LabelSelector: "a in"})), "LabelSelector",
		},
		"field selector": {
			errOf(informer.New(config, informer.Options[*corev1.Pod]{FieldSelector: "a"})), "FieldSelector",
		},
		"resync": {
			errOf(informer.New(config, informer.Options[*corev1.Pod]{Resync: -1})), "Resync",
		},
		"no config": {
			errOf(informer.New(nil, informer.Options[*corev1.Pod]{})), "rest.Config",
		},
		"impossible config": {
			errOf(informer.New(&rest.Config{Host: "::"}, informer.Options[*corev1.Pod]{})), "rest.Config",
		},
		"unstructured without kind": {
			errOf(informer.New(config, informer.Options[*unstructured.Unstructured]{})), "GVK",
		},
		"metadata without kind": {
			errOf(informer.New(config, informer.Options[*metav1.PartialObjectMetadata]{})), "GVK",
		},
		"half a kind": {
			errOf(informer.New(config, informer.Options[*unstructured.Unstructured]{GVK: schema.GroupVersionKind{Kind: "Pod"}})), "GVK",
		},
		"type not in the scheme": {
			errOf(informer.New(config, informer.Options[*widget]{})), "Scheme",
		},
		"list not in the scheme": {
			errOf(informer.New(config, informer.Options[*widget]{Scheme: listless, Budget: informer.Plain})), "WidgetList",
		},
		"type twice in the scheme": {
			errOf(informer.New(config, informer.Options[*widget]{Scheme: ambiguous})), "GVK",
		},
		"interface as type": {
			errOf(informer.New(config, informer.Options[informer.Object]{})), "informer.Object",
		},
		"name in another encoding": {
			errOf(informer.New(config, informer.Options[*corev1.Pod]{Name: "\xff"})), "Name",
		},
		"nil index": {
			errOf(informer.New(config, informer.Options[*corev1.Pod]{
				Indexes: map[string]informer.IndexFunc[*corev1.Pod]{"i": nil},
			})), "Indexes",
		},
		"no ListerWatcher": {
			errOf(informer.NewFromListerWatcher(nil, informer.Options[*corev1.Pod]{})), "ListerWatcher",
		},
		"namespace of a ListerWatcher": {
			errOf(informer.NewFromListerWatcher(&cache.ListWatch{}, informer.Options[*corev1.Pod]{Namespace: "default"})), "Namespace",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if !errors.Is(failing.err, informer.ErrInvalidOption) || !strings.Contains(failing.err.Error(), failing.names) {
				t.Errorf("got %v, want ErrInvalidOption that names %s", failing.err, failing.names)
			}
		})
	}
}

func errOf[T any](_ T, err error) error { return err }

// An informer is named after its resource, unless it has a name.
func TestName(t *testing.T) {
	named, err := informer.New(&rest.Config{}, informer.Options[*corev1.Pod]{Name: "mine"})
	if err != nil || named.Name() != "mine" {
		t.Errorf("got %v, %v", named.Name(), err)
	}
	pods, err := informer.New(&rest.Config{}, informer.Options[*corev1.Pod]{})
	if err != nil || pods.Name() != "pods" {
		t.Errorf("got %v, %v", pods.Name(), err)
	}
	unknown, err := informer.NewFromListerWatcher(&cache.ListWatch{}, informer.Options[*widget]{})
	if err != nil || unknown.Name() != "*informer_test.widget" {
		t.Errorf("got %v, %v", unknown.Name(), err)
	}
	if pods.NeedLeaderElection() {
		t.Error("it needs leader election")
	}
}

// A key is what events and indexes know an object by.
func TestKey(t *testing.T) {
	if got := informer.Key("default", "a"); got != "default/a" {
		t.Error(got)
	}
	if got := informer.Key("", "a"); got != "a" {
		t.Error(got)
	}
}
