package apitest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// envMutate tells a copy of a test binary to change an object.
const envMutate = "LARDER_TEST_MUTATE"

// Mutation checks whether client-go's mutation detector strikes at change, which changes an
// object of a cache of the given name, and lets a minute pass. The detector is switched on
// when a process starts, so that the present test, which does nothing else, is run by a
// process of its own.
func Mutation(t *testing.T, cache string, detected bool, change func()) {
	t.Helper()
	if os.Getenv(envMutate) != "" {
		change()
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	cmd.Env = append(os.Environ(), envMutate+"=true", "KUBE_CACHE_MUTATION_DETECTOR=true")
	out, err := cmd.CombinedOutput()
	if (err != nil) != detected || detected != strings.Contains(string(out), "panic: cache "+cache+" modified") {
		t.Errorf("the process ended with %v and said\n%s", err, out)
	}
}
