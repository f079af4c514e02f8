package assets_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-dev/larder/internal/controlplane/assets"
)

// useCache points the user's cache folder at a fresh one and clears the override.
func useCache(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
	t.Setenv(assets.EnvDir, "")
	root, err := assets.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, assets.Name())
}

// fill writes files named after the binaries into dir.
func fill(t *testing.T, dir string, mode fs.FileMode, names ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!"), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindInCache(t *testing.T) {
	want := useCache(t)
	fill(t, want, 0o755, assets.APIServer, assets.Etcd)
	got, err := assets.Find()
	if err != nil || got != want {
		t.Fatalf("Find() = %q, %v; want %q", got, err, want)
	}
}

func TestFindPrefersOverride(t *testing.T) {
	fill(t, useCache(t), 0o755, assets.APIServer, assets.Etcd)
	want := t.TempDir()
	fill(t, want, 0o755, assets.APIServer, assets.Etcd)
	t.Setenv(assets.EnvDir, want)
	got, err := assets.Find()
	if err != nil || got != want {
		t.Fatalf("Find() = %q, %v; want %q", got, err, want)
	}
}

// A control plane that is not there is an error that names the file and the way out, whichever way it was
// looked for.
func TestFindMissing(t *testing.T) {
	wantMissing := func(t *testing.T, dir, binary, advice string) {
		t.Helper()
		_, err := assets.Find()
		missing, ok := errors.AsType[*assets.MissingError](err)
		if !ok || missing.Dir != dir || missing.Binary != binary || !strings.Contains(err.Error(), advice) {
			t.Fatalf("Find() = %v; want a MissingError of %s in %s that says %q", err, binary, dir, advice)
		}
	}
	t.Run("never built", func(t *testing.T) {
		dir := useCache(t)
		wantMissing(t, dir, assets.APIServer, `run "make envtest"`)
		if _, err := assets.Find(); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("Find() = %v; want fs.ErrNotExist", err)
		}
	})
	t.Run("half there", func(t *testing.T) {
		dir := useCache(t)
		fill(t, dir, 0o755, assets.APIServer)
		wantMissing(t, dir, assets.Etcd, `run "make envtest"`)
	})
	t.Run("not executable", func(t *testing.T) {
		dir := useCache(t)
		fill(t, dir, 0o644, assets.APIServer, assets.Etcd)
		wantMissing(t, dir, assets.APIServer, `run "make envtest"`)
	})
	t.Run("override", func(t *testing.T) {
		fill(t, useCache(t), 0o755, assets.APIServer, assets.Etcd)
		dir := t.TempDir()
		t.Setenv(assets.EnvDir, dir)
		wantMissing(t, dir, assets.APIServer, assets.EnvDir+" names that folder")
	})
}
