package informer

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// source stands between a reflector and the ListerWatcher it reads from. It
// selects, it tells the informer of failures that the reflector would keep to
// itself, and it knows when no call is under way: a reflector that is stopped
// does not wait for its own.
type source struct {
	server        cache.ListerWatcherWithContext
	labelSelector string
	fieldSelector string
	status        *status
	calls         group
}

// listerWatcher returns the source as what a reflector wants. It claims the
// streaming of lists if the original does.
func (s *source) listerWatcher(original cache.ListerWatcher) cache.ListerWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc:  s.list,
		WatchFuncWithContext: s.watch,
	}, original)
}

func (s *source) list(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	if !s.calls.enter() {
		return nil, ErrStopped
	}
	defer s.calls.leave()
	s.applySelectors(&opts)
	return s.server.ListWithContext(ctx, opts)
}

func (s *source) watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	if !s.calls.enter() {
		return nil, ErrStopped
	}
	defer s.calls.leave()
	s.applySelectors(&opts)
	opts.Watch = true
	w, err := s.server.WatchWithContext(ctx, opts)
	switch {
	case err == nil:
		s.status.watching()
	case utilnet.IsConnectionRefused(err), apierrors.IsTooManyRequests(err):
		// The reflector tries the same again, silently, until it succeeds.
		s.status.failed(err)
	}
	return w, err
}

func (s *source) applySelectors(opts *metav1.ListOptions) {
	opts.LabelSelector = s.labelSelector
	opts.FieldSelector = s.fieldSelector
}
