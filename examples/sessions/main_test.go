package main

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-dev/larder/examples/internal/output"
)

func TestOutput(t *testing.T) {
	output.Want(t, `alice, after 20 minutes: true until 12:50:00
swept after 40 minutes: 1
id-1 true alice
id-2 false 
`)
}

// However often expired sessions are swept, one that is used in time is never lost.
func TestSweepBesideUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := New(time.Second, time.Now)
		defer sessions.store.Close()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				if _, err := sessions.Sweep(); err != nil {
					t.Error(err)
				}
			}
		})
		for i := range 10 {
			id := fmt.Sprint(i)
			if err := sessions.Begin(id, "user "+id); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for range 20 {
					time.Sleep(time.Second) // to the moment at which it is about to expire
					if _, ok, err := sessions.Use(id); !ok || err != nil {
						t.Errorf("session %s was lost: %v", id, err)
					}
				}
			})
		}
		time.Sleep(time.Minute)
		close(stop)
		wg.Wait()
		if all, err := sessions.store.List("sessions"); err != nil || len(all) != 0 {
			t.Errorf("%d sessions are left (%v)", len(all), err)
		}
	})
}
