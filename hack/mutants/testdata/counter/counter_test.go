package counter

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	for n := range 3 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if got := Count(n); got != n {
				t.Errorf("got %d, want %d", got, n)
			}
		})
	}
}

// It waits for an hour if it is given a pipe to say so.
func TestWait(t *testing.T) {
	name := os.Getenv("MUTANTS_PIPE")
	if name == "" {
		return
	}
	pipe, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	fmt.Fprintln(pipe, "waiting")
	time.Sleep(time.Hour)
}
