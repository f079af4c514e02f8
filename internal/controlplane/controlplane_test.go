package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/internal/controlplane/assets"
)

// envAbandon tells a copy of this test binary to start a control plane, print where it is, and die.
const envAbandon = "LARDER_TEST_ABANDON"

func TestMain(m *testing.M) {
	if os.Getenv(envAbandon) != "" {
		abandon()
	}
	goleak.VerifyTestMain(controlplane.Main(m))
}

// A restarted server is the same to its clients: same address, same trust, same objects. Watches end with the
// old one, and do not hold up the restart.
func TestRestart(t *testing.T) {
	ctx := t.Context()
	plane, err := controlplane.Start(ctx, controlplane.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	client := kubernetes.NewForConfigOrDie(plane.Config()).CoreV1().ConfigMaps("default")
	want, err := client.Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "kept"},
		Data:       map[string]string{"key": "value"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	watching, err := client.Watch(ctx, metav1.ListOptions{ResourceVersion: want.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()

	if err := plane.RestartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	for event := range watching.ResultChan() { // until it closes
		if event.Type != watch.Error {
			t.Errorf("the watch got %v", event)
		}
	}
	got, err := client.Get(ctx, "kept", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.UID != want.UID || got.ResourceVersion != want.ResourceVersion || got.Data["key"] != "value" {
		t.Fatalf("the object is %v, was %v", got, want)
	}
	stop() // and once more in the end, which does no harm
}

func TestShared(t *testing.T) {
	plane := controlplane.Shared(t)
	if controlplane.Shared(t) != plane {
		t.Fatal("two calls return two control planes")
	}
	version, err := discovery.NewDiscoveryClientForConfigOrDie(plane.Config()).ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(assets.EnvDir) == "" && version.GitVersion != assets.KubernetesVersion {
		t.Fatalf("the server is %s, want %s", version.GitVersion, assets.KubernetesVersion)
	}
	if config := plane.Config(); config.QPS != -1 || config == plane.Config() {
		t.Fatalf("the configuration has QPS %v, or is not a copy", config.QPS)
	}
}

func TestCRDs(t *testing.T) {
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "jars.larder.dev"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "larder.dev",
			Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "jars", Kind: "Jar"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{
					OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"},
				},
			}},
		},
	}
	plane, err := controlplane.Start(t.Context(), controlplane.Options{CRDs: []*apiextensionsv1.CustomResourceDefinition{crd}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	}()
	client := discovery.NewDiscoveryClientForConfigOrDie(plane.Config())
	if resources, err := client.ServerResourcesForGroupVersion("larder.dev/v1"); err != nil || resources.APIResources[0].Kind != "Jar" {
		t.Fatalf("the server offers %v, %v", resources, err)
	}
}

// Without binaries nothing starts and nothing is left, and the error says what to do.
func TestMissing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv(assets.EnvDir, t.TempDir())
	_, err := controlplane.Start(t.Context(), controlplane.Options{})
	if missing, ok := errors.AsType[*assets.MissingError](err); !ok || !strings.Contains(err.Error(), "make envtest") {
		t.Fatalf("Start: %v, %v", missing, err)
	}
	if left, err := filepath.Glob(filepath.Join(tmp, "*")); err != nil || len(left) > 0 {
		t.Fatalf("Start left %v, %v", left, err)
	}
}

// A process that dies without stopping its control plane takes it along, with all it stored.
func TestAbandoned(t *testing.T) {
	tmp := t.TempDir()
	dying := exec.CommandContext(t.Context(), os.Args[0])
	dying.Env = append(os.Environ(), envAbandon+"=1", "TMPDIR="+tmp)
	out, err := dying.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != abandonCode {
		t.Fatalf("the process that was to die ended with %v and said %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	gone := func() bool {
		left, err := filepath.Glob(filepath.Join(tmp, "larder-controlplane-*"))
		conn, dialErr := net.Dial("tcp", string(out))
		if dialErr == nil {
			_ = conn.Close()
		}
		return err == nil && len(left) == 0 && dialErr != nil
	}
	for ticker := time.NewTicker(100 * time.Millisecond); !gone(); {
		select {
		case <-ctx.Done():
			t.Fatalf("the control plane at %s outlives its process", out)
		case <-ticker.C:
		}
	}
}

const abandonCode = 42

func abandon() {
	plane, err := controlplane.Start(context.Background(), controlplane.Options{})
	if err != nil {
		panic(err)
	}
	host, err := url.Parse(plane.Config().Host)
	if err != nil {
		panic(err)
	}
	fmt.Print(host.Host)
	os.Exit(abandonCode)
}
