package informer

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/internal/retry"
)

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
	i.meters.add(i.meter)
	defer i.meters.remove(i.meter)
	i.handlers.start()

	reflector := cache.NewReflectorWithOptions(i.listen, nil, i.feed, cache.ReflectorOptions{
		Name:            i.name,
		TypeDescription: i.name,
		Clock:           retry.Clock{Context: i.life},
		Backoff:         new(retry.Backoff()),
	})
	// The loop is not left to the reflector, which would log the errors but not
	// tell them.
	delay := retry.Delay()
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
