package main

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// source is an API server in memory that costs next to nothing, so that what is measured is the informer behind
// it. It has one reader, which lists or streams the objects and then gets the events that are sent.
type source struct {
	objects []*corev1.Pod
	list    *corev1.PodList // nil: they are streamed
	events  chan watch.Event
	stopped chan struct{}
	once    sync.Once
}

var _ cache.ListerWatcherWithContext = (*source)(nil)

// resourceVersion is that of lists. Every object has a higher one.
const resourceVersion = "1000"

// newSource returns a source that streams its objects, as API servers do by default.
func newSource(objects []*corev1.Pod) *source {
	// A watch decodes ahead of its reader; without room, every event would cost two switches of goroutines.
	const ahead = 1024
	return &source{objects: objects, events: make(chan watch.Event, ahead), stopped: make(chan struct{})}
}

// listOf returns Pods as a List returns them.
func listOf(objects []*corev1.Pod) *corev1.PodList {
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: resourceVersion}}
	for _, p := range objects {
		list.Items = append(list.Items, *p)
	}
	return list
}

// IsWatchListSemanticsUnSupported tells a reflector whether to stream.
func (s *source) IsWatchListSemanticsUnSupported() bool { return s.list != nil }

// ListWithContext implements [cache.ListerWithContext].
func (s *source) ListWithContext(context.Context, metav1.ListOptions) (runtime.Object, error) {
	if s.list == nil {
		return listOf(s.objects), nil
	}
	return s.list, nil
}

// WatchWithContext implements [cache.WatcherWithContext].
func (s *source) WatchWithContext(_ context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	if opts.SendInitialEvents != nil && *opts.SendInitialEvents {
		go s.stream()
	}
	return s, nil
}

// List implements [cache.Lister].
func (s *source) List(opts metav1.ListOptions) (runtime.Object, error) {
	return s.ListWithContext(context.Background(), opts)
}

// Watch implements [cache.Watcher].
func (s *source) Watch(opts metav1.ListOptions) (watch.Interface, error) {
	return s.WatchWithContext(context.Background(), opts)
}

// stream sends the objects, and the bookmark that ends them.
func (s *source) stream() {
	for _, p := range s.objects {
		s.send(watch.Added, p)
	}
	s.send(watch.Bookmark, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		ResourceVersion: resourceVersion,
		Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
	}})
}

// send waits until there is room for an event.
func (s *source) send(change watch.EventType, p *corev1.Pod) {
	select {
	case s.events <- watch.Event{Type: change, Object: p}:
	case <-s.stopped:
	}
}

// ResultChan implements [watch.Interface].
func (s *source) ResultChan() <-chan watch.Event { return s.events }

// Stop implements [watch.Interface].
func (s *source) Stop() { s.once.Do(func() { close(s.stopped) }) }
