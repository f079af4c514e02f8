//go:build darwin || linux

package main

import (
	"encoding/json"
	"fmt"
	goparser "go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// An edit puts some lines of a file in the place of others.
type edit struct {
	file          string // seen from the top of the module
	before, after string // whole lines
}

// apply returns the text of the file with the edit made.
func (e edit) apply(text string) (string, error) {
	text, before := "\n"+text, "\n"+e.before // so that it is whole lines that are found
	at := strings.Index(text, before)
	if at < 0 {
		return "", fmt.Errorf("%s does not have the text to be changed", e.file)
	}
	if strings.Contains(text[at+1:], before) {
		return "", fmt.Errorf("%s has the text to be changed more than once", e.file)
	}
	return text[1:at+1] + e.after + text[at+len(before):], nil
}

// files returns the content of the mutant's files in the module at root. It is an error if a change cannot be made,
// or what becomes of a file is not Go.
func (m *mutant) files(root string) (map[string]string, error) {
	files := map[string]string{}
	for _, e := range m.edits {
		text, ok := files[e.file]
		if !ok {
			content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
			if err != nil {
				return nil, fmt.Errorf("%v: %w", m, err)
			}
			text = string(content)
		}
		text, err := e.apply(text)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", m, err)
		}
		files[e.file] = text
	}
	for file, text := range files {
		if _, err := goparser.ParseFile(token.NewFileSet(), file, text, goparser.SkipObjectResolution); err != nil {
			return nil, fmt.Errorf("%v: %w", m, err)
		}
	}
	return files, nil
}

// writeOverlay writes files of the module at root into dir, and returns the overlay for the go command.
func writeOverlay(root, dir string, files map[string]string) (string, error) {
	replace := map[string]string{}
	for file, text := range files {
		changed := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = changed
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, content, 0o600)
}
