package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/informer/wire"
)

var configMapGVK = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// configMap returns a ConfigMap with a kilobyte and a half in it.
func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"value": value}},
		Data:       map[string]string{"value": value, "text": strings.Repeat("some text that is always the same ", 40)},
	}
}

func create(t *testing.T, clients *kubernetes.Clientset, namespace string, n int) {
	t.Helper()
	for i := range n {
		if _, err := clients.CoreV1().ConfigMaps(namespace).Create(t.Context(), configMap(fmt.Sprintf("c%d", i), "1"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// change makes one object, changes one and deletes one.
func change(t *testing.T, clients *kubernetes.Clientset, namespace, suffix string, changed, deleted int) {
	t.Helper()
	maps := clients.CoreV1().ConfigMaps(namespace)
	_, err := maps.Create(t.Context(), configMap("new"+suffix, "1"), metav1.CreateOptions{})
	if err == nil {
		_, err = maps.Update(t.Context(), configMap(fmt.Sprintf("c%d", changed), "2"+suffix), metav1.UpdateOptions{})
	}
	if err == nil {
		err = maps.Delete(t.Context(), fmt.Sprintf("c%d", deleted), metav1.DeleteOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// converges waits until what is held is what the server has.
func converges(t *testing.T, c *codec.Codec[*corev1.ConfigMap], clients *kubernetes.Clientset, namespace string, held func() []any) {
	t.Helper()
	var difference string
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		list, err := clients.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		want := map[string]*corev1.ConfigMap{}
		for i := range list.Items {
			want[list.Items[i].Name] = &list.Items[i]
		}
		objects := held()
		difference = fmt.Sprintf("%d objects, not %d", len(objects), len(want))
		for _, obj := range objects {
			got, err := wire.Decode(c, obj.(*wire.Object))
			if err != nil {
				return false, err
			}
			if !reflect.DeepEqual(got, want[got.Name]) {
				difference = fmt.Sprintf("%v\nnot %v", got, want[got.Name])
				return false, nil
			}
		}
		return len(objects) == len(want), nil
	})
	if err != nil {
		t.Fatalf("%v: there are %s", err, difference)
	}
}

// reflect starts client-go's Reflector, which does not wait long after failures, and returns what it holds.
func startReflector(t *testing.T, lw cache.ListerWatcher) func() []any {
	t.Helper()
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	logger := funcr.New(func(_, _ string) {}, funcr.Options{})
	r := cache.NewReflectorWithOptions(lw, &wire.Object{}, store, cache.ReflectorOptions{
		Logger: &logger, Backoff: &wait.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 1, Cap: 10 * time.Millisecond},
	})
	ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logger))
	var running sync.WaitGroup
	running.Go(func() { r.RunWithContext(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return store.List
}

// bothWays runs a test with streamed lists and with plain ones.
func bothWays(t *testing.T, test func(t *testing.T)) {
	for name, streams := range map[string]bool{"list": false, "streamed list": true} {
		t.Run(name, func(t *testing.T) {
			clientfeaturestesting.SetFeatureDuringTest(t, clientfeatures.WatchListClient, streams)
			test(t)
		})
	}
}

// encodings notes how answers were compressed. The transport below has to leave that alone.
type encodings struct {
	next http.RoundTripper

	mu         sync.Mutex
	compressed int
	streamed   int
}

func (e *encodings) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := e.next.RoundTrip(req)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil && resp.Uncompressed {
		e.compressed++
	}
	if req.URL.Query().Get("sendInitialEvents") == "true" {
		e.streamed++
	}
	return resp, err
}

// client-go's Reflector holds what the server has, with plain lists, which are large enough for the server to compress
// them, and with streamed ones.
func TestReflector(t *testing.T) {
	config := controlplane.Shared(t).Config()
	bothWays(t, func(t *testing.T) {
		namespace, clients := newNamespace(t, config)
		create(t, clients, namespace, 120)
		seen := &encodings{}
		observed := rest.CopyConfig(config)
		observed.Wrap(func(next http.RoundTripper) http.RoundTripper {
			seen.next = next
			return seen
		})
		kind, c := newKind(t, configMapGVK, wire.KindOptions[*corev1.ConfigMap]{})
		held := startReflector(t, newClient(t, observed, kind).ListerWatcher("configmaps", wire.Scope{Namespace: namespace}))
		converges(t, c, clients, namespace, held)
		for i := range 10 {
			change(t, clients, namespace, fmt.Sprint(i), 20+i, 40+i)
		}
		converges(t, c, clients, namespace, held)
		seen.mu.Lock()
		defer seen.mu.Unlock()
		streams := clientfeatures.FeatureGates().Enabled(clientfeatures.WatchListClient)
		if streams != (seen.streamed > 0) || !streams && seen.compressed == 0 {
			t.Errorf("%d answers were compressed, %d lists streamed", seen.compressed, seen.streamed)
		}
	})
}

// client-go's SharedIndexInformer works with Objects: handlers are called, and indexes find them by scanned values.
func TestSharedIndexInformer(t *testing.T) {
	config := controlplane.Shared(t).Config()
	bothWays(t, func(t *testing.T) {
		namespace, clients := newNamespace(t, config)
		create(t, clients, namespace, 20)
		kind, c := newKind(t, configMapGVK, wire.KindOptions[*corev1.ConfigMap]{Fields: []wire.Field{{"data", "value"}}})
		lw := newClient(t, config, kind).ListerWatcher("configmaps", wire.Scope{Namespace: namespace, LabelSelector: "value"})
		inf := cache.NewSharedIndexInformer(lw, &wire.Object{}, 0, cache.Indexers{
			"value": func(obj any) ([]string, error) { return slices.Collect(obj.(*wire.Object).Values(0)), nil },
		})
		var mu sync.Mutex
		calls := map[string]int{}
		count := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			calls[name]++
		}
		if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { count("add") },
			UpdateFunc: func(any, any) { count("update") },
			DeleteFunc: func(any) { count("delete") },
		}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { inf.RunWithContext(ctx) })
		defer running.Wait()
		defer cancel()
		converges(t, c, clients, namespace, inf.GetStore().List)
		change(t, clients, namespace, "x", 1, 2)
		converges(t, c, clients, namespace, inf.GetStore().List)
		found, err := inf.GetIndexer().ByIndex("value", "2x")
		if err != nil || len(found) != 1 || found[0].(*wire.Object).GetName() != "c1" {
			t.Errorf("found %v, %v", found, err)
		}
		err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return calls["add"] == 21 && calls["update"] == 1 && calls["delete"] == 1, nil
		})
		if err != nil {
			t.Errorf("%v: %v", err, calls)
		}
	})
}

