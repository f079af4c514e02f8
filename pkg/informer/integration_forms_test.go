package informer_test

import (
	"mime"
	"net/http"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/informer/informertest"
)

var configMapGVK = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

// The three forms of objects follow the server, with streamed lists and plain ones.
func TestForms(t *testing.T) {
	for name, streams := range map[string]bool{"list": false, "streamed list": true} {
		t.Run(name, func(t *testing.T) {
			clientfeaturestesting.SetFeatureDuringTest(t, clientfeatures.WatchListClient, streams)
			for name, budget := range map[string]int64{"plain": informer.Plain, "packed": informer.DefaultBudget, "all packed": informer.AllPacked} {
				t.Run(name+" typed", func(t *testing.T) {
					requests := follows(t, informer.Options[*corev1.ConfigMap]{Budget: budget}, schema.GroupVersionKind{})
					requests.expect(t, streams, "application/vnd.kubernetes.protobuf")
				})
				t.Run(name+" unstructured", func(t *testing.T) {
					requests := follows(t, informer.Options[*unstructured.Unstructured]{GVK: configMapGVK, Budget: budget}, configMapGVK)
					requests.expect(t, streams, "application/json")
				})
				t.Run(name+" metadata", func(t *testing.T) {
					requests := follows(t, informer.Options[*metav1.PartialObjectMetadata]{GVK: configMapGVK, Budget: budget}, configMapGVK)
					requests.expect(t, streams, "application/vnd.kubernetes.protobuf")
				})
			}
		})
	}
}

// follows checks that an informer follows ConfigMaps, which have the given kind,
// and returns the requests that it made.
func follows[T informer.Object](t *testing.T, opts informer.Options[T], kind schema.GroupVersionKind) *requests {
	c := newCluster(t)
	ctx := within(t, patience)
	c.create("before", nil)

	requests := &requests{}
	config := rest.CopyConfig(c.config)
	config.Wrap(requests.observe)
	opts.Namespace = c.namespace
	inf, stop := run(t, config, opts)
	if inf.Name() != "configmaps" {
		t.Errorf("the name is %q", inf.Name())
	}
	if err := inf.WaitSynced(ctx); err != nil {
		t.Fatal(err)
	}
	if obj, ok := inf.Get(c.namespace, "before"); !ok || obj.GetObjectKind().GroupVersionKind() != kind {
		t.Errorf("the list brought %v", obj)
	}
	c.create("after", nil)
	obj := informertest.WaitKey(ctx, t, inf, c.namespace, "after", "exists", nil)
	if obj.GetObjectKind().GroupVersionKind() != kind {
		t.Errorf("the watch brought %v", obj)
	}
	version := c.update("before", "2", nil)
	if err := inf.WaitFor(ctx, version); err != nil {
		t.Fatal(err)
	}
	if obj, _ := inf.Get(c.namespace, "before"); obj.GetResourceVersion() != version {
		t.Errorf("WaitFor %s, then Get of %s", version, obj.GetResourceVersion())
	}
	c.delete("before")
	informertest.WaitGone(ctx, t, inf, c.namespace, "before")
	if inf.Len() != 1 {
		t.Errorf("there are %d", inf.Len())
	}
	if err := inf.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
	stop()
	return requests
}

// requests are those that an informer makes for its objects.
type requests struct {
	mu           sync.Mutex
	streamed     bool
	contentTypes []string
}

func (r *requests) observe(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		query := req.URL.Query()
		if err == nil && query.Has("resourceVersion") || query.Has("watch") {
			contentType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
			r.mu.Lock()
			defer r.mu.Unlock()
			r.streamed = r.streamed || query.Get("sendInitialEvents") == "true"
			r.contentTypes = append(r.contentTypes, contentType)
		}
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// expect checks that lists came in a way, and everything in a form.
func (r *requests) expect(t *testing.T, streamed bool, contentType string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.streamed != streamed {
		t.Errorf("the list was streamed: %v", r.streamed)
	}
	if slices.ContainsFunc(r.contentTypes, func(got string) bool { return got != contentType }) || len(r.contentTypes) == 0 {
		t.Errorf("the server answered with %q, not with %s", r.contentTypes, contentType)
	}
}

// Selectors work as the server has them; an object that ceases to match goes.
func TestServerSelectors(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx := within(t, patience)
	web := map[string]string{"app": "web"}
	c.create("chosen", web)
	c.create("otherwise", nil)
	c.create("excluded", web)
	inf, _ := run(t, c.config, informer.Options[*corev1.ConfigMap]{
		Namespace:     c.namespace,
		LabelSelector: "app=web",
		FieldSelector: "metadata.name!=excluded",
	})
	if err := inf.WaitSynced(ctx); err != nil {
		t.Fatal(err)
	}
	if _, ok := inf.Get(c.namespace, "chosen"); !ok || inf.Len() != 1 {
		t.Errorf("listed %v", inf.List())
	}
	c.update("otherwise", "2", web)
	informertest.WaitKey(ctx, t, inf, c.namespace, "otherwise", "exists", nil)
	c.update("chosen", "2", nil)
	informertest.WaitGone(ctx, t, inf, c.namespace, "chosen")
}

// An informer of all namespaces keeps them apart.
func TestAllNamespaces(t *testing.T) {
	t.Parallel()
	ctx := within(t, patience)
	here, there := newCluster(t), newCluster(t)
	inf, _ := run(t, here.config, informer.Options[*corev1.ConfigMap]{
		Indexes: map[string]informer.IndexFunc[*corev1.ConfigMap]{
			"namespace": func(obj *corev1.ConfigMap) []string { return []string{obj.Namespace} },
		},
	})
	here.create("same", nil)
	version := there.create("same", nil)
	if err := inf.WaitFor(ctx, version); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*cluster{here, there} {
		found, err := inf.ByIndex("namespace", c.namespace)
		if err != nil {
			t.Fatal(err)
		}
		for key, obj := range found {
			if key != informer.Key(c.namespace, "same") || obj.Namespace != c.namespace {
				t.Errorf("found %s, %v", key, obj)
			}
		}
	}
}
