// Command peers runs the test suites of client-go and controller-runtime, and of programs that use them,
// against larder.
//
// It takes a suite's test files out of the module cache into a temporary module, points the constructors at
// larder's by a shim, leaves out what excluded.txt names, runs the rest with the race detector and reports
// how many tests passed, failed and were excluded. Nothing of the peers is kept.
//
// Kubernetes' controllers and Cluster API are tested as they are, over a copy of client-go or controller-runtime
// whose constructors call larder's.
//
// Run it at the top of the repository:
//
//	go run ./hack/peers                  every suite, but of the programs few
//	go run ./hack/peers -all             all of Kubernetes' controllers too: hours
//	go run ./hack/peers tools/cache      those whose name contains this
//	go run ./hack/peers -keep -v         keep the temporary module; show the tests' output
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	opts := options{}
	flag.BoolVar(&opts.keep, "keep", false, "keep the temporary modules, and print where they are")
	flag.BoolVar(&opts.verbose, "v", false, "show the output of the tests, and why others are excluded")
	flag.BoolVar(&opts.all, "all", false, "run the tests of all of Kubernetes' controllers")
	flag.StringVar(&opts.run, "run", "", "run only the tests that match, as with go test")
	flag.Parse()
	opts.only = flag.Arg(0)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, opts)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	keep, verbose bool
	all           bool
	run           string
	only          string
}

// run runs the suites. The error says which had failures.
func run(ctx context.Context, opts options) error {
	excluded, err := readExclusions()
	if err != nil {
		return err
	}
	chosen, err := choose(ctx, opts)
	if err != nil {
		return err
	}
	var failed []string
	for _, s := range chosen {
		r, err := s.run(ctx, excluded[s.name], opts)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if r.unrelated {
			fmt.Printf("%-50s has nothing to do with informers\n", s.name)
			continue
		}
		fmt.Printf("%-50s %3d passed, %d failed, %d excluded\n", s.name, r.passed, len(r.failed), r.excluded)
		for _, name := range r.failed {
			fmt.Println("  FAIL", name)
			failed = append(failed, name)
		}
		if opts.verbose {
			for name, reason := range excluded[s.name] {
				fmt.Printf("  excluded %s: %s\n", name, reason)
			}
		}
	}
	if len(failed) > 0 {
		return errors.New("failed: " + strings.Join(failed, ", "))
	}
	return nil
}
