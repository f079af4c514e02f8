// Command clientgo-operator is an operator in the style of Kubernetes'
// sample-controller: typed client, generated-style listers, shared informers of a
// factory, a workqueue. It keeps a ConfigMap for every Greeting; crd.yaml defines
// them. One line in greeting/informers.go decides whether its informers are
// larder's or client-go's, and its tests run with both.
//
//	kubectl apply -f examples/clientgo-operator/crd.yaml
//	go run ./examples/clientgo-operator -kubeconfig ~/.kube/config
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/larder-dev/larder/examples/clientgo-operator/greeting"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the cluster; without it, the one that the program is in")
	workers := flag.Int("workers", 2, "how many Greetings are dealt with at a time")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err == nil {
		err = run(ctx, config, *workers)
	}
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// resync is how often everything is looked at again, though nothing has changed.
const resync = 10 * time.Minute

// run runs the operator until ctx is done.
func run(ctx context.Context, config *rest.Config, workers int) error {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	client, err := greeting.NewClient(config)
	if err != nil {
		return err
	}
	controller, err := greeting.NewController(kube, client, greeting.NewInformers(kube, client, resync))
	if err != nil {
		return err
	}
	return controller.Run(ctx, workers)
}