// A transform is applied to what is listed and to what is watched. One that fails, panics or renames is an error.
func TestTransform(t *testing.T) {
	config := controlplane.Shared(t).Config()
	namespace, clients := newNamespace(t, config)
	create(t, clients, namespace, 3)
	strip := func(obj *corev1.ConfigMap) (*corev1.ConfigMap, error) {
		if obj.Kind != "ConfigMap" {
			return nil, fmt.Errorf("it is a %q", obj.Kind)
		}
		obj.ManagedFields, obj.Data = nil, map[string]string{"value": obj.Data["value"]}
		return obj, nil
	}
	kind, c := newKind(t, configMapGVK, wire.KindOptions[*corev1.ConfigMap]{Transform: strip, Fields: []wire.Field{{"data", "value"}}})
	client := newClient(t, config, kind)
	list, err := client.List(within(t), "configmaps", namespace, metav1.ListOptions{})
	if err != nil || len(list.Items) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	w, err := client.Watch(within(t), "configmaps", namespace, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	objects := slices.Clone(list.Items)
	for range 3 {
		objects = append(objects, (<-w.ResultChan()).Object.(*wire.Object))
	}
	for _, o := range objects {
		got, err := wire.Decode(c, o)
		if err != nil {
			t.Fatal(err)
		}
		if got.ManagedFields != nil || len(got.Data) != 1 || got.UID != o.GetUID() || !slices.Equal(slices.Collect(o.Values(0)), []string{"1"}) {
			t.Errorf("it is %v", got)
		}
	}
	for name, transform := range map[string]func(*corev1.ConfigMap) (*corev1.ConfigMap, error){
		"fails":   func(*corev1.ConfigMap) (*corev1.ConfigMap, error) { return nil, errors.New("no") },
		"panics":  func(*corev1.ConfigMap) (*corev1.ConfigMap, error) { panic("no") },
		"is nil":  func(*corev1.ConfigMap) (*corev1.ConfigMap, error) { return nil, nil },
		"renames": func(obj *corev1.ConfigMap) (*corev1.ConfigMap, error) { obj.Name = "x"; return obj, nil },
	} {
		kind, _ := newKind(t, configMapGVK, wire.KindOptions[*corev1.ConfigMap]{Transform: transform})
		_, err := newClient(t, config, kind).List(within(t), "configmaps", namespace, metav1.ListOptions{})
		if failed, ok := errors.AsType[*wire.TransformError](err); !ok || !strings.HasPrefix(failed.Key, namespace+"/c") {
			t.Errorf("a transform that %s: %v", name, err)
		}
	}
}

// damager is a proxy before an API server that cuts off answers, or damages them, for as long as it is told to.
type damager struct {
	server *httptest.Server

	mu      sync.Mutex
	random  *rand.Rand
	left    int // answers to damage
	cuts    int // answers that were cut off
	flip    bool
	expired int // watches that get another resourceVersion, which the server no longer has
}

// newDamager starts a proxy to the server, and returns it with the configuration for its clients.
func newDamager(t *testing.T, config *rest.Config, random *rand.Rand) (*damager, *rest.Config) {
	t.Helper()
	d := &damager{random: random}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			d.age(r.Out)
		},
		ModifyResponse: d.damage,
		ErrorLog:       log.New(io.Discard, "", 0), // it is the proxy's job to fail
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	d.server = httptest.NewServer(proxy)
	t.Cleanup(d.server.Close)
	return d, &rest.Config{Host: d.server.URL, QPS: -1}
}

