package main

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig for cfg, which authenticates with a client
// certificate, into a new folder that only this user can read. remove removes it.
func writeKubeconfig(cfg *rest.Config) (path string, remove func() error, err error) {
	dir, err := os.MkdirTemp("", "larder-example-")
	if err != nil {
		return "", nil, fmt.Errorf("kubeconfig: %w", err)
	}
	const name = "larder-example"
	kubeconfig := api.NewConfig()
	kubeconfig.Clusters[name] = &api.Cluster{Server: cfg.Host, CertificateAuthorityData: cfg.CAData}
	kubeconfig.AuthInfos[name] = &api.AuthInfo{ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData}
	kubeconfig.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name

	path = filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*kubeconfig, path); err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return path, func() error { return os.RemoveAll(dir) }, nil
}
