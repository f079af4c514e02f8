//go:build darwin || linux

// Command envtest makes sure that the control plane for larder's tests, a real kube-apiserver and etcd, is on
// this machine, and prints the folder that holds it: the value for KUBEBUILDER_ASSETS.
//
// It compiles both from source, because that needs nothing but a Go module proxy. The first time takes about
// five minutes on two cores and 3 GB of build cache; afterwards the binaries lie in the user's cache folder
// and the answer comes at once. If KUBEBUILDER_ASSETS is set already, that folder is checked and printed, and
// nothing is built.
//
// Run it at the top of the repository: go run ./hack/envtest
//
// Standard output holds the folder and nothing else; progress goes to standard error. An interrupt leaves
// nothing half-made behind, and any number of copies may run at once: one builds, the others wait for it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/larder-dev/larder/internal/controlplane/assets"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once

	dir, err := run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "envtest:", err)
		os.Exit(1)
	}
	fmt.Println(dir)
}

// run returns the folder that holds the control plane, after building it if need be.
func run(ctx context.Context) (string, error) {
	dir, err := assets.Find()
	if err == nil || os.Getenv(assets.EnvDir) != "" {
		return dir, err // a folder that the user chose is never built into
	}
	root, err := assets.Root()
	if err != nil {
		return "", err
	}
	progress := progress{out: os.Stderr, every: 15 * time.Second}
	b := builder{
		root:     root,
		name:     assets.Name(),
		compile:  compiler{progress}.compile,
		progress: progress,
	}
	return b.ensure(ctx)
}
