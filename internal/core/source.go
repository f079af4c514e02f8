package core

import (
	"context"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/sharding"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// source is what an informer's reflector lists and watches: an API server, or what somebody
// else's ListerWatcher has.
//
// It asks for the widest form that is wanted so far. When that becomes wider, the watch is
// ended and everything listed again: a list and the watches after it are of one form.
//
// It tells the status of failures that the reflector would keep to itself, and knows when no
// call is under way: a reflector that is stopped does not wait for its own.
type source struct {
	remote   Remote
	server   cache.ListerWatcherWithContext // nil: it is remote's
	resource lazyResource
	kind     Kind
	open     func(f Form) (requests, error) // makes requests for a form
	status   *Status
	shard    sharding.Selector // of the objects that are wanted; nil: all
	calls    group

	mu      sync.Mutex
	wanted  Form
	listed  Form // of the latest list
	current watch.Interface
	made    map[Form]requests
}

// errRelist says that everything is to be listed again, in a wider form.
var errRelist = errors.New("everything is to be listed again")

// widen has everything listed again if it is not in a form that is as wide, and tells whether
// it is news.
func (s *source) widen(to Form) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wanted >= to {
		return false
	}
	s.wanted = to
	if s.current != nil && s.listed < to {
		s.current.Stop()
	}
	return true
}

// want returns the widest form that is wanted.
func (s *source) want() Form {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// forget has what makes requests made anew.
func (s *source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = nil
}

// form returns that of the latest list.
func (s *source) form() Form {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listed
}

// listerWatcher returns the source as what a reflector wants. It claims the streaming of
// lists if the original does.
func (s *source) listerWatcher(original cache.ListerWatcher) cache.ListerWatcher {
	lw := &cache.ListWatch{ListWithContextFunc: s.list, WatchFuncWithContext: s.watch}
	if original == nil {
		return lw
	}
	return cache.ToListWatcherWithWatchListSemantics(lw, original)
}

func (s *source) list(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	if !s.calls.enter() {
		return nil, ErrStopped
	}
	defer s.calls.leave()
	s.restrict(&opts)
	s.mu.Lock()
	if opts.Continue == "" { // all pages of a list are of one form
		s.listed = s.wanted
	}
	f := s.listed
	s.mu.Unlock()
	if s.server != nil {
		return s.server.ListWithContext(ctx, opts)
	}
	if s.remote.Fresh && opts.ResourceVersion == "0" {
		opts.ResourceVersion = "" // what the server's cache has may be older than what a client has just written
	}
	requests, res, err := s.connect(ctx, f)
	if err != nil {
		return nil, err
	}
	list, err := requests.list(ctx, res, s.namespace(res), opts)
	return list, s.resource.check(err)
}

func (s *source) watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	if !s.calls.enter() {
		return nil, ErrStopped
	}
	defer s.calls.leave()
	w, err := s.begin(ctx, opts)
	switch {
	case err == nil:
		s.status.watching(ptr.Deref(opts.SendInitialEvents, false))
	case utilnet.IsConnectionRefused(err), apierrors.IsTooManyRequests(err):
		// The reflector tries the same again, silently, until it succeeds.
		s.status.failed(err)
	}
	return w, err
}

// begin begins a watch in the form of the latest list. If that is no longer wide enough it
// returns errRelist.
func (s *source) begin(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	s.restrict(&opts)
	opts.Watch = true
	isList := ptr.Deref(opts.SendInitialEvents, false)
	if s.remote.NoBookmarks {
		opts.AllowWatchBookmarks = isList // the end of a streamed list is a bookmark
	}
	s.mu.Lock()
	if isList {
		s.listed = s.wanted
	}
	f, narrow := s.listed, s.listed < s.wanted
	s.current = nil
	s.mu.Unlock()
	switch {
	case narrow:
		return nil, errRelist
	case s.server != nil:
		return s.server.WatchWithContext(ctx, opts)
	}
	requests, res, err := s.connect(ctx, f)
	if err != nil {
		return nil, err
	}
	w, err := requests.watch(ctx, res, s.namespace(res), opts)
	if err != nil {
		return nil, s.resource.check(err)
	}
	s.hold(w)
	return w, nil
}

// hold keeps a watch so that widen can end it, and ends it if that has come between.
func (s *source) hold(w watch.Interface) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = w
	if s.listed < s.wanted {
		w.Stop()
	}
}

// connect returns what makes requests for a form, and the resource, if the namespace fits it.
func (s *source) connect(ctx context.Context, f Form) (requests, resource, error) {
	res, err := s.resource.get(ctx)
	if err != nil {
		return nil, res, err
	}
	if s.namespace(res) != "" && !res.namespaced {
		return nil, res, fmt.Errorf("%w: Namespace %q: resource %q is cluster-scoped, leave it empty",
			ErrInvalidOption, s.remote.Namespace, res.GroupResource())
	}
	if s.kind.learn(res.gvk) {
		s.forget() // what was made of another kind
	}
	made, err := s.requests(f)
	return made, res, err
}

// namespace returns the namespace of requests for a resource.
func (s *source) namespace(res resource) string {
	if s.remote.AnyScope && !res.namespaced {
		return ""
	}
	return s.remote.Namespace
}

// requests returns what makes requests for a form.
func (s *source) requests(f Form) (requests, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if made := s.made[f]; made != nil {
		return made, nil
	}
	made, err := s.open(f)
	if err != nil {
		return nil, err
	}
	if s.made == nil {
		s.made = map[Form]requests{}
	}
	s.made[f] = made
	return made, nil
}

// restrict applies the selectors.
func (s *source) restrict(opts *metav1.ListOptions) {
	if s.remote.LabelSelector != "" {
		opts.LabelSelector = s.remote.LabelSelector
	}
	if s.remote.FieldSelector != "" {
		opts.FieldSelector = s.remote.FieldSelector
	}
	if s.shard != nil {
		opts.ShardSelector = s.shard.String()
	}
	if s.remote.Tweak != nil {
		s.remote.Tweak(opts)
	}
}
