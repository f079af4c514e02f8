//go:build darwin || linux

// Command mutants proves that tests catch the mistakes which they are there for. Each mutant is one mistake, made
// by hand, in a protocol of a package: the tests are run on it, and have to fail.
//
// The mutants of a package are in a list beside this file, such as workqueue.txt: see list.go for the format. The
// work tree is not touched, as the go command gets the changed files as an overlay. All tests are first run
// without a mutant, and have to pass. It is an error if a mutant survives that is not marked as one that
// does, if a marked one is caught, if a mutant does not compile, and if the text that it changes is not there
// exactly once.
//
// Run it at the top of the repository:
//
//	go run ./hack/mutants                      all mutants
//	go run ./hack/mutants -package workqueue   those of one list
//	go run ./hack/mutants -run 'wake|drain'    those whose name matches
//	go run ./hack/mutants -v                   show the output of the tests that fail
package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

//go:embed *.txt
var lists embed.FS

func main() {
	opts := options{}
	flag.StringVar(&opts.list, "package", "", "run only the mutants of this list, such as workqueue")
	flag.StringVar(&opts.run, "run", "", "run only the mutants whose name matches this regular expression")
	flag.BoolVar(&opts.verbose, "v", false, "show the output of the tests that fail")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once

	err := run(ctx, opts, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	list, run string
	verbose   bool
}
