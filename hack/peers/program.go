package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// A program uses a peer, and its packages are tested as they are: with a patched copy of the peer.
type program struct {
	name, module string
	version      string // default: that of Kubernetes that goes with larder's client-go
	patch        patch
	// own is the version of the modules that the program replaces by its folders. Default: that of client-go.
	own   string
	flags []string // for go test
}

var (
	kubernetes = &program{
		name:   "Kubernetes",
		module: "k8s.io/kubernetes",
		patch:  clientGo,
		// The copy is compiled once, wherever it is.
		flags: []string{"-trimpath"},
	}
	clusterAPI = &program{
		name:    "Cluster API",
		module:  "sigs.k8s.io/cluster-api",
		version: "v1.14.2",
		own:     "v1.14.2",
		patch:   controllerRuntime,
	}
)

// suite returns the tests of a package.
func (p *program) suite(dir string) suite {
	return suite{name: p.name + " " + dir, module: p.module, dir: dir, program: p}
}

// download returns where the program is in the module cache, and the version of its own modules.
func (p *program) download(ctx context.Context) (d downloaded, own string, err error) {
	clientGoVersion, err := goOutput(ctx, ".", "list", "-m", "-f", "{{.Version}}", "k8s.io/client-go")
	if err != nil {
		return d, "", err
	}
	version := cmp.Or(p.version, "v1"+strings.TrimPrefix(clientGoVersion, "v0"))
	out, err := goOutput(ctx, os.TempDir(), "mod", "download", "-json", p.module+"@"+version)
	if err != nil {
		return d, "", err
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		return d, "", fmt.Errorf("%s@%s: %w", p.module, version, err)
	}
	return d, cmp.Or(p.own, clientGoVersion), nil
}

type downloaded struct{ Dir, Version string }

// suites returns the tests of each package below a folder, in both forms.
func (p *program) suites(ctx context.Context, below string) ([]suite, error) {
	module, _, err := p.download(ctx)
	if err != nil {
		return nil, err
	}
	var all []suite
	err = fs.WalkDir(os.DirFS(module.Dir), below, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		s := p.suite(path.Dir(name))
		if !slices.ContainsFunc(all, func(other suite) bool { return other.name == s.name }) {
			all = append(all, s, s.in(packed))
		}
		return nil
	})
	return all, err
}

// writeModule writes a module into dir that has the program and, in copied, the patched peer.
func (p *program) writeModule(ctx context.Context, dir, copied string) (programDir string, err error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	module, own, err := p.download(ctx)
	if err != nil {
		return "", err
	}
	lines := []string{
		"module peers",
		"go " + strings.TrimPrefix(runtime.Version(), "go"),
		"require github.com/larder-dev/larder v0.0.0",
		"require " + p.module + " " + module.Version,
		"replace github.com/larder-dev/larder => " + root,
		"replace " + p.patch.module + " => " + copied,
	}
	var sums []byte
	for _, of := range []string{root, module.Dir} {
		mod, err := readMod(ctx, of)
		if err != nil {
			return "", err
		}
		lines = append(lines, mod.requirements()...)
		for _, r := range mod.Replace {
			if r.Old.Path != p.patch.module && strings.HasPrefix(r.New.Path, "./") {
				lines = append(lines, "replace "+r.Old.Path+" => "+r.Old.Path+" "+own)
			}
		}
		sum, err := os.ReadFile(filepath.Join(of, "go.sum"))
		if err != nil {
			return "", err
		}
		sums = append(sums, sum...)
	}
	return module.Dir, writeMod(dir, lines, sums)
}

// runProgram runs the tests of a program's package, in a module that is made in dir.
func (s suite) runProgram(ctx context.Context, dir string, excluded exclusions, opts options) (result, error) {
	copied := filepath.Join(dir, "peer")
	if err := s.program.patch.copyTo(ctx, copied); err != nil {
		return result{}, err
	}
	programDir, err := s.program.writeModule(ctx, dir, copied)
	if err != nil {
		return result{}, err
	}
	if err := areThere(excluded, filepath.Join(programDir, filepath.FromSlash(s.dir))); err != nil {
		return result{}, err
	}
	linked, err := goOutput(ctx, dir, "list", "-mod=mod", "-tags=peers", "-test", "-deps", s.importPath())
	if err != nil {
		return result{}, err
	}
	if !strings.Contains(linked, "github.com/larder-dev/larder/") {
		return result{unrelated: true}, nil
	}
	flags := append([]string{"-vet=off"}, s.program.flags...)
	if len(excluded) > 0 {
		flags = append(flags, "-skip="+excluded.pattern())
	}
	r, err := s.test(ctx, dir, opts, s.importPath(), flags...)
	r.excluded = len(excluded)
	return r, err
}

// pattern returns what matches the tests, and those within a test, by the names that go test prints.
func (e exclusions) pattern() string {
	var patterns []string
	for _, name := range slices.Sorted(maps.Keys(e)) {
		elements := strings.Split(name, "/")
		for i, element := range elements {
			elements[i] = "^" + regexp.QuoteMeta(element) + "$"
		}
		patterns = append(patterns, strings.Join(elements, "/"))
	}
	return strings.Join(patterns, "|")
}

// areThere returns an error if something is excluded that the tests of a package do not have.
func areThere(excluded exclusions, dir string) error {
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		declared(f, names)
	}
	for name := range excluded {
		if test, _, _ := strings.Cut(name, "/"); !names[test] {
			return fmt.Errorf("excluded.txt: there is no %s", name)
		}
	}
	return nil
}
