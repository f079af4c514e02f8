package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/bench/pods"
	"github.com/larder-dev/larder/internal/controlplane"
)

// Widgets are custom resources: Pods under another name, whose fields the API server does not know.
var (
	podResource    = corev1.SchemeGroupVersion.WithResource("pods")
	widgetKind     = schema.GroupVersionKind{Group: "bench.larder.dev", Version: "v1", Kind: "Widget"}
	widgetResource = widgetKind.GroupVersion().WithResource("widgets")
)

// cluster is a real control plane with Pods and widgets in it.
type cluster struct {
	plane   *controlplane.ControlPlane
	clients *kubernetes.Clientset
	etcd    *clientv3.Client
	keys    []types.NamespacedName // of the Pods
}

// startCluster starts a control plane and fills it. It says how far it is.
func startCluster(ctx context.Context, podCount, widgetCount int, progress io.Writer) (*cluster, error) {
	fmt.Fprintln(progress, "starting a control plane")
	plane, err := controlplane.Start(ctx, controlplane.Options{CRDs: []*apiextensionsv1.CustomResourceDefinition{widgetCRD()}})
	if err != nil {
		return nil, err
	}
	config := plane.Config()
	config.ContentType = runtime.ContentTypeProtobuf
	clients, err := kubernetes.NewForConfig(config)
	must(err)
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{plane.EtcdURL()}, Logger: zap.NewNop()})
	must(err)
	defer etcd.Close()
	c := &cluster{plane: plane, clients: clients, etcd: etcd}
	if err := c.fill(ctx, podCount, widgetCount, progress); err != nil {
		return nil, errors.Join(err, plane.Stop())
	}
	return c, nil
}

func widgetCRD() *apiextensionsv1.CustomResourceDefinition {
	anything := &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: widgetResource.GroupResource().String()},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: widgetKind.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: widgetKind.Kind},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: widgetKind.Version, Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: anything},
			}},
		},
	}
}

// fill creates the objects, several at a time.
func (c *cluster) fill(ctx context.Context, podCount, widgetCount int, progress io.Writer) error {
	const workers = 16
	work := make(chan *corev1.Pod, workers)
	dynamicClients, err := dynamic.NewForConfig(c.plane.Config())
	must(err)
	var made atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for pod := range work {
				err := c.store(ctx, pod)
				if n := made.Add(1); err == nil && n <= int64(widgetCount) {
					err = createWidget(ctx, dynamicClients, pod)
				}
				if err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	begin, namespace := time.Now(), ""
	for pod := range pods.NewCluster(pods.Options{Count: podCount, Namespaces: max(1, podCount/200), Workloads: max(1, podCount/40)}).Pods() {
		if pod.Namespace != namespace {
			namespace = pod.Namespace
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
			if _, err := c.clients.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
				failed.Store(&err)
			}
		}
		if failed.Load() != nil {
			break
		}
		c.keys = append(c.keys, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name})
		work <- pod
		if n := len(c.keys); n%10_000 == 0 || n == podCount {
			fmt.Fprintf(progress, "%6s  created %s of %s Pods\n", time.Since(begin).Round(time.Second), grouped(n), grouped(podCount))
		}
	}
	close(work)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// store puts a Pod into etcd as the API server would. Through the API it takes two requests and a hundred times as
// long, as the server has to merge the managed fields of each.
func (c *cluster) store(ctx context.Context, pod *corev1.Pod) error {
	pod.ResourceVersion = ""
	raw, err := pod.Marshal()
	if err != nil {
		return err
	}
	envelope := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: "Pod"}, Raw: raw}
	wire, err := envelope.Marshal()
	if err != nil {
		return err
	}
	_, err = c.etcd.Put(ctx, "/registry/pods/"+pod.Namespace+"/"+pod.Name, "k8s\x00"+string(wire))
	return err
}

// createWidget creates a widget that has in it what a Pod has.
func createWidget(ctx context.Context, clients dynamic.Interface, pod *corev1.Pod) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return err
	}
	widget := &unstructured.Unstructured{Object: content}
	widget.SetGroupVersionKind(widgetKind)
	widget.SetManagedFields(nil)
	_, err = clients.Resource(widgetResource).Namespace(pod.Namespace).Create(ctx, widget, metav1.CreateOptions{})
	return err
}

// update changes Pods, so many a second, until ctx is done.
func (c *cluster) update(ctx context.Context, perSecond int) {
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	work := make(chan int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range work {
				key := c.keys[i*7919%len(c.keys)]
				patch := []byte(`{"metadata":{"annotations":{"bench":"` + strconv.Itoa(i) + `"}}}`)
				_, err := c.clients.CoreV1().Pods(key.Namespace).Patch(ctx, key.Name, types.MergePatchType, patch, metav1.PatchOptions{})
				if ctx.Err() == nil {
					must(err)
				}
			}
		})
	}
	for i := 0; ctx.Err() == nil; i++ {
		select {
		case <-ticker.C:
			work <- i
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
}

func metadataClient(config *rest.Config) metadata.Interface {
	c, err := metadata.NewForConfig(config)
	must(err)
	return c
}
