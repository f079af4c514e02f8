package main

import (
	"fmt"
	"os"
	"strings"
)

// A summary stands between two lines of one of larder's documents, the first of which says which.
const (
	ratiosShown  = "<!-- written by make bench -->\n"
	packingShown = "<!-- written by make bench-packing -->\n"
	doorsShown   = "<!-- written by make bench-packing: doors -->\n"
	shownTo      = "<!-- until here -->\n"
)

// The documents that have summaries.
const (
	readme     = "../README.md"
	comparison = "../docs/comparison.md"
	memory     = "../docs/memory.md"
)

// showIn puts a summary into a file, in place of the one before.
func showIn(file, shownFrom, summary string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), shownFrom)
	_, after, ended := strings.Cut(rest, shownTo)
	if !found || !ended {
		return fmt.Errorf("%s: no place for the summary: add the lines %q and %q", file, shownFrom, shownTo)
	}
	return os.WriteFile(file, []byte(before+shownFrom+summary+shownTo+after), 0o644)
}
