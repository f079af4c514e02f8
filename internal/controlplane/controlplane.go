package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/larder-dev/larder/internal/controlplane/assets"
)

// watchGrace is how long a stopping kube-apiserver gives open watches to end. By default it gives them no
// time and so does not tell them to end: it waits for them until it is killed, which is after 20 s.
const watchGrace = "5s"

// Options say what a new control plane holds. The zero value is an empty one.
type Options struct {
	// CRDs are installed and established before Start returns.
	CRDs []*apiextensionsv1.CustomResourceDefinition
	// CRDDirectoryPaths are files, or folders of files, with more of them. Each must exist.
	CRDDirectoryPaths []string
}

// A ControlPlane is a running kube-apiserver with an etcd of its own. Its methods may be called concurrently.
type ControlPlane struct {
	mu     sync.Mutex // serializes what starts and stops processes
	env    *envtest.Environment
	folder string // certificates, etcd's data
	config *rest.Config
}

// Start starts a control plane and returns when it serves. The caller must Stop it; if the process ends
// without that, the control plane ends within some seconds.
//
// If the binaries are missing the error wraps an *assets.MissingError. A ctx that is done makes Start fail, but
// only after the processes have started, or failed to. Afterwards ctx has no influence.
func Start(ctx context.Context, opts Options) (*ControlPlane, error) {
	assetsDir, err := assets.Find()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "larder-controlplane-")
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{folder: folder, env: &envtest.Environment{
		UseExistingCluster:    new(bool), // false, whatever the user's environment says: keep off real clusters
		CRDs:                  opts.CRDs,
		CRDDirectoryPaths:     opts.CRDDirectoryPaths,
		ErrorIfCRDPathMissing: true,
	}}
	if err := c.start(ctx, assetsDir); err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane of %s: %w", assetsDir, err), c.Stop())
	}
	return c, nil
}

func (c *ControlPlane) start(ctx context.Context, assetsDir string) error {
	bin, err := guard(c.folder, assetsDir)
	if err != nil {
		return err
	}
	apiServer := c.env.ControlPlane.GetAPIServer()
	apiServer.Path = filepath.Join(bin, assets.APIServer)
	// Of its own accord envtest would remove the certificates whenever the server stops, and make others that
	// clients do not trust when it starts again.
	apiServer.CertDir = filepath.Join(c.folder, "certs")
	apiServer.Configure().Set("shutdown-watch-termination-grace-period", watchGrace)
	c.env.ControlPlane.Etcd = &envtest.Etcd{
		Path:    filepath.Join(bin, assets.Etcd),
		DataDir: filepath.Join(c.folder, "etcd"),
	}
	for _, dir := range []string{apiServer.CertDir, c.env.ControlPlane.Etcd.DataDir} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	config, err := c.env.Start()
	if err != nil {
		return err
	}
	c.config = rest.CopyConfig(config)
	c.config.QPS = -1 // what is measured is larder, not client-go's throttle
	return context.Cause(ctx)
}

// Config returns a configuration for clients that may do everything, without a rate limit. It is a copy, and
// stays valid when the server is restarted.
func (c *ControlPlane) Config() *rest.Config { return rest.CopyConfig(c.config) }

// EtcdURL returns where etcd listens, without encryption or authentication. What the API server has is below
// /registry there.
func (c *ControlPlane) EtcdURL() string { return c.env.ControlPlane.Etcd.URL.String() }

// RestartAPIServer stops the kube-apiserver, starts it again on the same port over the same etcd, and returns
// when it is healthy. What was stored is still there; watches end, requests in between are refused.
//
// If ctx is done once the server has stopped, it stays stopped.
func (c *ControlPlane) RestartAPIServer(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	apiServer := c.env.ControlPlane.GetAPIServer()
	if err := apiServer.Stop(); err != nil {
		return fmt.Errorf("stop the kube-apiserver: %w", err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := apiServer.Start(); err != nil {
		return fmt.Errorf("start the kube-apiserver again: %w", err)
	}
	return nil
}

// Stop stops both processes and removes what they stored. Stopping again does nothing.
//
// Cancel informers first. The server ends their watches, so they do not keep it from stopping, but they would
// go on trying to reach it.
func (c *ControlPlane) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.env.Stop(), os.RemoveAll(c.folder))
}
