//go:build darwin || linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Every mutant that is listed still applies: the text that it changes is there exactly once, what becomes of the file
// is Go, and there are tests of the name.
func TestListsApply(t *testing.T) {
	const root = "../.."
	mutants, err := readLists(lists)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if _, err := m.files(root); err != nil {
			t.Error(err)
		}
		for _, dir := range m.tests.packages {
			if names := testNames(t, filepath.Join(root, dir)); !slices.ContainsFunc(names, regexp.MustCompile(m.tests.run).MatchString) {
				t.Errorf("%v: there is no test %s in %s", m, m.tests.run, dir)
			}
		}
	}
}

// testNames returns the names of the tests of a package.
func testNames(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`).FindAllSubmatch(content, -1) {
			names = append(names, string(match[1]))
		}
	}
	return names
}

const counterMutants = `
# They are mutants of the module in testdata.
test: .
run: ^TestCount$

mutant: twice
breaks: it counts by twos
file: counter.go
 	for range n {
-		sum++
+		sum += 2

mutant: endless
breaks: it does not stop
flags: -timeout=1s
file: counter.go
-	for range n {
+	for {

mutant: panics
breaks: it cannot count to two
file: counter.go
-	return sum
+	return [...]int{0, 1}[sum]

mutant: equal
breaks: nothing
survives: zero is zero
file: counter.go
-	sum := 0
+	sum := 0 + 0

mutant: survivor
breaks: nothing, but it is not known
file: counter.go
-	sum := 0
+	sum := 0 + 0

mutant: caught
breaks: it begins with one
survives: nobody would notice
file: counter.go
-	sum := 0
+	sum := 1

mutant: text
breaks: the build
file: counter.go
-	sum := 0
+	sum := ""

mutant: untested
breaks: nothing that is tested
run: ^TestNothing$
file: counter.go
-	sum := 0
+	sum := 1
`

// newRunner returns a runner for the module in testdata, and what it writes.
func newRunner(t *testing.T) (runner, *strings.Builder) {
	t.Helper()
	root, err := filepath.Abs("testdata/counter")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	return runner{root: root, dir: t.TempDir(), out: &out}, &out
}

func mustParse(t *testing.T, text string) []*mutant {
	t.Helper()
	mutants, err := parseList("counter", text)
	if err != nil {
		t.Fatal(err)
	}
	return mutants
}

// What is caught is told from what survives and from what does not compile, and each is compared with the list.
func TestRun(t *testing.T) {
	want := []string{
		`twice +caught by TestCount/1, `,
		`endless +caught by TestCount/0 \(timeout\), `,
		`panics +caught by TestCount/2 \(panic\), `,
		`equal +survives: zero is zero, `,
		`survivor +SURVIVED: nothing, but it is not known, `,
		`caught +caught by TestCount/0, but is LISTED AS A SURVIVOR, `,
		`text +ERROR: it does not compile, `,
		`untested +ERROR: there are no such tests, `,
		`8 mutants in .*: 3 caught, 1 survive as they should, 4 are wrong\n`,
	}
	r, out := newRunner(t)
	err := r.runAll(t.Context(), mustParse(t, counterMutants))
	if err == nil || !strings.Contains(err.Error(), "4 of 8 mutants") {
		t.Errorf("the error is %v", err)
	}
	if !regexp.MustCompile(`(?s)` + strings.Join(want, `.*\n.*`)).MatchString(out.String()) {
		t.Errorf("got\n%s\nwant\n%s", out, strings.Join(want, "\n"))
	}
	if left, err := os.ReadDir(r.dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, m := range mustParse(t, counterMutants)[:1] {
		if err := r.runAll(t.Context(), []*mutant{m}); err != nil {
			t.Errorf("a mutant that is caught is an error: %v", err)
		}
	}
}

// Nothing is run if a mutant does not apply, and no mutant if the tests fail without one.
func TestRunNothing(t *testing.T) {
	const head = "test: .\nmutant: a\nbreaks: it\nfile: counter.go\n"
	for name, test := range map[string]struct{ text, want string }{
		"no such text":   {head + "-\tproduct := 0\n", "does not have the text"},
		"part of a line": {head + "-sum := 0\n", "does not have the text"},
		"no such file":   {strings.Replace(head, "counter.go", "adder.go", 1) + "-a\n", "no such file"},
		"not Go":         {head + "-\treturn sum\n+\treturn sum +\n", "expected operand"},
		"no tests":       {strings.Replace(head, "mutant", "run: ^TestNothing$\nmutant", 1) + "-\t\tsum++\n", "without a mutant: there are no such tests"},
		"no package":     {strings.Replace(head, "test: .", "test: ./adder", 1) + "-\t\tsum++\n", "without a mutant: it does not compile"},
		"no such flag":   {strings.Replace(head, "mutant", "flags: -sum\nmutant", 1) + "-\t\tsum++\n", "-sum"},
	} {
		r, out := newRunner(t)
		err := r.runAll(t.Context(), mustParse(t, test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(out.String(), "caught") {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// An interrupt leaves no process behind: when it has come back, the test is dead, and with it its end of the pipe.
func TestInterrupt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MUTANTS_PIPE", name)
	r, _ := newRunner(t)
	errSignal := errors.New("a signal")
	ctx, interrupt := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := tests{packages: []string{"."}, run: "^TestWait$"}.test(ctx, r.root, r.dir, "")
		if pipe, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			pipe.Close() // so that nobody waits for a test that did not open it
		}
		ended <- err
	}()
	pipe, err := os.Open(name) // once the test opens it too
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	said := bufio.NewReader(pipe)
	if line, err := said.ReadString('\n'); line != "waiting\n" {
		t.Fatalf("the test says %q, %v", line, err)
	}
	interrupt(errSignal)
	if err := <-ended; !errors.Is(err, errSignal) {
		t.Errorf("the error is %v", err)
	}
	if rest, err := io.ReadAll(said); len(rest) > 0 || err != nil {
		t.Errorf("the test says %q, %v", rest, err)
	}
}

// A change is one of whole lines that are there exactly once.
func TestEdit(t *testing.T) {
	for _, test := range []struct{ text, before, after, want string }{
		{"a\nb\nc\n", "b\n", "", "a\nc\n"},
		{"a\nb\nc\n", "a\nb\n", "x\n", "x\nc\n"},
		{"a\nb\nc\n", "c\n", "c\nd\n", "a\nb\nc\nd\n"},
		{"ab\nb\nbc\n", "b\n", "x\n", "ab\nx\nbc\n"},
		{"a\na\n", "a\n", "x\n", "more than once"},
		{"a\nb\na\nb\na\n", "a\nb\na\n", "x\n", "more than once"}, // though they overlap
		{"ab\n", "b\n", "x\n", "does not have"},
		{"ab\n", "a\n", "x\n", "does not have"},
	} {
		got, err := edit{file: "f.go", before: test.before, after: test.after}.apply(test.text)
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%q for %q in %q: got %q, want %q", test.after, test.before, test.text, got, test.want)
		}
	}
}

// A list reads as its format is described.
func TestParseList(t *testing.T) {
	mutants := mustParse(t, `# Comment.
dir: pkg/a
test: ./pkg/a ./pkg/b
flags: -race -timeout=5s

mutant: one
breaks: this
file: x.go
-	a

 	b
# Comment.
+	c

file: y.go
-d

mutant: two
breaks: that: it
flags: -count=3
test: ./pkg/c
run: ^TestA$|^TestB$
survives: it is equal
file: x.go
+a
 b
`)
	want := []*mutant{
		{
			list: "counter", name: "one", breaks: "this",
			edits: []edit{
				{file: "pkg/a/x.go", before: "\ta\n\n\tb\n", after: "\n\tb\n\tc\n"},
				{file: "pkg/a/y.go", before: "d\n"},
			},
			tests: tests{packages: []string{"./pkg/a", "./pkg/b"}, flags: []string{"-race", "-timeout=5s"}},
		},
		{
			list: "counter", name: "two", breaks: "that: it", survives: "it is equal",
			edits: []edit{{file: "pkg/a/x.go", before: "b\n", after: "a\nb\n"}},
			tests: tests{packages: []string{"./pkg/c"}, flags: []string{"-count=3"}, run: "^TestA$|^TestB$"},
		},
	}
	if !reflect.DeepEqual(mutants, want) {
		t.Errorf("got %+v and %+v", *mutants[0], *mutants[1])
	}
}

// What is wrong in a list is told with its place.
func TestParseListErrors(t *testing.T) {
	const head, change = "test: .\nmutant: a\n", "breaks: it\nfile: a.go\n-a\n"
	for text, want := range map[string]string{
		head + "nonsense":                       "a.txt:3: want \"key: value\"",
		head + "dir: a":                         "a.txt:3: \"dir\" is not for this place",
		"breaks: it":                            "a.txt:1: \"breaks\" is not for this place",
		head + "colour: red":                    "a.txt:3: \"colour\" is not for this place",
		head + "-a":                             "a.txt:3: a change has to follow a file",
		head + "file: a.go\n-a\nbreaks: it\n+b": "a.txt:6: a change has to follow a file",
		head + "file: a.go\n-a":                 "a.txt: a: it does not say what it breaks",
		head + "breaks: it":                     "a.txt: a: it does not change anything",
		head + "breaks: it\nfile: a.go\n a":     "a.txt: a: it does not change anything",
		head + "breaks: it\nfile: a.go\n+a":     "a.txt: a: it does not change anything",
		head + change + "file: b.go":            "a.txt: a: it does not change anything",
		"mutant: a\n" + change:                  "a.txt: a: it does not say which packages to test",
		head + "run: (\n" + change:              "a.txt: a: error parsing regexp",
		head + change + "mutant: a\n" + change:  "a.txt: there are two mutants called a",
	} {
		if _, err := parseList("a", text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// Mutants are chosen by their list and their name; it is an error to choose none.
func TestChoose(t *testing.T) {
	all := []*mutant{{list: "a", name: "one"}, {list: "a", name: "two"}, {list: "b", name: "two"}}
	for _, test := range []struct {
		opts options
		want []*mutant
	}{
		{options{}, all},
		{options{list: "a"}, all[:2]},
		{options{run: "^t"}, all[1:]},
		{options{list: "b", run: "two|three"}, all[2:]},
		{options{list: "b", run: "one"}, nil},
		{options{list: "c"}, nil},
		{options{run: "("}, nil},
	} {
		got, err := choose(all, test.opts)
		if !slices.Equal(got, test.want) || (err == nil) != (test.want != nil) {
			t.Errorf("%+v: got %v, %v", test.opts, got, err)
		}
	}
}

// Tests that are run in the same way are run together without a mutant.
func TestTogether(t *testing.T) {
	a, b, race := []string{"./a"}, []string{"./b"}, []string{"-race"}
	var mutants []*mutant
	for _, t := range []tests{
		{packages: a, run: "^A$"},
		{packages: a, run: "^A$"},
		{packages: a, run: "^B$"},
		{packages: a, run: "^B$"},
		{packages: a, run: "^C$", flags: race},
		{packages: a, flags: race},
		{packages: b},
		{packages: b, run: "^A$"},
	} {
		mutants = append(mutants, &mutant{tests: t})
	}
	want := []tests{{packages: a, run: "^A$|^B$"}, {packages: a, flags: race}, {packages: b}}
	if got := together(mutants); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What tests died of is read from their output.
func TestReadResult(t *testing.T) {
	const run, inner = `{"Action":"run","Test":"TestA"}` + "\n", `{"Action":"run","Test":"TestA/b"}` + "\n"
	const fail = `{"Action":"fail","Test":"TestA/b"}` + "\n" + `{"Action":"fail","Test":"TestA"}` + "\n" + `{"Action":"fail"}` + "\n"
	output := func(text string) string { return `{"Action":"output","Output":"` + text + `"}` + "\n" }
	for _, test := range []struct {
		out     string
		by, how string
		err     error
	}{
		{out: run + `{"Action":"pass","Test":"TestA"}`},
		{out: `{"Action":"pass"}`, err: errNoTests},
		{out: `{"Action":"fail","FailedBuild":"a"}`, err: errBuild},
		{out: run + inner + fail, by: "TestA/b"},
		{out: run + inner + output("WARNING: DATA RACE") + fail, by: "TestA/b", how: "race"},
		{out: run + inner + output("panic: no") + `{"Action":"fail"}`, by: "TestA/b", how: "panic"},
		{out: run + inner + output("panic: test timed out after 1s") + `{"Action":"fail"}`, by: "TestA/b", how: "timeout"},
		{out: run + output("fatal error: all goroutines are asleep - deadlock!") + `{"Action":"fail"}`, by: "TestA", how: "deadlock"},
		{out: run + `{"Action":"pass","Test":"TestA"}` + output("goleak: Errors") + `{"Action":"fail"}`, by: "the package", how: "leak"},
	} {
		r, err := readResult([]byte(test.out))
		if r.by != test.by || r.how != test.how || !errors.Is(err, test.err) || r.passed != (test.by == "" && !errors.Is(err, errBuild)) {
			t.Errorf("%s: got %+v, %v", test.out, r, err)
		}
	}
	if _, err := readResult([]byte("flag provided but not defined")); err == nil {
		t.Error("what is not JSON is taken for it")
	}
}

// The go command gets the files of the module that are changed, by their whole names.
func TestWriteOverlay(t *testing.T) {
	dir := t.TempDir()
	name, err := writeOverlay("/module", dir, map[string]string{"pkg/a.go": "a", "pkg/b.go": "b"})
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Replace map[string]string }
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"/module/pkg/a.go": "a", "/module/pkg/b.go": "b"} {
		if changed, err := os.ReadFile(got.Replace[file]); err != nil || string(changed) != text {
			t.Errorf("%s: got %q, %v", file, changed, err)
		}
	}
}
