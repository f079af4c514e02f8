package controlplane

import (
	"os"
	"path/filepath"

	"github.com/larder-dev/larder/internal/controlplane/assets"
)

// guardScript stands in for a binary. It becomes that binary, but leaves a watcher beside it that outlives
// whoever started it: if that process is gone without having stopped the control plane, as after a panic, a
// test's timeout or a kill, the watcher ends the binary and removes the control plane's folder. Without it
// every such end would leave two servers running for good.
//
// $0 is <folder>/bin/<binary>, $$ the binary's process once the shell has become it.
const guardScript = `#!/bin/sh
(
	while kill -0 $PPID && kill -0 $$; do sleep 1; done
	kill -0 $PPID || { kill -KILL $$; rm -rf "${0%/bin/*}"; }
) </dev/null >/dev/null 2>&1 &
exec "$0.real" "$@"
`

// guard makes folder/bin with a guarded stand-in for each of the binaries in assetsDir, and returns it.
func guard(folder, assetsDir string) (string, error) {
	bin := filepath.Join(folder, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{assets.APIServer, assets.Etcd} {
		standIn := filepath.Join(bin, name)
		if err := os.Symlink(filepath.Join(assetsDir, name), standIn+".real"); err != nil {
			return "", err
		}
		if err := os.WriteFile(standIn, []byte(guardScript), 0o755); err != nil {
			return "", err
		}
	}
	return bin, nil
}
