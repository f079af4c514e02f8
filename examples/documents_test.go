// Package examples holds the programs of the documentation.
package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The programs in the documents are those in the repository, which are compiled:
// a code block behind a comment with a file's name holds that file, from the
// package clause on. UPDATE_DOCUMENTS=1 puts the files in.
func TestPrograms(t *testing.T) {
	for _, document := range []string{"docs/store.md", "docs/first-controller.md"} {
		t.Run(document, func(t *testing.T) { wantPrograms(t, filepath.Join("..", document)) })
	}
}

func wantPrograms(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- (examples/\\S+) -->\n```go\n(.*?)```")
	programs := 0
	updated := block.ReplaceAllStringFunc(string(text), func(found string) string {
		programs++
		file := block.FindStringSubmatch(found)[1]
		source, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		_, program, ok := strings.Cut("\n"+string(source), "\npackage ")
		if !ok {
			t.Fatalf("%s has no package clause", file)
		}
		return "<!-- " + file + " -->\n```go\npackage " + program + "```"
	})
	if strings.Count(string(text), "```go\n") != programs {
		t.Errorf("%s has Go code that is no file: nothing compiles it", path)
	}
	if updated == string(text) {
		return
	}
	if os.Getenv("UPDATE_DOCUMENTS") == "" {
		t.Fatalf("%s differs from the programs in examples/: run UPDATE_DOCUMENTS=1 go test ./examples", path)
	}
	if err := os.WriteFile(path, []byte(updated), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The files that the documents name are there.
func TestFiles(t *testing.T) {
	name := regexp.MustCompile("`((?:pkg|internal|examples|bench|hack|docs)/[\\w./-]+\\.\\w+)`|\\]\\(([\\w-]*[./][\\w./-]*?)(?:#[\\w-]+)?\\)")
	for _, document := range []string{
		"README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/comparison.md", "docs/first-controller.md",
		"docs/memory.md", "docs/moving-from-client-go.md", "docs/moving-from-controller-runtime.md", "docs/queue.md",
		"docs/store.md",
	} {
		text, err := os.ReadFile(filepath.Join("..", document))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range name.FindAllStringSubmatch(string(text), -1) {
			path := filepath.Join("..", found[1])
			if found[1] == "" {
				path = filepath.Join("..", filepath.Dir(document), found[2])
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s names %s%s, which is not there", document, found[1], found[2])
			}
		}
	}
}
