package main

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// A patch makes constructors of a peer call larder's, in a copy of it, for programs that use the peer. Larder
// imports the peer too, so that the constructors cannot: they call what a package that the programs link sets.
type patch struct {
	module string
	calls  []call
	files  map[string]string // what is added, as shims by where they go
}

// call is what a function begins with.
type call struct {
	file, function, text string
}

var clientGo = patch{
	module: "k8s.io/client-go",
	calls: []call{
		{"tools/cache/shared_informer.go", "NewSharedIndexInformerWithOptions", "if LarderInformer != nil { return LarderInformer(lw, exampleObject, options) }"},
		// Options are of what only client-go's has.
		{"tools/cache/store.go", "NewIndexer", "if LarderIndexer != nil && len(opts) == 0 { return LarderIndexer(keyFunc, indexers) }"},
	},
	files: map[string]string{
		"tools/cache/larder.go":     "hooks_cache.go",
		"kubernetes/fake/larder.go": "hooks_clientset.go",
	},
}

var controllerRuntime = patch{
	module: "sigs.k8s.io/controller-runtime",
	calls: []call{
		// With a NewInformer larder calls New itself.
		{"pkg/cache/cache.go", "New", "if LarderCache != nil && opts.NewInformer == nil { return LarderCache(cfg, opts) }"},
	},
	files: map[string]string{
		"pkg/cache/larder.go": "hooks_ctrlcache.go",
		"larder.go":           "hooks_ctrl.go",
	},
}

// copyTo makes the patched copy of the peer, of the version that larder requires, in dir.
func (p patch) copyTo(ctx context.Context, dir string) error {
	from, err := goOutput(ctx, ".", "list", "-m", "-f", "{{.Dir}}", p.module)
	if err != nil {
		return err
	}
	if err := copySource(from, dir); err != nil {
		return err
	}
	for _, c := range p.calls {
		if err := c.insert(dir); err != nil {
			return err
		}
	}
	for to, shim := range p.files {
		content, err := shims.ReadFile("shims/" + shim)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(to)), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// copySource copies what programs are compiled from, and leaves the tests.
func copySource(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, "_test.go") {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o600)
	})
}

// insert has the function begin with the call, on its first line: the lines keep their numbers.
func (c call) insert(dir string) error {
	path := filepath.Join(dir, filepath.FromSlash(c.file))
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, path, src, 0)
	if err != nil {
		return err
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == c.function {
			at := fset.Position(f.Body.Lbrace).Offset + 1
			src = bytes.Join([][]byte{src[:at], []byte(c.text), src[at:]}, nil)
			return os.WriteFile(path, src, 0o600)
		}
	}
	return fmt.Errorf("%s has no function %s", c.file, c.function)
}
