package clientgo

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/util/naming"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/internal/retry"
)

// RunWithContext keeps the informer up to date until ctx is done. It blocks until
// then, and until every handler has returned. An informer runs once: a second call
// logs a warning and returns.
func (i *sharedIndexInformer) RunWithContext(ctx context.Context) {
	defer utilruntime.HandleCrashWithContext(ctx)
	feed := i.start(ctx)
	if feed == nil {
		klog.FromContext(ctx).Info("Warning: the informer was run before, and an informer runs only once", "informer", i.name())
		return
	}
	informers.add(i)
	defer informers.forget(i)
	defer i.handlers.stop()

	var mutations wait.Group
	mutations.StartWithChannel(ctx.Done(), i.mutations.Run)
	defer mutations.Wait()

	// The loop is not left to the reflector, which would not pass errors on to
	// another package's handler.
	delay := retry.Delay()
	for ctx.Err() == nil {
		i.listAndWatch(ctx, feed)
		feed.pause(ctx, delay())
	}
}

// start makes the reflector, and returns the feed behind it; nil if the informer
// was started before.
func (i *sharedIndexInformer) start(ctx context.Context) *feed {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.started {
		return nil
	}
	i.started = true
	feed := &feed{
		indexer:   i.indexer,
		transform: i.transform,
		mutations: i.mutations,
		meters:    i.meters,
		handlers:  &i.handlers,
		synced:    i.synced,
	}
	feed.follower, _ = i.listerWatcher.(Follower)
	logger := klog.FromContext(ctx)
	i.reflector = cache.NewReflectorWithOptions(i.listerWatcher, i.example, feed, cache.ReflectorOptions{
		Logger:          &logger,
		Name:            naming.GetNameFromCallsite("pkg/compat/clientgo/"),
		TypeDescription: i.description,
		ResyncPeriod:    i.handlers.start(),
		Clock:           retry.Clock{Context: ctx},
		Backoff:         new(retry.Backoff()),
	})
	// The handlers resync from the store; there is nothing for the feed to do.
	i.reflector.ShouldResync = func() bool {
		i.handlers.resync(time.Now())
		return false
	}
	if i.onWatchError == nil {
		i.onWatchError = cache.DefaultWatchErrorHandler
	}
	return feed
}

// listAndWatch makes one attempt, which lasts until it fails or ctx is done.
func (i *sharedIndexInformer) listAndWatch(ctx context.Context, feed *feed) {
	err := i.reflector.ListAndWatchWithContext(feed.begin(ctx))
	if refusal := feed.end(); refusal != nil {
		err = refusal
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrRelist) {
		i.onWatchError(ctx, i.reflector, err)
	}
}
