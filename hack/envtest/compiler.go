//go:build darwin || linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/larder-dev/larder/internal/controlplane/assets"
)

// pinsDir is the module whose go.mod pins what is compiled, seen from the top of the repository.
const pinsDir = "hack/envtest/pins"

// A program is one binary of the control plane.
type program struct {
	name    string // of the binary
	pkg     string // its main package, a tool in the pins' go.mod
	version string
	banner  string   // the first line that the binary prints when asked for its version
	stamps  []string // package variables that the linker sets
}

func programs() []program {
	// Kubernetes learns its version from the linker alone: without this it calls itself v0.0.0-master.
	var stamps []string
	number := strings.Split(strings.TrimPrefix(assets.KubernetesVersion, "v"), ".")
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		stamps = append(stamps,
			pkg+".gitVersion="+assets.KubernetesVersion,
			pkg+".gitMajor="+number[0],
			pkg+".gitMinor="+number[1])
	}
	return []program{
		{
			name:    assets.APIServer,
			pkg:     "k8s.io/kubernetes/cmd/kube-apiserver",
			version: assets.KubernetesVersion,
			banner:  "Kubernetes " + assets.KubernetesVersion,
			stamps:  stamps,
		},
		{
			name:    assets.Etcd,
			pkg:     "go.etcd.io/etcd/server/v3",
			version: assets.EtcdVersion,
			banner:  "etcd Version: " + strings.TrimPrefix(assets.EtcdVersion, "v"),
		},
	}
}

// A compiler makes the programs with the go command.
type compiler struct {
	progress progress
}

// compile builds every program into binDir and asks each for its version. workDir is where the go command
// keeps its temporary files, so that they go when it is removed. If ctx is done it kills the build at once
// and returns the cause.
func (c compiler) compile(ctx context.Context, binDir, workDir string) error {
	c.progress.say("building the control plane for tests from source; the first time takes about five minutes on two cores")
	for _, p := range programs() {
		if err := c.compileOne(ctx, p, filepath.Join(binDir, p.name), workDir); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx) // the signal, rather than what it did to the child
			}
			return fmt.Errorf("build %s: %w", p.name, err)
		}
	}
	return nil
}

func (c compiler) compileOne(ctx context.Context, p program, path, workDir string) error {
	defer c.progress.start("building " + p.name + " " + p.version)()
	if err := goBuild(ctx, p, path, workDir); err != nil {
		return err
	}
	return checkVersion(ctx, p, path)
}

func goBuild(ctx context.Context, p program, path, workDir string) error {
	ldflags := []string{"-s", "-w"}
	for _, stamp := range p.stamps {
		ldflags = append(ldflags, "-X", stamp)
	}
	cmd := exec.CommandContext(ctx, "go", "-C", pinsDir, "build", "-trimpath", "-buildvcs=false",
		"-ldflags="+strings.Join(ldflags, " "), "-o", path, p.pkg)
	cmd.Env = append(os.Environ(),
		"GOTMPDIR="+workDir,
		"GOWORK=off",
		"CGO_ENABLED=0",
		// The user's flags (-race, -mod=mod, -tags, …) are for the user's own builds. Empty would not do: the
		// go command would then use those that "go env -w" has stored.
		"GOFLAGS=-mod=readonly")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	// A go command that is killed leaves its compilers running, so kill the whole group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}

var errWrongVersion = errors.New("it does not report the version that was asked for")

// checkVersion runs the binary, which shows that it runs at all, and compares what it calls itself.
func checkVersion(ctx context.Context, p program, path string) error {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return fmt.Errorf("run it: %w", err)
	}
	if banner, _, _ := strings.Cut(string(out), "\n"); banner != p.banner {
		return fmt.Errorf("%w: %q instead of %q", errWrongVersion, banner, p.banner)
	}
	return nil
}
