package clientgo_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/watchlist"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
)

// wrapped is a client of somebody's own around another.
type wrapped struct{ typedcorev1.PodInterface }

// oldFake is a fake client as they were generated before there was package gentype.
type oldFake struct {
	Fake *oldFakeGroup
	ns   string
}

type oldFakeGroup struct{ *clienttesting.Fake }

func (c *oldFake) List(_ context.Context, opts metav1.ListOptions) (*corev1.PodList, error) {
	obj, err := c.Fake.Invokes(clienttesting.NewListActionWithOptions(podsGVR, podGVK, c.ns, opts), &corev1.PodList{})
	return obj.(*corev1.PodList), err
}

func (c *oldFake) Watch(_ context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return c.Fake.InvokesWatch(clienttesting.NewWatchActionWithOptions(podsGVR, c.ns, opts))
}

// silent is a client that says itself that it streams no lists.
type silent struct{ typedcorev1.PodInterface }

func (silent) IsWatchListSemanticsUnSupported() bool { return true }

var (
	podsGVR = corev1.SchemeGroupVersion.WithResource("pods")
	podGVK  = corev1.SchemeGroupVersion.WithKind("Pod")
)

// An informer gets along with fake clients of any make, and is told of what is changed by
// them.
func TestListWatchOfFakes(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		for name, make := range map[string]func(c *fake.Clientset) cache.ListerWatcher{
			"typed":   func(c *fake.Clientset) cache.ListerWatcher { return clientgo.ListWatch(c.CoreV1().Pods("default")) },
			"wrapped": func(c *fake.Clientset) cache.ListerWatcher { return clientgo.ListWatch(wrapped{c.CoreV1().Pods("")}) },
			"wrapped twice": func(c *fake.Clientset) cache.ListerWatcher {
				return clientgo.ListWatch(&wrapped{&wrapped{c.CoreV1().Pods("")}})
			},
			"silent": func(c *fake.Clientset) cache.ListerWatcher { return clientgo.ListWatch(silent{c.CoreV1().Pods("")}) },
			"old": func(c *fake.Clientset) cache.ListerWatcher {
				return clientgo.ListWatch(&oldFake{&oldFakeGroup{&c.Fake}, "default"})
			},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					clients := fake.NewClientset(pod("a"))
					inf := f.newInformer(make(clients), &corev1.Pod{}, 0, nil)
					run(t, inf)
					_, err := clients.CoreV1().Pods("default").Create(t.Context(), pod("b"), metav1.CreateOptions{})
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					if keys := inf.GetStore().ListKeys(); len(keys) != 2 {
						t.Errorf("the store has %q", keys)
					}
				})
			})
		}
	})
}

// The fakes of the dynamic and the metadata client are as good as others.
func TestListWatchOfOtherFakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scheme := runtime.NewScheme()
		if err := errors.Join(corev1.AddToScheme(scheme), metav1.AddMetaToScheme(scheme)); err != nil {
			t.Fatal(err)
		}
		partial := &metav1.PartialObjectMetadata{ObjectMeta: pod("a").ObjectMeta}
		partial.SetGroupVersionKind(podGVK)
		for name, inf := range map[string]cache.SharedIndexInformer{
			"dynamic": clientgo.NewSharedIndexInformer(clientgo.ListWatch(
				dynamicfake.NewSimpleDynamicClient(scheme, pod("a")).Resource(podsGVR).Namespace("default"),
			), &unstructured.Unstructured{}, 0, nil),
			"metadata": clientgo.NewSharedIndexInformer(clientgo.ListWatch(
				metadatafake.NewSimpleMetadataClient(scheme, partial).Resource(podsGVR),
			), &metav1.PartialObjectMetadata{}, 0, nil),
		} {
			run(t, inf)
			if keys := inf.GetStore().ListKeys(); len(keys) != 1 || !inf.HasSynced() {
				t.Errorf("%s: the store has %q", name, keys)
			}
		}
	})
}

// A client that is no fake is asked for streamed lists.
func TestListWatchStreams(t *testing.T) {
	clients := kubernetes.NewForConfigOrDie(nowhere())
	for name, lw := range map[string]cache.ListerWatcher{
		"typed":    clientgo.ListWatch(clients.CoreV1().Pods("")),
		"wrapped":  clientgo.ListWatch(wrapped{clients.CoreV1().Pods("")}),
		"empty":    clientgo.ListWatch(wrapped{}),
		"dynamic":  clientgo.ListWatch(dynamic.NewForConfigOrDie(nowhere()).Resource(podsGVR)),
		"metadata": clientgo.ListWatch(metadata.NewForConfigOrDie(nowhere()).Resource(podsGVR)),
	} {
		if watchlist.DoesClientNotSupportWatchListSemantics(lw) {
			t.Errorf("%s is taken for a fake", name)
		}
	}
}

// A list that fails is none, whatever the client returns beside the error.
func TestListWatchFails(t *testing.T) {
	clients := fake.NewClientset()
	failure := errors.New("it fails")
	clients.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, failure })
	lw := cache.ToListerWatcherWithContext(clientgo.ListWatch(clients.CoreV1().Pods("")))
	if list, err := lw.ListWithContext(t.Context(), metav1.ListOptions{}); list != nil || !errors.Is(err, failure) {
		t.Errorf("listed %v, %v", list, err)
	}
}

// A real server streams its list to it, and is asked with what the informer wants.
func TestListWatchOfCluster(t *testing.T) { inForms(t, testListWatchOfCluster) }

func testListWatchOfCluster(t *testing.T, f form) {
	c := newCluster(t)
	c.create("a")
	inf := f.newInformer(clientgo.ListWatch(c.configMaps()), &corev1.ConfigMap{}, 0, nil)
	s := newStory()
	if _, err := inf.AddEventHandler(s); err != nil {
		t.Fatal(err)
	}
	c.run(inf.RunWithContext)
	s.waitFor(t, c.namespace+"/a", "add a")
	c.update("a", "1")
	s.waitFor(t, c.namespace+"/a", "update")
	c.delete("a")
	s.waitFor(t, c.namespace+"/a", "delete")
}
