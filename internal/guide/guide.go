// Package guide checks that the code in a guide is compiled.
package guide

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Check fails the test unless the guide has Go code, and all of it stands, but for
// indentation, in the examples of the package under test: files whose names end in
// example_test.go. It returns the guide.
func Check(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	indent := regexp.MustCompile(`(?m)^\s+`)
	files, err := filepath.Glob("*example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var compiled strings.Builder
	for _, file := range files {
		examples, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compiled.WriteString(indent.ReplaceAllString(string(examples), ""))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Error("the guide has no code")
	}
	for _, block := range blocks {
		if !strings.Contains(compiled.String(), indent.ReplaceAllString(block[1], "")) {
			t.Errorf("this code of the guide is not in the examples:\n%s", block[1])
		}
	}
	return string(text)
}
