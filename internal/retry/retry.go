// Package retry says how an attempt to list and watch is followed by the next, for
// all who run a reflector: as client-go does it, but so that it ends with a context.
package retry

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
)

// backoffReset is after how long without a need for it a delay begins anew.
const backoffReset = 2 * time.Minute

// Backoff returns the delays, as with client-go: about a second, and then a delay that
// grows to half a minute or one.
func Backoff() wait.Backoff {
	return wait.Backoff{Duration: 800 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 10, Cap: 30 * time.Second}
}

// Delay returns the delays of [Backoff], which begin anew once there was no need for
// one for two minutes.
func Delay() wait.DelayFunc { return Backoff().DelayWithReset(clock.RealClock{}, backoffReset) }

// Clock is the real clock, except that its waits end with a context. A reflector that
// backs off from a server that refuses connections waits for nothing but its clock,
// for up to a minute.
type Clock struct {
	clock.RealClock
	Context context.Context
}

// After returns a channel that receives after d, or when the context is done.
func (c Clock) After(d time.Duration) <-chan time.Time {
	fired := make(chan time.Time, 1)
	ctx, cancel := context.WithTimeout(c.Context, d)
	context.AfterFunc(ctx, func() {
		cancel()
		fired <- c.Now()
	})
	return fired
}
