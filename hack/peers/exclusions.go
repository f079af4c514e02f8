package main

import (
	_ "embed"
	"fmt"
	"strings"
)

// exclusions are the tests of a suite that are left out, and whatever else of it, with the reasons. A spec is
// named by its quoted text.
type exclusions map[string]string

//go:embed excluded.txt
var excludedText string

// readExclusions reads excluded.txt: a line with a suite's name in brackets, or several, and below it lines of a
// name, a colon and the reason.
func readExclusions() (map[string]exclusions, error) {
	all := map[string]exclusions{}
	var sections []string
	for n, line := range strings.Split(excludedText, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			sections = strings.Split(strings.Trim(line, "[]"), "] [")
			for _, suite := range sections {
				if all[suite] == nil {
					all[suite] = exclusions{}
				}
			}
		default:
			name, reason, ok := cutName(line)
			if !ok || len(sections) == 0 {
				return nil, fmt.Errorf("excluded.txt:%d: want \"name: reason\" below a \"[suite]\", got %q", n+1, line)
			}
			for _, suite := range sections {
				all[suite][name] = reason
			}
		}
	}
	return all, nil
}

func cutName(line string) (name, reason string, ok bool) {
	if !isSpec(line) {
		return strings.Cut(line, ": ")
	}
	text, reason, ok := strings.Cut(line[1:], `": `)
	return `"` + text + `"`, reason, ok
}

func isSpec(name string) bool { return strings.HasPrefix(name, `"`) }
