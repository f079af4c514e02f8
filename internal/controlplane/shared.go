package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared is the test binary's control plane.
var shared struct {
	mu     sync.Mutex
	main   bool // Runner.Run runs, and will stop the plane
	plane  *ControlPlane
	failed error // of the one attempt to start it
}

var errNoMain = errors.New("nobody would stop the shared control plane: have TestMain run the tests by controlplane.Main")

// A Runner runs the tests of a test binary, and stops the shared control plane when they have run.
type Runner struct {
	m *testing.M
}

// Main returns a Runner for TestMain to run, or to hand to goleak.VerifyTestMain.
func Main(m *testing.M) *Runner { return &Runner{m} }

// Run runs the tests and returns the exit code, which is not 0 either if the control plane does not stop.
func (r *Runner) Run() int {
	shared.mu.Lock()
	shared.main = true
	shared.mu.Unlock()

	code := r.m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.main = false
	if shared.plane == nil {
		return code
	}
	if err := shared.plane.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the shared control plane:", err)
		return max(code, 1)
	}
	return code
}

// Shared returns the test binary's control plane, after starting it if this is the first call. It fails the
// test if there is none to be had, and does not try to start it a second time.
func Shared(t testing.TB) *ControlPlane {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.main {
		t.Fatal(errNoMain)
	}
	if shared.plane == nil && shared.failed == nil {
		shared.plane, shared.failed = Start(context.Background(), Options{}) // it outlives t
	}
	if shared.failed != nil {
		t.Fatal(shared.failed)
	}
	return shared.plane
}
