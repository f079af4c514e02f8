// Package output checks what the programs of the documentation print.
package output

import (
	"os/exec"
	"testing"
)

// Want runs the program in the test's folder and compares what it prints, to the letter.
func Want(t *testing.T, want string) {
	t.Helper()
	got, err := exec.Command("go", "run", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
