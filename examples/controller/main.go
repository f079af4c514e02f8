// Command controller runs the mirror, a controller that keeps copies of ConfigMaps
// in other namespaces; see package mirror for what it does.
//
// Without flags it needs no cluster. It starts a kube-apiserver and an etcd of its
// own, tells a short story on them, and checks that the mirror does what it
// promises:
//
//	go run ./examples/controller
//
// With -stay everything keeps running after the story, to be tried out with kubectl.
// With -kubeconfig, or inside a cluster, it is a real controller with leader
// election, metrics and health endpoints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2/textlogger"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// The exit codes, beside 0.
const (
	exitFailed      = 1   // an expectation was not met, or the program could not run
	exitUsage       = 2   // wrong flags
	exitInterrupted = 130 // by a signal, before the story was over
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are what the flags say.
type settings struct {
	stay       bool
	verbose    bool
	kubeconfig string
	serving    serving
}

// run is main without its surroundings.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s settings
	flags := flag.NewFlagSet("controller", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&s.stay, "stay", false, "after the story, keep the control plane and the mirror running until interrupted")
	flags.BoolVar(&s.verbose, "v", false, "log what the mirror does, not only its errors")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "run in the cluster of this `file`'s current context; without it and outside a cluster, the story is told")
	flags.IntVar(&s.serving.workers, "workers", 4, "in a cluster: how many ConfigMaps are worked on at the same time")
	flags.StringVar(&s.serving.metricsAddress, "metrics-bind-address", ":8080", "in a cluster: where /metrics is served; 0 for nowhere")
	flags.StringVar(&s.serving.healthAddress, "health-probe-bind-address", ":8081", "in a cluster: where /healthz and /readyz are served; 0 for nowhere")
	flags.BoolVar(&s.serving.elect, "leader-elect", true, "in a cluster: work only while elected among the replicas")
	flags.StringVar(&s.serving.namespace, "leader-election-namespace", "", "in a cluster: where the lease is; default: the namespace of the Pod, or of the kubeconfig's context")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "unknown argument %q; see -help\n", flags.Arg(0))
		return exitUsage
	}

	err := s.run(ctx, stdout, stderr)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "interrupted")
		return exitInterrupted
	default:
		fmt.Fprintln(stderr, "error:", err)
		return exitFailed
	}
}

// run decides where to run.
func (s *settings) run(ctx context.Context, stdout, stderr io.Writer) error {
	if s.kubeconfig != "" {
		loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			&clientcmd.ClientConfigLoadingRules{ExplicitPath: s.kubeconfig}, nil)
		cfg, err := loader.ClientConfig()
		if err != nil {
			return fmt.Errorf("-kubeconfig: %w", err)
		}
		if s.serving.namespace == "" {
			if s.serving.namespace, _, err = loader.Namespace(); err != nil {
				return fmt.Errorf("-kubeconfig: %w", err)
			}
		}
		return s.serving.run(ctx, cfg, s.logger(stderr))
	}
	cfg, err := rest.InClusterConfig()
	switch {
	case err == nil:
		return s.serving.run(ctx, cfg, s.logger(stderr))
	case errors.Is(err, rest.ErrNotInCluster):
		return tell(ctx, s.stay, s.logger(stderr), stdout)
	default:
		return fmt.Errorf("in-cluster configuration: %w", err)
	}
}

// logger returns the logger of everything, which controller-runtime is told too.
func (s *settings) logger(to io.Writer) logr.Logger {
	logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(to)))
	if !s.verbose {
		logger = logger.V(1) // errors are logged at every level
	}
	log.SetLogger(logger)
	return logger
}
