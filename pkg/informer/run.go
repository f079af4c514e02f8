package informer

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// How an attempt to list and watch is followed by the next, as with client-go:
// after about a second, and then after a delay that grows to half a minute or
// one, until there was no need for two minutes.
var backoff = wait.Backoff{
	Duration: 800 * time.Millisecond,
	Factor:   2,
	Jitter:   1,
	Steps:    10,
	Cap:      30 * time.Second,
}

const backoffReset = 2 * time.Minute

// Start keeps the informer up to date until ctx is done. It blocks until then,
// and until every goroutine that it began has ended; that includes the handlers'
// calls under way. It then returns nil. Whatever fails meanwhile is logged and
// tried again; see Err and WaitSynced.
//
// Called a second time it returns [ErrStarted].
func (i *Informer[T]) Start(ctx context.Context) error {
	if err := i.status.start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, i.end)
	defer stop()
	i.handlers.start()

	reflector := cache.NewReflectorWithOptions(i.listen, nil, i.feed, cache.ReflectorOptions{
		Name:            i.name,
		TypeDescription: i.name,
		Clock:           stoppableClock{ctx: i.life},
		Backoff:         &backoff,
	})
	// The loop is not left to the reflector, which would log the errors but not
	// tell them.
	delay := backoff.DelayWithReset(clock.RealClock{}, backoffReset)
	_ = delay.Until(i.life, true, true, func(ctx context.Context) (bool, error) {
		i.listAndWatch(ctx, reflector)
		return false, nil
	})

	i.status.stop()
	i.source.calls.close()
	i.handlers.close()
	return nil
}

// listAndWatch makes one attempt, which lasts until it fails or ctx is done.
func (i *Informer[T]) listAndWatch(ctx context.Context, reflector *cache.Reflector) {
	err := reflector.ListAndWatchWithContext(i.feed.begin(ctx))
	if refusal := i.feed.end(); refusal != nil {
		err = refusal
	}
	switch {
	case err == nil || ctx.Err() != nil:
	case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
		// The watch was away for too long. The list that follows mends it.
		klog.FromContext(ctx).V(1).Info("Watch expired, listing again", "reason", err.Error())
	default:
		i.status.failed(err)
		klog.FromContext(ctx).Error(err, "List or watch failed, will try again")
	}
}
