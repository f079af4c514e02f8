// Command bench measures larder beside its peers: client-go, controller-runtime and the in-memory databases and
// maps that come closest. It prints a table of ratios, and writes it to RESULTS.md.
//
// A scenario is one question; its contenders answer it in turn, on the same objects, in one process. See
// [Scenario] for how to add one, and result.go for how a ratio comes about.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/pprof"
	"strings"
)

func main() {
	run := func() error { return bench(os.Args[1:], os.Stdout, os.Stderr) }
	if os.Getenv(asProcess) != "" {
		run = func() error { return serve(os.Stdin, os.Stdout) }
	}
	switch err := run(); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bench runs the program.
func bench(args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	quick := flags.Bool("quick", false, "take fewer objects, shorter turns and fewer rounds: less than 3 minutes in all")
	packed := flags.Bool("packing", false, "measure instead what caches of a real API server take, packed and not")
	only := flags.String("run", "", "run only the scenarios whose `names` match this regular expression, and write no report")
	rounds := flags.Int("rounds", 0, "how many `rounds` (default 9, with -quick 4, with -packing 1 or 2)")
	profile := flags.String("cpuprofile", "", "write a CPU profile to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	selected, err := regexp.Compile(*only)
	switch {
	case err != nil:
		return fmt.Errorf("-run: %w", err)
	case *rounds < 0:
		return fmt.Errorf("-rounds %d: there must be at least one", *rounds)
	case flags.NArg() > 0:
		return fmt.Errorf("arguments %q: only flags are understood; see -help", flags.Args())
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}

	if *packed {
		plan, folder := fullPacking(), "."
		if *quick {
			plan, folder = quickPacking(), "quick"
		}
		for i := range plan.sizes {
			plan.sizes[i].rounds = cmp.Or(*rounds, plan.sizes[i].rounds)
		}
		report := packingReport{command: command(args)}
		if err := report.measure(context.Background(), plan, selected, progress); err != nil {
			return err
		}
		if _, err := io.WriteString(out, report.Markdown()); err != nil || *only != "" {
			return err
		}
		if err := report.save(folder); err != nil || *quick {
			return err
		}
		return report.show()
	}
	w, folder := fullWorld(), "."
	if *quick {
		w, folder = quickWorld(), "quick"
	}
	if *rounds > 0 {
		w.Rounds = *rounds
	}
	report := Report{World: w, Command: command(args)}
	report.measure(selected, progress)
	if len(report.Results)+len(report.Growths) == 0 {
		return fmt.Errorf("-run %q matches no scenario", *only)
	}
	if _, err := io.WriteString(out, report.Markdown()); err != nil || *only != "" {
		return err
	}
	if err := report.save(folder); err != nil || *quick {
		return err
	}
	return errors.Join(
		os.WriteFile(chart, noisyNeighbour.draw(), 0o644),
		showIn(comparison, ratiosShown, report.Summary()),
	)
}

// command is what makes a report anew.
func command(args []string) string {
	return strings.Join(append([]string{"go -C bench run ."}, args...), " ")
}
