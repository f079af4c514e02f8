//go:build darwin || linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// run runs the mutants of the lists in the folder that it is started in, and reports to out.
func run(ctx context.Context, opts options, out io.Writer) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	all, err := readLists(lists)
	if err != nil {
		return err
	}
	chosen, err := choose(all, opts)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "larder-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := runner{root: root, dir: dir, verbose: opts.verbose, out: out}
	err = r.runAll(ctx, chosen)
	if ctx.Err() != nil {
		return context.Cause(ctx) // rather than what it did to the tests
	}
	return err
}

// A runner runs mutants of the module at root.
type runner struct {
	root    string
	dir     string // for temporary files
	verbose bool
	out     io.Writer
}

// runAll runs mutants, unless one does not apply. The error says how many are not as their lists have them.
func (r runner) runAll(ctx context.Context, mutants []*mutant) error {
	start := time.Now()
	files := make([]map[string]string, len(mutants))
	var errs []error
	for i, m := range mutants {
		var err error
		if files[i], err = m.files(r.root); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := r.runBare(ctx, mutants); err != nil {
		return err
	}
	caught, survived, wrong := 0, 0, 0
	for i, m := range mutants {
		began := time.Now()
		v, err := r.runOne(ctx, m, files[i])
		if err != nil {
			return err
		}
		fmt.Fprintf(r.out, "%-10s %-28s %s, %.1fs\n", m.list, m.name, v.text, time.Since(began).Seconds())
		switch {
		case v.wrong:
			wrong++
		case m.survives != "":
			survived++
		default:
			caught++
		}
	}
	fmt.Fprintf(r.out, "%d mutants in %v: %d caught, %d survive as they should, %d are wrong\n",
		len(mutants), time.Since(start).Round(time.Second), caught, survived, wrong)
	if wrong > 0 {
		return fmt.Errorf("%d of %d mutants are not as their lists have them", wrong, len(mutants))
	}
	return nil
}

// runBare runs the tests of all mutants without a mutant: those that are run in the same way together.
func (r runner) runBare(ctx context.Context, mutants []*mutant) error {
	start := time.Now()
	for _, t := range together(mutants) {
		result, err := t.test(ctx, r.root, r.dir, "")
		if err == nil && !result.passed {
			err = fmt.Errorf("%s fails", result.by)
		}
		if err != nil {
			fmt.Fprint(r.out, result.output)
			return fmt.Errorf("without a mutant: %w: %v", err, t)
		}
	}
	fmt.Fprintf(r.out, "all tests pass without a mutant, after %v\n", time.Since(start).Round(time.Second))
	return nil
}

// together returns the tests of all mutants, in as few as possible.
func together(mutants []*mutant) []tests {
	var all []tests
	for _, m := range mutants {
		i := slices.IndexFunc(all, func(t tests) bool {
			return slices.Equal(t.packages, m.tests.packages) && slices.Equal(t.flags, m.tests.flags)
		})
		if i < 0 {
			all = append(all, m.tests)
			continue
		}
		switch t := &all[i]; {
		case t.run == "" || m.tests.run == "":
			t.run = ""
		case !slices.Contains(strings.Split(t.run, "|"), m.tests.run):
			t.run += "|" + m.tests.run
		}
	}
	return all
}

// A verdict says what became of a mutant.
type verdict struct {
	text  string
	wrong bool // it is not what the list says
}

func (r runner) runOne(ctx context.Context, m *mutant, files map[string]string) (verdict, error) {
	dir, err := os.MkdirTemp(r.dir, "")
	if err != nil {
		return verdict{}, err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(r.root, dir, files)
	if err != nil {
		return verdict{}, err
	}
	result, err := m.tests.test(ctx, r.root, dir, overlay)
	if err != nil && !errors.Is(err, errBuild) && !errors.Is(err, errNoTests) {
		return verdict{}, fmt.Errorf("%v: %w", m, err)
	}
	v := judge(m, result, err)
	if r.verbose && !result.passed || err != nil {
		fmt.Fprint(r.out, result.output)
	}
	return v, nil
}

// judge compares what the tests of a mutant did with what the list says.
func judge(m *mutant, r result, err error) verdict {
	by := "caught by " + r.by
	if r.how != "" {
		by += " (" + r.how + ")"
	}
	switch {
	case err != nil:
		return verdict{text: "ERROR: " + err.Error(), wrong: true}
	case r.passed && m.survives == "":
		return verdict{text: "SURVIVED: " + m.breaks, wrong: true}
	case r.passed:
		return verdict{text: "survives: " + m.survives}
	case m.survives != "":
		return verdict{text: by + ", but is LISTED AS A SURVIVOR", wrong: true}
	default:
		return verdict{text: by}
	}
}
