//go:build darwin || linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/larder-dev/larder/internal/controlplane/assets"
)

// A builder fills the folder root/name with the control plane, once.
//
// The protocol that makes this safe against interrupts, crashes and other builders at the same time:
//   - Whoever builds holds the lock on root/.lock.
//   - A build works in a folder of its own below root, named .building-*, and renames the finished result to
//     root/name as its last step. So a folder of that name is complete, and can be used without the lock.
//   - Therefore a .building-* folder found while holding the lock is of a build that died: remove it.
type builder struct {
	root     string
	name     string
	compile  func(ctx context.Context, binDir, workDir string) error // fills binDir; workDir is scratch space
	progress progress
}

const (
	lockName      = ".lock"
	buildingNames = ".building-*"
)

// ensure returns the filled folder. It builds only if nobody has, and waits for a builder that is at it.
func (b builder) ensure(ctx context.Context) (_ string, err error) {
	dir := filepath.Join(b.root, b.name)
	if assets.Check(dir) == nil {
		return dir, nil
	}
	if err := os.MkdirAll(b.root, 0o755); err != nil {
		return "", err
	}
	held, err := b.lock(ctx)
	if err != nil {
		return "", err
	}
	defer func() {
		if releaseErr := held.release(); err == nil {
			err = releaseErr
		}
	}()
	if assets.Check(dir) == nil {
		return dir, nil // built by the one we waited for
	}
	if err := b.removeDead(); err != nil {
		return "", err
	}
	if err := b.build(ctx, dir); err != nil {
		return "", err
	}
	return dir, nil
}

func (b builder) lock(ctx context.Context) (*fileLock, error) {
	stop := func() {}
	held, err := lock(ctx, filepath.Join(b.root, lockName), func() {
		stop = b.progress.start("waiting for another build to finish")
	})
	stop()
	return held, err
}

// removeDead removes what builds that died left behind. The lock must be held.
func (b builder) removeDead() error {
	dead, err := filepath.Glob(filepath.Join(b.root, buildingNames))
	if err != nil {
		return err
	}
	for _, dir := range dead {
		b.progress.say("removing %s, left by a build that did not finish", dir)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// build compiles into a folder of its own and renames that to dir. The lock must be held.
func (b builder) build(ctx context.Context, dir string) (err error) {
	building, err := os.MkdirTemp(b.root, buildingNames)
	if err != nil {
		return err
	}
	defer func() {
		if removeErr := os.RemoveAll(building); err == nil {
			err = removeErr
		}
	}()
	binDir, workDir := filepath.Join(building, "bin"), filepath.Join(building, "work")
	for _, sub := range []string{binDir, workDir} {
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
	}
	if err := b.compile(ctx, binDir, workDir); err != nil {
		return err
	}
	if err := assets.Check(binDir); err != nil {
		return fmt.Errorf("after the build: %w", err)
	}
	// What may be in the way is incomplete, or there had been nothing to build.
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(binDir, dir)
}
