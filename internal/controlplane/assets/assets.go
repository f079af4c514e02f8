// Package assets says which control plane larder's tests run against and where its binaries live.
//
// It is what hack/envtest, which builds the binaries, and package controlplane, which starts them, agree on.
package assets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// The versions that hack/envtest builds. hack/envtest/pins/go.mod requires the same; a test compares them.
const (
	KubernetesVersion = "v1.37.2"
	EtcdVersion       = "v3.7.0"
)

// The binaries' file names, which are what controller-runtime's envtest looks for.
const (
	APIServer = "kube-apiserver"
	Etcd      = "etcd"
)

// EnvDir is the environment variable that names a folder of ready binaries and so overrides the cache.
// The name is envtest's own, so that what was set up for other projects works here.
const EnvDir = "KUBEBUILDER_ASSETS"

// MissingError reports that a folder lacks one of the control plane's binaries.
type MissingError struct {
	Dir    string // the folder that was looked into
	Binary string // the first file that is not there or cannot be executed
	Err    error  // why; fs.ErrNotExist if it is not there
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("no usable %s in %s: %v", e.Binary, e.Dir, e.Err)
}

// Unwrap returns the reason.
func (e *MissingError) Unwrap() error { return e.Err }

// Root returns the folder in the user's cache that holds every build, whatever its versions.
func Root() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache folder: %w", err)
	}
	return filepath.Join(cache, "larder", "envtest"), nil
}

// Name returns the name, below Root, of the folder for this package's versions and this platform.
func Name() string {
	return strings.Join([]string{KubernetesVersion, EtcdVersion, runtime.GOOS, runtime.GOARCH}, "-")
}

// Find returns the folder to start the control plane from: the one that EnvDir names if it is set, else
// the one in the user's cache. If a binary is not in it the error wraps a *MissingError and says what to do.
func Find() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		if err := Check(dir); err != nil {
			return "", fmt.Errorf("%w; %s names that folder: correct it, or unset it and run \"make envtest\"", err, EnvDir)
		}
		return dir, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, Name())
	if err := Check(dir); err != nil {
		return "", fmt.Errorf("%w; run \"make envtest\" to build it (the first build takes about five minutes)", err)
	}
	return dir, nil
}

// Check returns a *MissingError unless dir holds both binaries. It looks at the files but does not run them.
func Check(dir string) error {
	for _, binary := range []string{APIServer, Etcd} {
		if err := checkExecutable(filepath.Join(dir, binary)); err != nil {
			return &MissingError{Dir: dir, Binary: binary, Err: err}
		}
	}
	return nil
}

var errNotExecutable = errors.New("not an executable file")

func checkExecutable(path string) error {
	info, err := os.Stat(path)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err // MissingError names the path already
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return errNotExecutable
	}
	return nil
}
