package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// result is how a suite went. Specs count as tests, what runs them does not.
type result struct {
	passed   int
	failed   []string
	excluded int
	// unrelated tells that the tests make nothing that could be larder's, and were not run.
	unrelated bool
}

// event is a line of go test -json.
type event struct {
	Action, Test, Output string
}

// test runs the tests of a package in the module in dir, with further flags.
func (s suite) test(ctx context.Context, dir string, opts options, pkg string, flags ...string) (result, error) {
	args := []string{"test", "-mod=mod", "-json", "-race", "-count=1", "-tags=peers", "-timeout=10m", "-run=" + opts.run}
	args = append(append(args, flags...), pkg)
	report := filepath.Join(dir, "specs.json")
	if s.specs != "" {
		args = append(args, "-args", "-ginkgo.json-report="+report)
	}
	cmd := goCommand(ctx, dir, args...)
	cmd.Env = append(cmd.Env, "LARDER_PEERS_FORM="+s.form)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return result{}, err
	}
	r, output, readErr := s.read(out)
	if readErr != nil {
		return r, readErr
	}
	if s.specs != "" {
		if readErr := r.addSpecs(report); readErr != nil && err == nil {
			return r, readErr
		}
	}
	if opts.verbose || len(r.failed) > 0 || err != nil {
		fmt.Print(output, stderr.String())
	}
	if err != nil && len(r.failed) == 0 {
		return r, fmt.Errorf("go test: %w", err)
	}
	return r, nil
}

// read counts the tests at the top, and returns what was printed.
func (s suite) read(out []byte) (r result, output string, err error) {
	var text strings.Builder
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return r, text.String(), fmt.Errorf("output of go test: %w", err)
		}
		text.WriteString(e.Output)
		if e.Test == "" || e.Test == s.specs || strings.Contains(e.Test, "/") {
			continue
		}
		switch e.Action {
		case "pass":
			r.passed++
		case "fail":
			r.failed = append(r.failed, e.Test)
		}
	}
	slices.Sort(r.failed)
	return r, text.String(), nil
}

// addSpecs counts the specs of Ginkgo's report instead of the test that runs them.
func (r *result) addSpecs(report string) error {
	content, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	var reports []struct {
		SpecReports []struct {
			LeafNodeType, LeafNodeText, State string
		}
	}
	if err := json.Unmarshal(content, &reports); err != nil {
		return fmt.Errorf("%s: %w", report, err)
	}
	for _, s := range reports {
		for _, spec := range s.SpecReports {
			switch {
			case spec.LeafNodeType != "It":
			case spec.State == "passed":
				r.passed++
			case spec.State != "skipped" && spec.State != "pending":
				r.failed = append(r.failed, fmt.Sprintf("%q", spec.LeafNodeText))
			}
		}
	}
	return nil
}
