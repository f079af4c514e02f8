package gomap_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A program that imports only the store has larder alone in its go.mod: Kubernetes, of
// which the rest of larder needs so much, is not brought along.
func TestModuleOfTheStoreAlone(t *testing.T) {
	root, err := filepath.Abs("../..")
	must(t, err)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module scratch\n\ngo 1.26\n\nrequire github.com/larder-dev/larder v0.0.0\n\n" +
			"replace github.com/larder-dev/larder => " + root + "\n",
		"main.go": `package main

import (
	"fmt"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

func main() {
	s := gomap.NewMemStore[int](store.StoreOptions[int]{})
	defer s.Close()
	_, err := s.Set("numbers", "one", 1)
	n, ok, _ := s.Get("numbers", "one")
	fmt.Println(n, ok, err)
}
`,
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, err.(*exec.ExitError).Stderr) //nolint:errorlint // it is what Output returns
		}
		return string(out)
	}
	run("mod", "tidy")
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	must(t, err)
	for line := range strings.Lines(string(mod)) {
		if strings.Contains(line, " v") && !strings.Contains(line, "github.com/larder-dev/larder") {
			t.Errorf("go.mod requires %s", line)
		}
	}
	if deps := run("list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "."); strings.Contains(deps, "k8s.io") {
		t.Errorf("the program is built of\n%s", deps)
	}
	if got := run("run", "."); got != "1 true <nil>\n" {
		t.Errorf("the program prints %q", got)
	}
}
