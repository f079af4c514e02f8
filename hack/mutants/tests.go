//go:build darwin || linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tests are some tests and the way to run them.
type tests struct {
	packages []string
	run      string   // regular expression, as with go test; empty: all
	flags    []string // of go test
}

// args are the arguments of the go command. An overlay is that of a mutant, and empty without one.
func (t tests) args(overlay string) []string {
	args := []string{"test", "-json", "-vet=off", "-failfast", "-timeout=1m"}
	if overlay != "" {
		args = append(args, "-count=1", "-overlay="+overlay) // a test that passed before is run again
	}
	args = append(args, t.flags...)
	if t.run != "" {
		args = append(args, "-run="+t.run)
	}
	return append(args, t.packages...)
}

func (t tests) String() string { return "go " + strings.Join(t.args(""), " ") }

// A result is how tests went.
type result struct {
	passed  bool
	by, how string // if not: the test that failed first, and what it died of if it did not fail by itself
	output  string
}

var (
	errBuild   = errors.New("it does not compile")
	errNoTests = errors.New("there are no such tests")
)

// test runs tests in the module at root, with temporary files in dir. The error is errBuild or errNoTests if they
// were not run, and the cause of ctx if that is done: then all processes are killed.
func (t tests) test(ctx context.Context, root, dir, overlay string) (result, error) {
	cmd := exec.CommandContext(ctx, "go", t.args(overlay)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOTMPDIR="+dir)
	// A go command that is killed leaves tests and compilers running, so kill the whole group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what a test that died has left running
	}
	if ctx.Err() != nil {
		return result{}, context.Cause(ctx)
	}
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return result{}, err
	}
	r, readErr := readResult(out)
	if readErr == nil && r.passed && err != nil {
		readErr = fmt.Errorf("%v: %w: %s", t, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return r, readErr
}

// event is a line of go test -json.
type event struct {
	Action, Test, Output, FailedBuild string
}

// readResult reads the output of go test -json.
func readResult(out []byte) (result, error) {
	var (
		text    strings.Builder
		running []string // that have begun and not ended
		ran     int
		built   = true
		r       = result{passed: true}
	)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return r, fmt.Errorf("output of go test: %w", err)
		}
		text.WriteString(e.Output)
		built = built && e.FailedBuild == ""
		switch e.Action {
		case "run":
			ran++
			running = append(running, e.Test)
		case "pass", "skip", "fail":
			running = slices.DeleteFunc(running, func(name string) bool { return name == e.Test })
			if e.Action == "fail" {
				r.passed = false
				r.by = cmp.Or(r.by, e.Test) // a test comes behind its subtests, and a package at last
			}
		}
	}
	r.output = text.String()
	switch {
	case !built:
		return r, errBuild
	case r.passed && ran == 0:
		return r, errNoTests
	case r.passed:
		return r, nil
	case r.by == "" && len(running) > 0:
		r.by = running[len(running)-1] // it took the others with it
	}
	r.by = cmp.Or(r.by, "the package")
	for _, d := range deaths {
		if strings.Contains(r.output, d.sign) {
			r.how = d.name
			break
		}
	}
	return r, nil
}

// deaths are what tests die of, by what is in the output then: the first that is counts.
var deaths = []struct{ sign, name string }{
	{"WARNING: DATA RACE", "race"},
	{"panic: test timed out", "timeout"},
	{"deadlock", "deadlock"},
	{"goleak:", "leak"},
	{"panic:", "panic"},
	{"fatal error:", "panic"},
}
