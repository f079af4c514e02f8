package clientgo_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// envMutate tells a copy of this test binary to change an object of the cache.
const envMutate = "LARDER_TEST_MUTATE"

// With client-go's mutation detector switched on, which is when the process starts,
// a change to an object of the cache ends the process: also to one that was decoded for
// its reader, and might have been kept for others.
func TestMutationDetector(t *testing.T) {
	if os.Getenv(envMutate) != "" {
		inBubbles(t, func(t *testing.T, b *bed) {
			b.Add(pod("a"))
			inf := b.informer(0)
			b.run(inf)
			obj, _, err := inf.GetStore().GetByKey("default/a")
			if err != nil {
				t.Fatal(err)
			}
			obj.(*corev1.Pod).Labels = map[string]string{"changed": "true"}
			time.Sleep(time.Minute)
		})
		return
	}
	inForms(t, func(t *testing.T, f form) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMutationDetector$/^"+strings.ReplaceAll(f.name, " ", "_")+"$")
		cmd.Env = append(os.Environ(), envMutate+"=true", "KUBE_CACHE_MUTATION_DETECTOR=true")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: cache *v1.Pod modified") {
			t.Errorf("the process ended with %v and said\n%s", err, out)
		}
	})
}
