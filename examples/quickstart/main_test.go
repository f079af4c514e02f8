package main

import (
	"testing"

	"github.com/larder-dev/larder/examples/internal/output"
)

// The output is the one that the documentation shows.
func TestOutput(t *testing.T) {
	output.Want(t, `[create] task-1: Buy groceries
[create] task-2: Write docs
[update] task-1: Buy groceries

Incomplete: 1
`)
}
