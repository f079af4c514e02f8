package main

import (
	"os/exec"
	"testing"
)

// The output is the one that the documentation shows, to the letter.
func TestOutput(t *testing.T) {
	const want = `[create] task-1: Buy groceries
[create] task-2: Write docs
[update] task-1: Buy groceries

Incomplete: 1
`
	got, err := exec.Command("go", "run", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
