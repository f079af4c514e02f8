package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const peerSource = `package queue

type Queue struct{ items []int }

type inner struct{}

func New() *Queue { return &Queue{} }

func (q *Queue) Add(n int) { q.items = append(q.items, n) }
`

const peerTests = `package queue

import (
	"fmt"
	"testing"
)

var _ = Describe("queue", func() {
	It("is fast", func() { Expect(New()) })
	It("is small", func() {
		Expect(inner{})
	})
})

func helper(q *Queue) { q.Add(1) }

func deep() inner { fmt.Println(); return inner{} }

func TestPublic(t *testing.T) {
	helper(New())
	var q Queue
	q.Add(2)
	_ = struct{ Queue int }{Queue: 1}
}

func TestInner(t *testing.T) { deep() }

func BenchmarkAdd(b *testing.B) { New() }
`

const externalTests = `package queue_test

import (
	"testing"

	"example.com/queue"
)

func TestExternal(t *testing.T) { var q *queue.Queue = queue.New(); q.Add(1) }
`

const shimSource = `package larder_test

func New() *larderpeer.Queue { return nil }
`

func newTestRewriter(t *testing.T) *rewriter {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"queue.go": peerSource, "queue_test.go": peerTests, "external_test.go": externalTests} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rw, err := newRewriter("example.com/queue", "example.com/queue", dir, []string{"queue_test.go", "external_test.go"}, []byte(shimSource))
	if err != nil {
		t.Fatal(err)
	}
	return rw
}

// What the package exports is qualified, what the shim has is not, and what nobody has
// goes, with all that uses it; the lines stay.
func TestRewrite(t *testing.T) {
	files, count, err := newTestRewriter(t).rewrite(exclusions{"TestInner": "reaches in", `"is small"`: "reaches in"})
	if err != nil {
		t.Fatal(err)
	}
	if count != 2 {
		t.Errorf("%d tests are left out, want 2", count)
	}
	got := string(files["queue_test.go"])
	for _, want := range []string{
		`package larder_test; import larderpeer "example.com/queue"`,
		`func helper(q *larderpeer.Queue) { q.Add(1) }`,
		"\thelper(New())\n\tvar q larderpeer.Queue\n",
		`_ = struct{ Queue int }{Queue: 1}`,
		`It("is fast", func() { Expect(New()) })`,
		`_ "fmt"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s:\n%s", want, got)
		}
	}
	for _, gone := range []string{"inner", "deep", "TestInner", "BenchmarkAdd", "is small"} {
		if strings.Contains(got, gone) {
			t.Errorf("still has %s:\n%s", gone, got)
		}
	}
	if strings.Count(got, "\n") != strings.Count(peerTests, "\n") {
		t.Errorf("the lines have moved:\n%s", got)
	}
	if got := string(files["external_test.go"]); !strings.Contains(got, "var q *queue.Queue = New(); q.Add(1)") {
		t.Errorf("the constructor of an external test is not the shim's:\n%s", got)
	}
	for name, content := range files {
		if _, err := parser.ParseFile(token.NewFileSet(), name, content, 0); err != nil {
			t.Error(err)
		}
	}
}

// A test that cannot be run has to be excluded, and an exclusion has to be of something.
func TestExclusionsAreComplete(t *testing.T) {
	for want, excluded := range map[string]exclusions{
		"TestInner: it uses deep": {`"is small"`: "reaches in"},
		"there is no TestGone":    {"TestGone": "was there"},
		`there is no spec "gone"`: {`"gone"`: "was there"},
	} {
		if _, _, err := newTestRewriter(t).rewrite(excluded); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// excluded.txt has a section for each suite whose tests are rewritten and none of what there is not, and each
// of those suites has its shim.
func TestSuites(t *testing.T) {
	excluded, err := readExclusions()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites {
		if s.program != nil {
			continue
		}
		if excluded[s.name] == nil {
			t.Errorf("excluded.txt has no section [%s]", s.name)
		}
		if _, err := shims.ReadFile("shims/" + s.shim); err != nil {
			t.Error(err)
		}
	}
	for name := range excluded {
		ofControllers := strings.HasPrefix(name, kubernetes.suite(controllers).name+"/")
		if !ofControllers && !slices.ContainsFunc(suites, func(s suite) bool { return s.name == name }) {
			t.Errorf("excluded.txt has a section of no suite: [%s]", name)
		}
	}
}

// Tests at the top count, and specs instead of the test that runs them.
func TestCount(t *testing.T) {
	s := suite{specs: "TestSpecs"}
	r, output, err := s.read([]byte(`{"Action":"output","Test":"TestA","Output":"hello\n"}
{"Action":"pass","Test":"TestA/sub"}
{"Action":"pass","Test":"TestA"}
{"Action":"fail","Test":"TestB"}
{"Action":"fail","Test":"TestSpecs"}
{"Action":"fail"}
`))
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "specs.json")
	if err := os.WriteFile(report, []byte(`[{"SpecReports":[
		{"LeafNodeType":"It","LeafNodeText":"is fast","State":"passed"},
		{"LeafNodeType":"It","LeafNodeText":"is small","State":"failed"},
		{"LeafNodeType":"It","LeafNodeText":"is later","State":"pending"},
		{"LeafNodeType":"BeforeSuite","State":"passed"}]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.addSpecs(report); err != nil {
		t.Fatal(err)
	}
	if r.passed != 2 || !slices.Equal(r.failed, []string{"TestB", `"is small"`}) || output != "hello\n" {
		t.Errorf("got %+v, %q", r, output)
	}
}

// A function begins with the call, on the line where it began.
func TestInsert(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "queue.go"), []byte(peerSource), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (call{"queue.go", "New", "if hook != nil { return hook() }"}).insert(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "queue.go"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(peerSource, "func New() *Queue {", "func New() *Queue {if hook != nil { return hook() }", 1)
	if string(got) != want {
		t.Errorf("got %s", got)
	}
	if err := (call{"queue.go", "Add", "return"}).insert(dir); err == nil {
		t.Error("a method was taken for a function")
	}
}

// What is excluded of a program is skipped by name, and a part of a test by both.
func TestPattern(t *testing.T) {
	e := exclusions{"TestA": "", "TestB/it_is_(not)_so": ""}
	if got, want := e.pattern(), `^TestA$|^TestB$/^it_is_\(not\)_so$`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := areThere(exclusions{"TestGone/sub": ""}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no TestGone") {
		t.Errorf("got %v", err)
	}
}
