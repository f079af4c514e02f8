//go:build darwin || linux

package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-dev/larder/internal/controlplane/assets"
)

// A folder that the user names is used if it is good, and refused if it is not; it is never built into.
func TestOverride(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(assets.EnvDir, dir)
	_, err := run(t.Context())
	if missing, ok := errors.AsType[*assets.MissingError](err); !ok || missing.Dir != dir {
		t.Fatalf("the error is %v", err)
	}
	wantOnly(t, dir)

	if err := compileStub(t.Context(), dir, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := run(t.Context()); err != nil || got != dir {
		t.Fatalf("run() = %q, %v; want %q", got, err, dir)
	}
}

func TestCheckVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kube-apiserver")
	script := "#!/bin/sh\n[ \"$1\" = --version ] && echo Kubernetes v1.2.3 && echo more\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkVersion(t.Context(), program{banner: "Kubernetes v1.2.3"}, path); err != nil {
		t.Fatal(err)
	}
	if err := checkVersion(t.Context(), program{banner: "Kubernetes v1.2.30"}, path); !errors.Is(err, errWrongVersion) {
		t.Fatalf("the error is %v", err)
	}
	if err := checkVersion(t.Context(), program{}, path+"-not-there"); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the error is %v", err)
	}
}

// The pinned module and package assets name the same versions, and Kubernetes gets the staging modules of its
// own release: v0.X.Y belongs to v1.X.Y.
func TestPins(t *testing.T) {
	type module struct{ Path, Version string }
	var pins struct {
		Require []module
		Replace []struct{ Old, New module }
	}
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", "pins/go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &pins); err != nil {
		t.Fatal(err)
	}
	required := map[string]string{}
	for _, m := range pins.Require {
		required[m.Path] = m.Version
	}
	if got := required["k8s.io/kubernetes"]; got != assets.KubernetesVersion {
		t.Errorf("go.mod requires Kubernetes %s, package assets has %s", got, assets.KubernetesVersion)
	}
	if got := required["go.etcd.io/etcd/server/v3"]; got != assets.EtcdVersion {
		t.Errorf("go.mod requires etcd %s, package assets has %s", got, assets.EtcdVersion)
	}
	staging := strings.Replace(assets.KubernetesVersion, "v1.", "v0.", 1)
	if len(pins.Replace) == 0 {
		t.Error("go.mod replaces no staging module")
	}
	for _, r := range pins.Replace {
		if r.New != (module{r.Old.Path, staging}) {
			t.Errorf("go.mod replaces %s by %v, want its %s", r.Old.Path, r.New, staging)
		}
	}
}
