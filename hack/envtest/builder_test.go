//go:build darwin || linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/larder-dev/larder/internal/controlplane/assets"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newBuilder returns a builder in a folder of the test's own, which takes compile for the real thing.
func newBuilder(root string, compile func(ctx context.Context, binDir, workDir string) error) builder {
	return builder{root: root, name: "v0", compile: compile, progress: progress{out: io.Discard, every: time.Hour}}
}

// compileStub makes two files that pass for binaries.
func compileStub(_ context.Context, binDir, _ string) error {
	return errors.Join(
		os.WriteFile(filepath.Join(binDir, assets.APIServer), []byte("#!"), 0o755),
		os.WriteFile(filepath.Join(binDir, assets.Etcd), []byte("#!"), 0o755),
	)
}

func compileNever(context.Context, string, string) error { return errors.New("must not be built") }

// wantOnly fails unless root holds the named entries, beside the lock.
func wantOnly(t *testing.T, root string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		if entry.Name() != lockName {
			got = append(got, entry.Name())
		}
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Fatalf("the folder holds %q, want %q", got, names)
	}
}

func TestBuildOnce(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "there", "yet")
	want := filepath.Join(root, "v0")
	for _, compile := range []func(context.Context, string, string) error{compileStub, compileNever} {
		dir, err := newBuilder(root, compile).ensure(t.Context())
		if err != nil || dir != want {
			t.Fatalf("ensure() = %q, %v; want %q", dir, err, want)
		}
		wantOnly(t, root, "v0")
	}
	if err := assets.Check(want); err != nil {
		t.Fatal(err)
	}
}

// However many build at the same time, one compiles; the others say that they wait, and get its result.
func TestConcurrentBuilders(t *testing.T) {
	const waiters = 4
	root := t.TempDir()
	waiting := make(chan string, waiters)
	var compiled atomic.Int32
	first := make(chan struct{})
	compile := func(ctx context.Context, binDir, workDir string) error {
		compiled.Add(1)
		close(first)
		for range waiters { // do not finish before all of them have found the lock taken
			if said := <-waiting; !strings.Contains(said, "waiting for another build") {
				t.Errorf("a waiter said %q", said)
			}
		}
		return compileStub(ctx, binDir, workDir)
	}
	var all sync.WaitGroup
	ensure := func(out io.Writer) {
		b := newBuilder(root, compile)
		b.progress.out = out
		if dir, err := b.ensure(t.Context()); err != nil || assets.Check(dir) != nil {
			t.Errorf("ensure() = %q, %v, %v", dir, err, assets.Check(dir))
		}
	}
	all.Go(func() { ensure(io.Discard) })
	<-first
	for range waiters {
		all.Go(func() { ensure(writerFunc(func(line string) { waiting <- line })) })
	}
	all.Wait()
	if n := compiled.Load(); n != 1 {
		t.Fatalf("compiled %d times", n)
	}
	wantOnly(t, root, "v0")
}

type writerFunc func(string)

func (f writerFunc) Write(p []byte) (int, error) {
	f(string(p))
	return len(p), nil
}

var errSignal = errors.New("a signal")

// An interrupted build leaves nothing behind, and neither it nor an interrupted waiter keeps the lock.
func TestInterrupt(t *testing.T) {
	root := t.TempDir()
	compiling := make(chan struct{})
	halfBuild := func(ctx context.Context, binDir, workDir string) error {
		if err := os.WriteFile(filepath.Join(binDir, assets.Etcd), nil, 0o755); err != nil {
			return err
		}
		close(compiling)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	var both sync.WaitGroup
	builderCtx, interruptBuilder := context.WithCancelCause(t.Context())
	both.Go(func() {
		if _, err := newBuilder(root, halfBuild).ensure(builderCtx); !errors.Is(err, errSignal) {
			t.Errorf("the interrupted builder's error is %v", err)
		}
	})
	<-compiling

	waiterCtx, interruptWaiter := context.WithCancelCause(t.Context())
	waiter := newBuilder(root, compileNever)
	waiter.progress.out = writerFunc(func(string) { interruptWaiter(errSignal) })
	if _, err := waiter.ensure(waiterCtx); !errors.Is(err, errSignal) {
		t.Errorf("the interrupted waiter's error is %v", err)
	}

	interruptBuilder(errSignal)
	both.Wait()
	wantOnly(t, root)

	if _, err := newBuilder(root, compileStub).ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, root, "v0")
}

func TestFailedBuild(t *testing.T) {
	errCompile := errors.New("does not compile")
	root := t.TempDir()
	fail := func(context.Context, string, string) error { return errCompile }
	if _, err := newBuilder(root, fail).ensure(t.Context()); !errors.Is(err, errCompile) {
		t.Fatalf("the error is %v", err)
	}
	incomplete := func(_ context.Context, binDir, _ string) error {
		return os.WriteFile(filepath.Join(binDir, assets.APIServer), nil, 0o755)
	}
	_, err := newBuilder(root, incomplete).ensure(t.Context())
	if missing, ok := errors.AsType[*assets.MissingError](err); !ok || missing.Binary != assets.Etcd {
		t.Fatalf("the error is %v", err)
	}
	wantOnly(t, root)
}

// What a killed build or a careless user left does not get in the way of a new build, and goes.
func TestLeftovers(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{".building-123/bin", "v0"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, dir, assets.Etcd), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := newBuilder(root, compileStub).ensure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := assets.Check(dir); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, root, "v0")
}

func TestProgress(t *testing.T) {
	ticked := make(chan struct{})
	var out bytes.Buffer
	tick := sync.OnceFunc(func() { close(ticked) })
	p := progress{every: time.Millisecond, out: writerFunc(func(line string) {
		out.WriteString(line)
		if strings.HasSuffix(line, " so far\n") {
			tick()
		}
	})}
	stop := p.start("building")
	<-ticked
	stop()
	if !strings.HasPrefix(out.String(), "envtest: building\nenvtest: building: 0s so far\n") {
		t.Fatalf("it said %q", out.String())
	}
}
