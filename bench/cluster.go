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
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/larder-dev/larder/bench/pods"
	"github.com/larder-dev/larder/internal/controlplane"
)

// Widgets are custom resources: Pods under another name, whose fields the API server does not know.
var (
	podResource    = corev1.SchemeGroupVersion.WithResource("pods")
	widgetKind     = schema.GroupVersionKind{Group: "bench.larder.dev", Version: "v1", Kind: "Widget"}
	widgetResource = widgetKind.GroupVersion().WithResource("widgets")
)

// clusterSize is what is in a cluster.
type clusterSize struct {
	pods, widgets int
	mixed         bool // with eight other kinds, and few Pods to a workload
}

// cluster is a real control plane with objects in it.
type cluster struct {
	plane   *controlplane.ControlPlane
	clients client.Client
	etcd    *clientv3.Client
	keys    []types.NamespacedName // of the Pods
	updates int                    // so far
}

// startCluster starts a control plane and fills it. It says how far it is.
func startCluster(ctx context.Context, size clusterSize, progress io.Writer) (*cluster, error) {
	log.SetLogger(quiet)
	fmt.Fprintln(progress, "starting a control plane")
	plane, err := controlplane.Start(ctx, controlplane.Options{CRDs: []*apiextensionsv1.CustomResourceDefinition{widgetCRD()}})
	if err != nil {
		return nil, err
	}
	clients, err := client.New(plane.Config(), client.Options{Scheme: scheme.Scheme})
	must(err)
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{plane.EtcdURL()}, Logger: zap.NewNop()})
	must(err)
	defer etcd.Close()
	c := &cluster{plane: plane, clients: clients, etcd: etcd}
	if err := c.fill(ctx, size, progress); err != nil {
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
func (c *cluster) fill(ctx context.Context, size clusterSize, progress io.Writer) error {
	const workers = 16
	work := make(chan func() error, workers)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for create := range work {
				if err := create(); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	options := pods.Options{Count: size.pods, Namespaces: max(1, size.pods/200), Workloads: max(1, size.pods/40)}
	if size.mixed {
		options.Workloads = max(1, size.pods/5)
	}
	begin, namespace, beside := time.Now(), "", companions{nodes: map[string]bool{}}
	for pod := range pods.NewCluster(options).Pods() {
		if failed.Load() != nil {
			break
		}
		pod.ResourceVersion = ""
		if pod.Namespace != namespace {
			namespace = pod.Namespace
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
			if err := c.clients.Create(ctx, ns); err != nil {
				failed.Store(&err)
			}
		}
		c.keys = append(c.keys, client.ObjectKeyFromObject(pod))
		n := len(c.keys)
		work <- func() error { return c.store(ctx, pod) }
		if n <= size.widgets {
			work <- func() error { return c.createWidget(ctx, pod) }
		}
		if size.mixed {
			for _, obj := range beside.of(pod, n == size.pods) {
				work <- func() error { return c.create(ctx, obj) }
			}
		}
		if n%10_000 == 0 || n == size.pods {
			fmt.Fprintf(progress, "%6s  created %s of %s Pods\n", time.Since(begin).Round(time.Second), grouped(n), grouped(size.pods))
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
func (c *cluster) createWidget(ctx context.Context, pod *corev1.Pod) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return err
	}
	widget := &unstructured.Unstructured{Object: content}
	widget.SetGroupVersionKind(widgetKind)
	widget.SetManagedFields(nil)
	return c.clients.Create(ctx, widget)
}

// create creates an object. The API server takes the status of some only when they are there.
func (c *cluster) create(ctx context.Context, obj client.Object) error {
	full := obj.DeepCopyObject().(client.Object)
	if err := c.clients.Create(ctx, obj); err != nil {
		return err
	}
	switch obj.(type) {
	case *appsv1.Deployment, *appsv1.ReplicaSet:
		full.SetResourceVersion(obj.GetResourceVersion())
		return c.clients.Status().Update(ctx, full)
	default:
		return nil
	}
}

// update changes so many Pods, at the pace of [updatesPerSecond] if the API server keeps up with it. No change is made
// twice: the API server would tell nobody of the second.
func (c *cluster) update(ctx context.Context, count int) {
	ticker := time.NewTicker(time.Second / updatesPerSecond)
	defer ticker.Stop()
	work := make(chan int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range work {
				key := c.keys[i*7919%len(c.keys)]
				pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
				patch := []byte(`{"metadata":{"annotations":{"bench":"` + strconv.Itoa(i) + `"}}}`)
				must(c.clients.Patch(ctx, pod, client.RawPatch(types.MergePatchType, patch)))
			}
		})
	}
	for range count {
		<-ticker.C
		c.updates++
		work <- c.updates
	}
	close(work)
	wg.Wait()
}

func metadataClient(config *rest.Config) metadata.Interface {
	c, err := metadata.NewForConfig(config)
	must(err)
	return c
}