// age makes the resourceVersion of a watch one that the server no longer has.
func (d *damager) age(req *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	query := req.URL.Query()
	if d.expired > 0 && query.Get("watch") != "" && query.Get("sendInitialEvents") == "" {
		d.expired--
		query.Set("resourceVersion", "1")
		req.URL.RawQuery = query.Encode()
	}
}

func (d *damager) damage(resp *http.Response) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left > 0 {
		d.left--
		resp.Body = &damagedBody{ReadCloser: resp.Body, by: d, at: d.random.IntN(20_000), flip: d.flip && d.random.IntN(2) == 0, mask: byte(1 + d.random.IntN(255))}
	}
	return nil
}

// expire ends all watches, and makes the next n too old for the server.
func (d *damager) expire(n int) {
	d.mu.Lock()
	d.expired = n
	d.mu.Unlock()
	d.server.CloseClientConnections()
}

// damagedBody ends at a place, or has other bytes before it and ends a little later.
type damagedBody struct {
	io.ReadCloser
	by   *damager
	at   int
	flip bool
	mask byte
}

func (b *damagedBody) Read(p []byte) (int, error) {
	if b.at <= 0 {
		b.by.mu.Lock()
		defer b.by.mu.Unlock()
		b.by.cuts++
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.at)])
	if b.at -= n; b.at == 0 && b.flip && n > 0 {
		for i := n - 1; i >= 0; i -= 50 {
			p[i] ^= b.mask
		}
		b.flip, b.at = false, 5_000
	}
	return n, err
}

// Answers that are cut off anywhere, and resourceVersions that the server no longer has, lead to the same state in the
// end, whether lists are streamed or not.
func TestReflectorCutOff(t *testing.T) {
	config := controlplane.Shared(t).Config()
	seed := newSeed(t)
	bothWays(t, func(t *testing.T) {
		namespace, clients := newNamespace(t, config)
		create(t, clients, namespace, 30)
		proxy, through := newDamager(t, config, rand.New(rand.NewPCG(seed, 3)))
		through.DisableCompression = seed%2 == 0
		proxy.left = 15
		kind, c := newKind(t, configMapGVK, wire.KindOptions[*corev1.ConfigMap]{})
		held := startReflector(t, newClient(t, through, kind).ListerWatcher("configmaps", wire.Scope{Namespace: namespace}))
		for i := range 8 {
			change(t, clients, namespace, fmt.Sprint(i), i, 10+i)
		}
		converges(t, c, clients, namespace, held)
		proxy.expire(1)
		change(t, clients, namespace, "expired", 8, 9)
		converges(t, c, clients, namespace, held)
		proxy.mu.Lock()
		defer proxy.mu.Unlock()
		if proxy.cuts == 0 || proxy.expired != 0 {
			t.Errorf("%d answers were cut off, %d watches did not expire", proxy.cuts, proxy.expired)
		}
	})
}

// Bytes that were damaged never become an object that cannot be decoded.
func TestDamagedLists(t *testing.T) {
	config := controlplane.Shared(t).Config()
	seed := newSeed(t)
	namespace, clients := newNamespace(t, config)
	create(t, clients, namespace, 15)
	proxy, through := newDamager(t, config, rand.New(rand.NewPCG(seed, 4)))
	proxy.left, proxy.flip = 1000, true
	kind, c := newKind(t, configMapGVK, wire.KindOptions[*corev1.ConfigMap]{})
	client := newClient(t, through, kind)
	failed, malformed := 0, 0
	for range 150 {
		list, err := client.List(within(t), "configmaps", namespace, metav1.ListOptions{})
		if err != nil {
			failed++
			if _, ok := errors.AsType[*wire.MalformedError](err); ok {
				malformed++
			} else if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v (%T)", err, err)
			}
			continue
		}
		for _, o := range list.Items {
			if _, err := wire.Decode(c, o); err != nil {
				t.Error(err)
			}
		}
	}
	if failed < 50 || malformed == 0 {
		t.Errorf("%d lists failed, %d of them as malformed", failed, malformed)
	}
}
