package core

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/internal/retry"
)

// Run keeps the informer up to date until ctx is done. It blocks until then, and until every
// goroutine that it began has ended; that includes the handlers' calls under way. It then
// returns nil. Called a second time it returns [ErrStarted].
func (i *Informer) Run(ctx context.Context) error {
	if err := i.status.start(); err != nil {
		return err
	}
	forget := context.AfterFunc(ctx, i.end)
	defer forget()
	i.meters.add(i.meter)
	defer i.meters.remove(i.meter)
	var mutations wait.Group
	mutations.StartWithChannel(ctx.Done(), i.mutations.Run)
	defer mutations.Wait()

	reflector, onError := i.reflect(ctx)
	// The loop is not left to the reflector, which would log the errors but not tell them.
	delay := retry.Delay()
	for ctx.Err() == nil {
		again := i.listAndWatch(ctx, reflector, onError)
		if !again {
			i.pause(ctx, delay())
		}
	}
	i.status.stop()
	i.source.calls.close()
	i.handlers.stop()
	i.objects.cool()
	return nil
}

// reflect makes the reflector.
func (i *Informer) reflect(ctx context.Context) (*cache.Reflector, cache.WatchErrorHandlerWithContext) {
	i.mu.Lock()
	defer i.mu.Unlock()
	logger := i.opts.Logger
	if logger.IsZero() {
		logger = klog.FromContext(ctx)
	}
	i.sink.transform = i.transform
	example := i.opts.Example
	if i.opts.AnyType {
		example = nil
	}
	i.reflector = cache.NewReflectorWithOptions(i.source.listerWatcher(i.opts.ListerWatcher), example, i.sink, cache.ReflectorOptions{
		Logger:          &logger,
		Name:            i.opts.Name,
		TypeDescription: i.opts.Name,
		ResyncPeriod:    i.period,
		Clock:           retry.Clock{Context: ctx},
		Backoff:         new(retry.Backoff()),
	})
	// The handlers resync from the store; there is nothing for the sink to do.
	i.reflector.ShouldResync = func() bool {
		if i.opts.ResyncCheck != nil {
			i.opts.ResyncCheck(time.Now())
		}
		return false
	}
	if i.onError == nil {
		i.onError = i.logError
	}
	return i.reflector, i.onError
}

// logError logs a failure of list or watch.
func (i *Informer) logError(ctx context.Context, _ *cache.Reflector, err error) {
	if isExpired(err) {
		klog.FromContext(ctx).V(1).Info("Watch expired, listing again", "informer", i.opts.Name, "reason", err.Error())
		return
	}
	klog.FromContext(ctx).Error(err, "List or watch failed, will try again", "informer", i.opts.Name)
}

// listAndWatch makes one attempt, which lasts until it fails or ctx is done. It tells whether
// the next is to follow at once.
func (i *Informer) listAndWatch(ctx context.Context, reflector *cache.Reflector, onError cache.WatchErrorHandlerWithContext) (again bool) {
	err := reflector.ListAndWatchWithContext(i.sink.begin(ctx))
	if refusal := i.sink.end(); refusal != nil {
		err = refusal
	}
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, errRelist):
		return true
	case isExpired(err):
		onError(ctx, reflector, err)
	default:
		i.status.failed(err)
		onError(ctx, reflector, err)
	}
	return false
}

// isExpired tells whether the watch was away for too long. The list that follows mends it.
func isExpired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// pause waits for the next attempt.
func (i *Informer) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-i.retry:
	case <-ctx.Done():
	}
}
