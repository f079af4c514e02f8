package main

import (
	"fmt"
	"sync"
	"testing"

	"github.com/larder-dev/larder/examples/internal/output"
)

func TestOutput(t *testing.T) {
	output.Want(t, `the square of 2, 1 loaded so far
the square of 3, 2 loaded so far
the square of 2, 2 loaded so far
the square of 4, 3 loaded so far
the square of 2, 3 loaded so far
the square of 3, 4 loaded so far
`)
}

// Whoever gets a key at the same time gets the same value, and the cache stays small.
func TestManyGetters(t *testing.T) {
	c := New(10, func(key string) (*string, error) { return &key, nil })
	defer c.store.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 {
				key := fmt.Sprint(i * i % 37)
				if v, err := c.Get(key); err != nil || *v != key {
					t.Errorf("Get(%s): %v, %v", key, v, err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := c.store.Count("entries"); err != nil || n > 10 {
		t.Errorf("%d entries (%v)", n, err)
	}
}
