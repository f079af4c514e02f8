package informer_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/informer/informertest"
)

// Changes of other objects of the resource, which the informer does not get, move
// its watermark: the server sends a bookmark about every minute.
func TestServerBookmark(t *testing.T) {
	t.Parallel()
	c, elsewhere := newCluster(t), newCluster(t)
	inf, _ := run(t, c.config, informer.Options[*corev1.ConfigMap]{Namespace: c.namespace})
	if err := inf.WaitSynced(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	version := elsewhere.create("unseen", nil)
	if err := inf.WaitFor(within(t, 3*patience), version); err != nil {
		t.Error(err)
	}
	if inf.Len() != 0 {
		t.Errorf("there is %v", inf.List())
	}
}

// An informer outlives its server: it has what it had while the server is away,
// and catches up when the server is back.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	plane, err := controlplane.Start(t.Context(), controlplane.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := clusterOf(t, plane.Config())
	c.create("deleted", nil)
	c.create("kept", nil)
	inf, stop := run(t, c.config, informer.Options[*corev1.ConfigMap]{Namespace: c.namespace})
	kept := informertest.WaitKey(within(t, patience), t, inf, c.namespace, "kept", "exists", nil)
	handler := newRecorder(t, "handler")
	<-addHandler(t, inf, handler, informer.HandlerOptions{}).Synced()
	handler.take()

	if err := plane.RestartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.delete("deleted")
	version := c.create("created", nil)
	if err := inf.WaitFor(within(t, patience), version); err != nil {
		t.Fatal(err)
	}
	informertest.WaitGone(within(t, patience), t, inf, c.namespace, "deleted")
	informertest.WaitKey(within(t, patience), t, inf, c.namespace, "created", "exists", nil)
	if again, _ := inf.Get(c.namespace, "kept"); again != kept {
		t.Error("the object that did not change was stored anew")
	}
	stop()
	for _, call := range handler.take() {
		if strings.Contains(call, "kept") {
			t.Errorf("the object that did not change was reported: %s", call)
		}
	}
}

// A server that cannot be reached is an error of the call that waits, with the
// cause, when its time is over.
func TestServerUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	inf, stop := run(t, &rest.Config{Host: listener.Addr().String()}, informer.Options[*corev1.ConfigMap]{})
	err = inf.WaitSynced(within(t, time.Second))
	if !errors.Is(err, context.DeadlineExceeded) || !utilnet.IsConnectionRefused(err) {
		t.Errorf("WaitSynced: %v", err)
	}
	if !utilnet.IsConnectionRefused(inf.Err()) {
		t.Errorf("Err: %v", inf.Err())
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to stop", took)
	}
}
