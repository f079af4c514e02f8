package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/larder-dev/larder/examples/controller/mirror"
	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/controller"
)

// tell starts a control plane, tells the story on it, and stops it again; with stay
// not before ctx ends. It returns an error if an expectation was not met.
func tell(ctx context.Context, stay bool, logger logr.Logger, out io.Writer) (err error) {
	begun := time.Now()
	fmt.Fprintln(out, "Starting a kube-apiserver and an etcd on this machine.")
	plane, err := controlplane.Start(ctx, controlplane.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plane.Stop()) }()
	fmt.Fprintf(out, "They serve after %s. No cluster is touched.\n\n", took(begun))
	return tellOn(ctx, plane.Config(), stay, logger, out)
}

// tellOn runs the mirror and the story side by side on the cluster of cfg. Everything
// that watches has ended when it returns.
func tellOn(ctx context.Context, cfg *rest.Config, stay bool, logger logr.Logger, out io.Writer) error {
	m, err := mirror.New(cfg, mirror.Options{Logger: logger})
	if err != nil {
		return err
	}
	o, err := newObserver(cfg, logger)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}

	ctx, end := context.WithCancel(ctx)
	defer end()
	s := &story{client: client, observer: o, out: out}
	script := manager.RunnableFunc(func(ctx context.Context) error {
		defer end() // the story is what the others run for
		if err := s.tell(ctx); err != nil {
			return err
		}
		if stay {
			return linger(ctx, cfg, out)
		}
		return nil
	})
	return controller.Run(ctx, append(append(m.Runnables(), o.runnables()...), script)...)
}

// linger says how to look around, and waits for the end of ctx.
func linger(ctx context.Context, cfg *rest.Config, out io.Writer) error {
	path, remove, err := writeKubeconfig(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `
Everything keeps running until you press Ctrl-C. In another terminal:

  export KUBECONFIG=%s
  kubectl get configmaps -A -L app.kubernetes.io/managed-by
  kubectl create configmap hello -n default --from-literal=greeting=hi
  kubectl annotate configmap hello -n default larder.dev/mirror-to=team
`, path)
	<-ctx.Done()
	return remove()
}

// took says how long something took that began then.
func took(begun time.Time) string { return rounded(time.Since(begun)) }

// rounded prints a duration as precisely as one cares for.
func rounded(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", max(1, d.Round(time.Millisecond).Milliseconds()))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
