package informer_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/informer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(controlplane.Main(m)) }

// configMaps is the informer that most tests are about.
type configMaps = informer.Informer[*corev1.ConfigMap]

// quiet is a logger that says nothing, unlike the zero logger.
func quiet() logr.Logger { return funcr.New(func(_, _ string) {}, funcr.Options{}) }

// budget is that of the informers of newConfigMaps. TestPacked changes it.
var budget = informer.Plain

// newConfigMaps makes an informer of what lw lists, with opts changed by the test.
func newConfigMaps(t *testing.T, lw cache.ListerWatcher, change func(*informer.Options[*corev1.ConfigMap])) *configMaps {
	t.Helper()
	opts := informer.Options[*corev1.ConfigMap]{Logger: quiet(), Budget: budget}
	if change != nil {
		change(&opts)
	}
	inf, err := informer.NewFromListerWatcher(lw, opts)
	if err != nil {
		t.Fatal(err)
	}
	return inf
}

// start runs an informer until stop, which the end of the test calls too. stop
// returns when Start has.
func start[T informer.Object](t *testing.T, inf *informer.Informer[T]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := inf.Start(ctx); err != nil {
			t.Errorf("Start: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// inBubble runs a test in virtual time, once with streamed lists and once
// without. The bubble fails a test that leaves a goroutine behind.
func inBubble(t *testing.T, test func(t *testing.T, server *server)) {
	t.Helper()
	for name, streams := range map[string]bool{"list": false, "streamed list": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newServer(streams)) })
		})
	}
}
