package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// writeModule writes go.mod and go.sum into dir, and returns the folder of the peer in the module cache.
//
// The module's path is below the peer's package, so that it may import what is internal there. It requires
// what larder requires, at larder's versions, and what the peer's tests do.
func (s suite) writeModule(ctx context.Context, dir string) (peerDir string, err error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if peerDir, err = goOutput(ctx, root, "list", "-m", "-f", "{{.Dir}}", s.module); err != nil {
		return "", err
	}
	lines := []string{
		"module " + s.importPath() + "/larder",
		"go 1.26.0",
		"require github.com/larder-dev/larder v0.0.0",
		"replace github.com/larder-dev/larder => " + root,
	}
	var sums []byte
	for _, of := range []string{root, peerDir} {
		mod, err := readMod(ctx, of)
		if err != nil {
			return "", err
		}
		lines = append(lines, mod.requirements()...)
		sum, err := os.ReadFile(filepath.Join(of, "go.sum"))
		if err != nil {
			return "", err
		}
		sums = append(sums, sum...)
	}
	return peerDir, writeMod(dir, lines, sums)
}

// writeMod writes the go.mod of a temporary module, line by line, and its go.sum.
func writeMod(dir string, lines []string, sums []byte) error {
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600)
}

// modFile is what there is in a go.mod.
type modFile struct {
	Require []struct{ Path, Version string }
	Replace []struct{ Old, New struct{ Path string } }
}

func readMod(ctx context.Context, dir string) (mod modFile, err error) {
	out, err := goOutput(ctx, dir, "mod", "edit", "-json")
	if err != nil {
		return mod, err
	}
	if err := json.Unmarshal([]byte(out), &mod); err != nil {
		return mod, fmt.Errorf("go.mod of %s: %w", dir, err)
	}
	return mod, nil
}

// requirements returns what the module requires, as lines of a go.mod.
func (m modFile) requirements() []string {
	var lines []string
	for _, r := range m.Require {
		lines = append(lines, "require "+r.Path+" "+r.Version)
	}
	slices.Sort(lines)
	return lines
}

// goCommand returns the go tool, outside any workspace, free to fetch what a temporary module lacks.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	return cmd
}

func goOutput(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := goCommand(ctx, dir, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
