// Command next builds and tests larder against the next minor version of Kubernetes' libraries, before larder moves to
// it. It works on a copy, so that nothing here changes.
//
// Run it at the top of the repository, by make test-next or
//
//	go run ./hack/next                     the version below
//	go run ./hack/next -version v0.38.0    another one
//
// The Go toolchain that the version wants is fetched as Go fetches toolchains. A package whose tests need a module that
// the module proxy does not have is named and left out; that all packages build is required.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

const (
	version   = "v0.38.0-beta.0"
	toolchain = "go1.27.4"
)

// modules are those of Kubernetes that are released together.
var modules = []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go"}

// replaced are modules of which the beta wants a version that not every proxy has.
var replaced = map[string]string{"sigs.k8s.io/structured-merge-diff/v7": "v7.0.0"}

// added is what larder has to have beside what it has for the present version: methods whose types are new.
//
//go:embed clientgo.go.txt
var added []byte

func main() {
	wanted := flag.String("version", version, "of k8s.io/client-go and its siblings")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *wanted)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "next:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, wanted string) error {
	dir, err := os.MkdirTemp("", "larder-next-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(".", dir); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "pkg", "compat", "clientgo", "next.go"), added, 0o600); err != nil {
		return err
	}
	g := golang{dir}
	edit := []string{"mod", "edit"}
	for _, m := range modules {
		edit = append(edit, "-require="+m+"@"+wanted)
	}
	for m, v := range replaced {
		edit = append(edit, "-replace="+m+"="+m+"@"+v)
	}
	if _, err := g.run(ctx, edit...); err != nil {
		return err
	}
	fmt.Println("building with", modules, wanted, "by", toolchain, "(the first time takes some minutes)")
	if out, err := g.run(ctx, "build", "./pkg/...", "./internal/core/..."); err != nil {
		return fmt.Errorf("%w:\n%s", err, out)
	}
	return test(ctx, g)
}

// test runs the tests of all packages that can be built with what the proxy has.
func test(ctx context.Context, g golang) error {
	list, err := g.run(ctx, "list", "./pkg/...", "./internal/core/...")
	if err != nil {
		return err
	}
	passed, failed, leftOut := 0, 0, 0
	for pkg := range strings.FieldsSeq(string(list)) {
		out, err := g.run(ctx, "test", pkg)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			passed++
			fmt.Println("ok      ", pkg)
		case bytes.Contains(out, []byte("[setup failed]")), bytes.Contains(out, []byte("[build failed]")) && bytes.Contains(out, []byte("apiextensions-apiserver@")):
			leftOut++
			fmt.Println("left out", pkg, "- its tests need a module of another version:", firstLine(out))
		default:
			failed++
			fmt.Printf("FAIL     %s\n%s\n", pkg, out)
		}
	}
	fmt.Printf("%d packages passed, %d failed, %d left out; all are built\n", passed, failed, leftOut)
	if failed > 0 {
		return errors.New("tests failed")
	}
	return nil
}

func firstLine(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

// golang runs the go command in a folder.
type golang struct{ dir string }

func (g golang) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOTOOLCHAIN="+toolchain)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// copyModule copies what belongs to the module in a folder: no other modules, and nothing that is hidden.
func copyModule(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(path, "go.mod"))
			if path != from && (nested == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "bin") {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, path), 0o700)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), content, 0o600)
	})
}
