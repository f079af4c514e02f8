package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/larder-dev/larder/examples/controller/mirror"
	"github.com/larder-dev/larder/internal/controlplane"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(controlplane.Main(m))
}

// program is the program while it runs.
type program struct {
	out  *output
	stop context.CancelFunc
	code chan int
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{out: &output{changed: make(chan struct{}, 1)}, stop: cancel, code: make(chan int, 1)}
	go func() { p.code <- run(ctx, args, p.out, p.out) }()
	return p
}

// exit waits for the program to end by itself, or after stop.
func (p *program) exit(t *testing.T) int {
	t.Helper()
	select {
	case code := <-p.code:
		return code
	case <-time.After(time.Minute):
		t.Fatalf("the program does not end; it has written\n%s", p.out)
		return -1
	}
}

// output is what the program has written so far.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the output matches, and returns the submatches.
func (o *output) await(t *testing.T, pattern string) []string {
	t.Helper()
	tooLate := time.After(time.Minute)
	for {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(o.String()); found != nil {
			return found
		}
		select {
		case <-o.changed:
		case <-tooLate:
			t.Fatalf("the output does not match %q:\n%s", pattern, o)
		}
	}
}

// The story goes well; with -stay the control plane can be reached afterwards by the
// kubeconfig that is named, until the program is interrupted, which is its good end.
func TestStoryAndStay(t *testing.T) {
	p := start(t, "-stay")
	path := p.out.await(t, `KUBECONFIG=(\S+)\n`)[1]
	t.Logf("%s", p.out)
	if strings.Contains(p.out.String(), "FAILED") || !regexp.MustCompile(`\n15 of 15 expectations met in`).MatchString(p.out.String()) {
		t.Error("the story did not go well")
	}

	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	source, err := client.CoreV1().ConfigMaps(shop).Get(t.Context(), sourceName, metav1.GetOptions{})
	if err != nil || source.Data["colour"] != "black" {
		t.Errorf("through the kubeconfig, the source is %v, %v", source, err)
	}
	p.stop()
	if code := p.exit(t); code != 0 {
		t.Errorf("the exit code is %d:\n%s", code, p.out)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the kubeconfig is still there: %v", err)
	}
}

// An interruption ends the program soon and cleanly, wherever it is.
func TestInterrupted(t *testing.T) {
	for name, moment := range map[string]string{"while starting": "Starting", "in full flow": "13. "} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			p.out.await(t, moment)
			begun := time.Now()
			p.stop()
			if code := p.exit(t); code != exitInterrupted {
				t.Errorf("the exit code is %d", code)
			}
			if took := time.Since(begun); took > 15*time.Second {
				t.Errorf("it took %v to end", took)
			}
			if out := p.out.String(); !strings.HasSuffix(out, "interrupted\n") || strings.Contains(out, "error") || strings.Contains(out, "FAILED") {
				t.Errorf("the output is\n%s", out)
			}
		})
	}
}

// On a cluster it is elected, mirrors, and serves its metrics and health.
func TestServing(t *testing.T) {
	cfg := controlplane.Shared(t).Config()
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	path, remove, err := writeKubeconfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = remove() }()
	metrics, health := freeAddress(t), freeAddress(t)
	p := start(t, "-kubeconfig", path, "-v", "-metrics-bind-address", metrics, "-health-probe-bind-address", health)
	p.out.await(t, "Controller starts")

	s := &story{client: client}
	for _, err := range []error{
		s.createNamespace(t.Context(), "served", map[string]string{"served": "yes"}),
		s.createConfigMap(t.Context(), "default", "cm", map[string]string{mirror.AnnotationTo: "served"}, map[string]string{"k": "v"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	watch, err := client.CoreV1().ConfigMaps("served").Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=cm"})
	if err != nil {
		t.Fatal(err)
	}
	for e := range watch.ResultChan() {
		if cm, ok := e.Object.(*corev1.ConfigMap); ok && cm.Data["k"] == "v" {
			break
		}
	}
	watch.Stop()

	expectPage(t, "http://"+health+"/healthz", "ok")
	expectPage(t, "http://"+health+"/readyz", "ok")
	expectPage(t, "http://"+metrics+"/metrics", `controller_runtime_reconcile_total{controller="larder-mirror",result="success"}`)
	expectPage(t, "http://"+metrics+"/metrics", `workqueue_adds_total{controller="larder-mirror",name="larder-mirror"}`)
	lease, err := client.CoordinationV1().Leases("default").Get(t.Context(), mirror.Name, metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity == "" {
		t.Errorf("the lease is %v, %v", lease, err)
	}
	p.stop()
	if code := p.exit(t); code != 0 {
		t.Errorf("the exit code is %d:\n%s", code, p.out)
	}
}

func expectPage(t *testing.T, url, want string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
		t.Errorf("%s returns %s without %q: %v", url, response.Status, want, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Wrong arguments are refused with the reason and an exit code of their own.
func TestUsage(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	for _, test := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"-help"}, 0, "-leader-elect"},
		{[]string{"-no-such-flag"}, exitUsage, "no-such-flag"},
		{[]string{"stay"}, exitUsage, `unknown argument "stay"`},
		{[]string{"-kubeconfig", absent}, exitFailed, absent},
		{[]string{"-kubeconfig", "/dev/null"}, exitFailed, "-kubeconfig"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), test.args, &out, &out); code != test.code || !strings.Contains(out.String(), test.text) {
			t.Errorf("%q: exit code %d, want %d with %q; the output is\n%s", test.args, code, test.code, test.text, out.String())
		}
	}
}
