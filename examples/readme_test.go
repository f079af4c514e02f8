// Package examples holds the programs of the documentation.
package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The programs in the README are those in the repository, which are compiled:
// a code block behind a comment with a file's name holds that file, from the
// package clause on. UPDATE_README=1 puts the files in.
func TestReadme(t *testing.T) {
	path := filepath.Join("..", "README.md")
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- (examples/\\S+) -->\n```go\n(.*?)```")
	programs := 0
	updated := block.ReplaceAllStringFunc(string(readme), func(found string) string {
		programs++
		file := block.FindStringSubmatch(found)[1]
		source, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		_, program, ok := strings.Cut(string(source), "\npackage ")
		if !ok {
			t.Fatalf("%s has no package clause", file)
		}
		return "<!-- " + file + " -->\n```go\npackage " + program + "```"
	})
	if strings.Count(string(readme), "```go\n") != programs {
		t.Error("the README has Go code that is no file: nothing compiles it")
	}
	if updated == string(readme) {
		return
	}
	if os.Getenv("UPDATE_README") == "" {
		t.Fatal("the README differs from the programs in examples/: run UPDATE_README=1 go test ./examples")
	}
	if err := os.WriteFile(path, []byte(updated), 0o644); err != nil {
		t.Fatal(err)
	}
}
