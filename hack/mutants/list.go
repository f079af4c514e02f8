//go:build darwin || linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A mutant is one mistake in a package, and the tests that have to notice it. In a list it reads like this:
//
//	# A comment.
//	dir: pkg/workqueue
//	test: ./pkg/workqueue
//	flags: -timeout=30s
//
//	mutant: done-wakes-nobody
//	breaks: Done leaves an item that was added meanwhile without waking a getter for it
//	run: ^TestSemantics$
//	file: queue.go
//	 	case queued:
//	-		q.waiters.wakeOne()
//
// What is above the first mutant holds for all of them, unless they say otherwise: the folder that files are in,
// the packages to test, flags of go test (such as -race or -count=5), which tests to run (default: all).
//
// A file is followed by the change, as in a patch: lines that go, that come, and that stay begin with a minus, a
// plus, and a blank. Those that go and stay have to be in the file exactly once, in this order. A mutant can
// have several changes, each below a file of its own.
//
// A mutant with a line "survives: reason" is known to pass all tests, as it is right too, or costs but memory
// or time.
type mutant struct {
	list, name string
	breaks     string // what goes wrong, in a sentence
	edits      []edit
	tests      tests
	survives   string // why no test can fail; empty if one has to
}

func (m *mutant) String() string { return m.list + " " + m.name }

// readLists returns the mutants of all lists, by list and in order.
func readLists(lists fs.FS) ([]*mutant, error) {
	names, err := fs.Glob(lists, "*.txt")
	if err != nil {
		return nil, err
	}
	var all []*mutant
	for _, name := range names {
		text, err := fs.ReadFile(lists, name)
		if err != nil {
			return nil, err
		}
		mutants, err := parseList(strings.TrimSuffix(name, ".txt"), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, mutants...)
	}
	return all, nil
}

// A parser reads one list.
type parser struct {
	dir      string
	defaults mutant
	mutants  []*mutant
	change   *edit // the one that lines belong to, or nil
	blank    int   // empty lines since its last line
}

func parseList(list, text string) ([]*mutant, error) {
	p := parser{defaults: mutant{list: list}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := p.line(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("%s.txt:%d: %w", list, n, err)
		}
	}
	seen := map[string]bool{}
	for _, m := range p.mutants {
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("%s.txt: %s: %w", list, m.name, err)
		}
		if seen[m.name] {
			return nil, fmt.Errorf("%s.txt: there are two mutants called %s", list, m.name)
		}
		seen[m.name] = true
	}
	return p.mutants, nil
}

var keyLine = regexp.MustCompile(`^([a-z]+): +(.*\S)\s*$`)

func (p *parser) line(line string) error {
	switch {
	case line == "":
		p.blank++
		return nil
	case strings.HasPrefix(line, "#"):
		return nil
	case strings.ContainsAny(line[:1], " +-"):
		return p.changed(line[:1], line[1:]+"\n")
	}
	match := keyLine.FindStringSubmatch(line)
	if match == nil {
		return fmt.Errorf("want \"key: value\", a comment or a line of a change, got %q", line)
	}
	p.change = nil
	return p.set(match[1], match[2])
}

// changed adds a line to the change.
func (p *parser) changed(sign, line string) error {
	if p.change == nil {
		return errors.New("a change has to follow a file")
	}
	if p.change.before+p.change.after != "" {
		line = strings.Repeat("\n", p.blank) + line // an empty line in the middle is one of the file
	}
	p.blank = 0
	if sign != "+" {
		p.change.before += line
	}
	if sign != "-" {
		p.change.after += line
	}
	return nil
}

func (p *parser) set(key, value string) error {
	m := &p.defaults
	if len(p.mutants) > 0 {
		m = p.mutants[len(p.mutants)-1]
	}
	inMutant := m != &p.defaults
	switch {
	case key == "mutant":
		next := p.defaults
		next.name = value
		p.mutants = append(p.mutants, &next)
	case key == "test":
		m.tests.packages = strings.Fields(value)
	case key == "flags":
		m.tests.flags = strings.Fields(value)
	case key == "run":
		m.tests.run = value
	case key == "dir" && !inMutant:
		p.dir = value
	case key == "breaks" && inMutant:
		m.breaks = value
	case key == "survives" && inMutant:
		m.survives = value
	case key == "file" && inMutant:
		m.edits = append(m.edits, edit{file: path.Join(p.dir, value)})
		p.change, p.blank = &m.edits[len(m.edits)-1], 0
	default:
		return fmt.Errorf("%q is not for this place", key)
	}
	return nil
}

// check tells what the mutant lacks.
func (m *mutant) check() error {
	_, err := regexp.Compile(m.tests.run)
	lacks := func(e edit) bool { return e.before == "" || e.before == e.after }
	switch {
	case err != nil:
		return err
	case m.breaks == "":
		return errors.New("it does not say what it breaks")
	case len(m.tests.packages) == 0:
		return errors.New("it does not say which packages to test")
	case len(m.edits) == 0 || slices.ContainsFunc(m.edits, lacks):
		return errors.New("it does not change anything")
	}
	return nil
}

// choose returns the mutants that the options are about.
func choose(all []*mutant, opts options) ([]*mutant, error) {
	name, err := regexp.Compile(opts.run)
	if err != nil {
		return nil, err
	}
	var chosen []*mutant
	for _, m := range all {
		if cmp.Or(opts.list, m.list) == m.list && name.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("there are no such mutants")
	}
	return chosen, nil
}
