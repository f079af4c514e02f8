//go:build darwin || linux

package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress tells whoever waits what is going on, and that it still is.
type progress struct {
	out   io.Writer
	every time.Duration // between two signs of life
}

func (p progress) say(format string, args ...any) {
	fmt.Fprintf(p.out, "envtest: "+format+"\n", args...)
}

// start says what begins, and every so often for how long it has been going on, until stop is called.
func (p progress) start(what string) (stop func()) {
	p.say("%s", what)
	begun := time.Now()
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		ticker := time.NewTicker(p.every)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-ticker.C:
				p.say("%s: %s so far", what, now.Sub(begun).Round(time.Second))
			}
		}
	})
	return func() {
		close(done)
		ticking.Wait()
	}
}
