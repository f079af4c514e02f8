package informer_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/informer"
)

// patience is how long the integration tests wait for what must come.
const patience = time.Minute

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// cluster is a real kube-apiserver, with a namespace of one test's own.
type cluster struct {
	t         *testing.T
	config    *rest.Config
	clients   *kubernetes.Clientset
	namespace string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	return clusterOf(t, controlplane.Shared(t).Config())
}

func clusterOf(t *testing.T, config *rest.Config) *cluster {
	t.Helper()
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := clients.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "informer-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t: t, config: config, clients: clients, namespace: namespace.Name}
}

func (c *cluster) configMaps() typedcorev1.ConfigMapInterface {
	return c.clients.CoreV1().ConfigMaps(c.namespace)
}

// create makes a ConfigMap, and returns its resourceVersion.
func (c *cluster) create(name string, labels map[string]string) string {
	c.t.Helper()
	obj, err := c.configMaps().Create(c.t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Data:       map[string]string{"value": "1"},
	}, metav1.CreateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return obj.ResourceVersion
}

// update changes a ConfigMap's value and labels, and returns its resourceVersion.
func (c *cluster) update(name, value string, labels map[string]string) string {
	c.t.Helper()
	obj, err := c.configMaps().Update(c.t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Data:       map[string]string{"value": value},
	}, metav1.UpdateOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	return obj.ResourceVersion
}

func (c *cluster) delete(name string) {
	c.t.Helper()
	if err := c.configMaps().Delete(c.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// run makes an informer of opts and starts it.
func run[T informer.Object](t *testing.T, config *rest.Config, opts informer.Options[T]) (inf *informer.Informer[T], stop func()) {
	t.Helper()
	opts.Logger = quiet()
	inf, err := informer.New(config, opts)
	if err != nil {
		t.Fatal(err)
	}
	return inf, start(t, inf)
}
