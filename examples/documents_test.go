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
// package clause on. UPDATE_README=1 puts the files in.
func TestPrograms(t *testing.T) {
	for _, document := range []string{"README.md", "docs/store.md"} {
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
	if os.Getenv("UPDATE_README") == "" {
		t.Fatalf("%s differs from the programs in examples/: run UPDATE_README=1 go test ./examples", path)
	}
	if err := os.WriteFile(path, []byte(updated), 0o644); err != nil {
		t.Fatal(err)
	}
}
