package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// peerName is the name by which rewritten tests import the peer's package.
const peerName = "larderpeer"

// A rewriter takes tests out of a peer's package into one of their own, which they share with a shim.
//
// A test file of the package itself names what the package has without saying where it is from. So each name
// that neither the tests nor the shim declare, but the package does, gets qualified; if it is not exported,
// the declaration that uses it goes. So does what uses a declaration that went. When a test goes that is not
// excluded, that is an error. A qualified name of a constructor that the shim has loses its qualifier.
//
// The edits are to the text, so that lines keep their numbers.
type rewriter struct {
	importPath   string
	constructors string // the package that tests name for a constructor, if they do
	fset         *token.FileSet
	peer         map[string]bool // what the peer's package declares
	shim         map[string]bool // what the shim declares, instead of the tests
	tests        map[string]bool // what the tests declare
	files        []*testFile
	dropped      map[string]string // declarations that go, with the reason
}

type testFile struct {
	name string
	src  []byte
	ast  *ast.File
	// unresolved are the identifiers that the file does not declare.
	unresolved map[*ast.Ident]bool
	edits      []edit
	qualified  bool // it needs the import of the peer
}

// edit replaces the text from one offset up to another.
type edit struct {
	from, to int
	text     string
}

func newRewriter(importPath, constructors, dir string, names []string, shim []byte) (*rewriter, error) {
	rw := &rewriter{
		importPath:   importPath,
		constructors: constructors,
		fset:         token.NewFileSet(),
		peer:         map[string]bool{},
		shim:         map[string]bool{},
		tests:        map[string]bool{},
		dropped:      map[string]string{},
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(rw.fset, source, nil, 0)
		if err != nil {
			return nil, err
		}
		declared(f, rw.peer)
	}
	f, err := parser.ParseFile(rw.fset, "shim.go", shim, 0)
	if err != nil {
		return nil, err
	}
	declared(f, rw.shim)
	for _, name := range names {
		src, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(rw.fset, name, src, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		file := &testFile{name: name, src: src, ast: f, unresolved: map[*ast.Ident]bool{}}
		for _, id := range f.Unresolved {
			file.unresolved[id] = true
		}
		rw.files = append(rw.files, file)
		declared(f, rw.tests)
	}
	return rw, nil
}

// declared adds the names that a file declares for its package.
func declared(f *ast.File, names map[string]bool) {
	for _, d := range f.Decls {
		for _, name := range declNames(d) {
			names[name] = true
		}
	}
}

// declNames returns the names of a declaration: of a method, that of its receiver's type.
func declNames(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []string{d.Name.Name}
		}
		ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && len(names) == 0 {
				names = []string{id.Name}
			}
			return true
		})
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					names = append(names, id.Name)
				}
			}
		}
	}
	return names
}

// rewrite returns the files as they are to be run, and how many tests are left out.
func (rw *rewriter) rewrite(excluded exclusions) (files map[string][]byte, count int, err error) {
	if count, err = rw.exclude(excluded); err != nil {
		return nil, 0, err
	}
	rw.dropUsers()
	var surprises []string
	for name, reason := range rw.dropped {
		if strings.HasPrefix(name, "Test") && excluded[name] == "" && !rw.shim[name] {
			surprises = append(surprises, name+": "+reason)
		}
	}
	if len(surprises) > 0 {
		slices.Sort(surprises)
		return nil, 0, fmt.Errorf("tests that cannot be run, add them to excluded.txt:\n%s", strings.Join(surprises, "\n"))
	}
	files = map[string][]byte{}
	for _, f := range rw.files {
		if files[f.name], err = rw.edit(f); err != nil {
			return nil, 0, err
		}
	}
	return files, count, nil
}

// exclude drops what is excluded, and what the shim declares, and returns the number of tests.
func (rw *rewriter) exclude(excluded exclusions) (count int, err error) {
	for name := range rw.shim {
		if name != "init" && name != "_" {
			rw.dropped[name] = "the shim has it"
		}
	}
	for name, reason := range excluded {
		switch {
		case isSpec(name):
			if !rw.dropSpec(name) {
				return 0, fmt.Errorf("excluded.txt: there is no spec %s", name)
			}
			count++
			continue
		case !rw.tests[name]:
			return 0, fmt.Errorf("excluded.txt: there is no %s", name)
		case strings.HasPrefix(name, "Test"):
			count++
		}
		rw.dropped[name] = reason
	}
	for name := range rw.tests {
		if strings.HasPrefix(name, "Benchmark") {
			rw.dropped[name] = "a benchmark"
		}
	}
	return count, nil
}

// dropSpec takes the spec of a text, "It(text, ...)", out.
func (rw *rewriter) dropSpec(text string) (found bool) {
	for _, f := range rw.files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			stmt, ok := n.(*ast.ExprStmt)
			if !ok {
				return true
			}
			call, ok := stmt.X.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Value == text {
				f.cut(rw.fset, stmt)
				found = true
				return false
			}
			return true
		})
	}
	return found
}

