package controller_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/larder-dev/larder/pkg/controller"
)

// untilDone is a runnable that ends with its context, and then says so.
func untilDone(ended func()) manager.Runnable {
	return manager.RunnableFunc(func(ctx context.Context) error {
		<-ctx.Done()
		ended()
		return nil
	})
}

// A controller can use its informers to the last: they end when it has ended.
func TestRunStopsControllersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.server.Add(configMap("a", "1"))
		otherEnded := false
		c := mustNew(t, b.options(reconcilerFunc(func(ctx context.Context, _ string) error {
			<-ctx.Done()
			b.server.Add(configMap("b", "late"))
			synctest.Wait()
			if _, ok := b.informer.Get("default", "b"); !ok || otherEnded {
				t.Errorf("at the end of the controller, the informer sees a change: %v; the others have ended: %v", ok, otherEnded)
			}
			return nil
		})))
		// The order of the arguments does not matter.
		stop := running(t, c, b.informer, untilDone(func() { otherEnded = true }))
		synctest.Wait()
		if err := stop(); err != nil || !otherEnded {
			t.Errorf("Run returned %v; the others have ended: %v", err, otherEnded)
		}
	})
}

// The first that fails ends all, and Run returns its error.
func TestRunEndsWithTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		ended := false
		fail := make(chan struct{})
		failing := manager.RunnableFunc(func(context.Context) error { <-fail; return errTest })
		result := make(chan error, 1)
		go func() {
			result <- controller.Run(t.Context(), b.informer, mustNew(t, b.options(doNothing)), failing, untilDone(func() { ended = true }))
		}()
		synctest.Wait()
		close(fail)
		if err := <-result; !errors.Is(err, errTest) || !ended {
			t.Errorf("Run returned %v, want %v; the others have ended: %v", err, errTest, ended)
		}
	})
}

// One that has done its work does not end the others; when all have, Run returns.
func TestRunWithWorkThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := manager.RunnableFunc(func(context.Context) error { return nil })
		ended := false
		stop := running(t, done, untilDone(func() { ended = true }))
		synctest.Wait()
		if ended {
			t.Error("the end of one has ended another")
		}
		if err := stop(); err != nil || !ended {
			t.Errorf("Run returned %v, ended: %v", err, ended)
		}
		if err := controller.Run(t.Context(), done, done); err != nil {
			t.Errorf("Run of what is done returned %v", err)
		}
	})
}

// Nothing is started if there is nothing to start.
func TestRunRejectsNil(t *testing.T) {
	started := manager.RunnableFunc(func(context.Context) error {
		t.Error("started")
		return nil
	})
	if err := controller.Run(t.Context(), started, nil); !errors.Is(err, controller.ErrRunnableRequired) {
		t.Errorf("got %v, want ErrRunnableRequired", err)
	}
}