// dropUsers drops the declarations that cannot be compiled outside the package, until there are no more.
func (rw *rewriter) dropUsers() {
	for again := true; again; {
		again = false
		for _, f := range rw.files {
			for _, d := range f.ast.Decls {
				names := declNames(d)
				if len(names) == 0 || rw.gone(d) {
					continue
				}
				if missing := rw.missing(f, d); missing != "" {
					for _, name := range names {
						rw.dropped[name] = "it uses " + missing
					}
					again = true
				}
			}
		}
	}
}

// gone tells whether a declaration is dropped.
func (rw *rewriter) gone(d ast.Decl) bool {
	return slices.ContainsFunc(declNames(d), func(name string) bool { return rw.dropped[name] != "" && name != "_" })
}

// missing returns a name in a declaration that is not there outside the package.
func (rw *rewriter) missing(f *testFile, d ast.Decl) (name string) {
	ast.Inspect(d, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		switch {
		case !ok || name != "" || f.inCut(rw.fset, n):
		case rw.shim[id.Name]:
		case rw.dropped[id.Name] != "" && rw.tests[id.Name] && (f.unresolved[id] || rw.declaredIn(f, id)):
			name = id.Name
		case f.unresolved[id] && rw.peer[id.Name] && !rw.tests[id.Name] && !ast.IsExported(id.Name):
			name = id.Name
		}
		return true
	})
	return name
}

// declaredIn tells whether an identifier is one that the file declares for the package.
func (rw *rewriter) declaredIn(f *testFile, id *ast.Ident) bool {
	return id.Obj != nil && f.ast.Scope.Lookup(id.Name) == id.Obj
}

// edit returns a file with everything edited.
func (rw *rewriter) edit(f *testFile) ([]byte, error) {
	for _, d := range f.ast.Decls {
		if rw.gone(d) {
			f.cut(rw.fset, d)
		}
	}
	external := rw.localName(f)
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			// A test from outside the package names it.
			if id, ok := n.X.(*ast.Ident); ok && external != "" && id.Name == external && rw.shim[n.Sel.Name] {
				f.replace(rw.fset, n.Pos(), n.Sel.Pos(), "")
			}
		case *ast.Ident:
			if f.unresolved[n] && rw.peer[n.Name] && !rw.tests[n.Name] && !rw.shim[n.Name] && !f.inCut(rw.fset, n) {
				f.replace(rw.fset, n.Pos(), n.Pos(), peerName+".")
				f.qualified = true
			}
		}
		return true
	})
	header := "package larder_test"
	if f.qualified {
		header += "; import " + peerName + " " + strconv.Quote(rw.importPath)
	}
	f.replace(rw.fset, f.ast.Package, f.ast.Name.End(), header)
	return rw.blankUnused(f.name, f.apply())
}

// localName returns the name by which a file imports the constructors' package, if it does.
func (rw *rewriter) localName(f *testFile) string {
	for _, spec := range f.ast.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p == rw.constructors {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(p)
		}
	}
	return ""
}

var majorVersion = regexp.MustCompile(`^v\d+$`)

// blankUnused turns imports that nothing uses any more into blank ones.
func (rw *rewriter) blankUnused(name string, src []byte) ([]byte, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, src, 0)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok {
				used[id.Name] = true
			}
		}
		return true
	})
	f := &testFile{src: src}
	for _, spec := range parsed.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		candidates := []string{path.Base(p)}
		if majorVersion.MatchString(candidates[0]) {
			candidates = append(candidates, path.Base(path.Dir(p)))
		}
		if spec.Name != nil {
			candidates = []string{spec.Name.Name}
		}
		if !slices.ContainsFunc(candidates, func(c string) bool { return used[c] || c == "." || c == "_" }) {
			f.replace(fset, spec.Pos(), spec.Path.Pos(), "_ ")
		}
	}
	return f.apply(), nil
}

// cut takes a node out, up to its line breaks.
func (f *testFile) cut(fset *token.FileSet, n ast.Node) {
	from, to := fset.Position(n.Pos()).Offset, fset.Position(n.End()).Offset
	f.edits = append(f.edits, edit{from, to, strings.Repeat("\n", strings.Count(string(f.src[from:to]), "\n"))})
}

func (f *testFile) replace(fset *token.FileSet, from, to token.Pos, text string) {
	f.edits = append(f.edits, edit{fset.Position(from).Offset, fset.Position(to).Offset, text})
}

// inCut tells whether a node lies in what is taken out.
func (f *testFile) inCut(fset *token.FileSet, n ast.Node) bool {
	at := fset.Position(n.Pos()).Offset
	return slices.ContainsFunc(f.edits, func(e edit) bool { return e.from <= at && at < e.to })
}

// apply returns the text with the edits. Those inside what is taken out are void.
func (f *testFile) apply() []byte {
	slices.SortFunc(f.edits, func(a, b edit) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var out []byte
	at := 0
	for _, e := range f.edits {
		if e.from < at {
			continue
		}
		out = append(out, f.src[at:e.from]...)
		out = append(out, e.text...)
		at = e.to
	}
	return append(out, f.src[at:]...)
}
