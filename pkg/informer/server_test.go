package informer_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// server is an API server for ConfigMaps, in as far as an informer can tell: one
// sequence of resourceVersions, watches that continue from any of them that was
// not compacted, bookmarks, streamed lists, selectors, and failures on demand.
type server struct {
	streams bool // offers streamed lists

	mu        sync.Mutex
	version   int
	objects   map[string]*corev1.ConfigMap
	history   []change
	compacted int // the newest version that is not in history any more
	watches   map[*serverWatch]bool
	listErr   error
	watchErr  error
	listed    []metav1.ListOptions
}

// change is one write, or a bookmark.
type change struct {
	version   int
	old, next *corev1.ConfigMap // nil: absent; both nil: a bookmark
}

// newServer returns a server without objects. As with a real one its first list is
// at a resourceVersion above 0: a watch from 0 would be one from anywhere, and a
// reflector does not take the resourceVersions of such a watch's first objects.
func newServer(streams bool) *server {
	return &server{streams: streams, version: 1, objects: map[string]*corev1.ConfigMap{}, watches: map[*serverWatch]bool{}}
}

// put creates or changes an object and returns its resourceVersion.
func (s *server) put(name, value string, lbls ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	uid := types.UID(fmt.Sprintf("%s-%d", name, s.version+1))
	old := s.objects[name]
	if old != nil {
		uid = old.UID
	}
	next := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: uid},
		Data:       map[string]string{"value": value},
	}
	for _, l := range lbls {
		metav1.SetMetaDataLabel(&next.ObjectMeta, l, "true")
	}
	s.commit(change{old: old, next: next})
	s.objects[name] = next
	return next.ResourceVersion
}

// remove deletes an object, if it exists.
func (s *server) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.objects[name]; old != nil {
		delete(s.objects, name)
		s.commit(change{old: old})
	}
}

// elsewhere changes something of another resource, and sends a bookmark.
func (s *server) elsewhere() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commit(change{})
	return strconv.Itoa(s.version)
}

func (s *server) commit(c change) {
	s.version++
	c.version = s.version
	if c.next != nil {
		c.next.ResourceVersion = strconv.Itoa(s.version)
	}
	s.history = append(s.history, c)
	for w := range s.watches {
		w.wake()
	}
}

// compact forgets the past and ends the watches, so that they have to list again.
func (s *server) compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history, s.compacted = nil, s.version
	s.disconnect()
}

// fail makes every list or watch fail from now on, unless nil, and ends the watches.
func (s *server) fail(list, watch error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listErr, s.watchErr = list, watch
	s.disconnect()
}

func (s *server) disconnect() {
	for w := range s.watches {
		w.Stop()
	}
	clear(s.watches)
}

// content returns name and value of every object.
func (s *server) content() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := map[string]string{}
	for name, obj := range s.objects {
		values["default/"+name] = obj.Data["value"]
	}
	return values
}

// lists returns the options of the lists so far.
func (s *server) lists() []metav1.ListOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.listed)
}

// IsWatchListSemanticsUnSupported tells a reflector whether to stream lists.
func (s *server) IsWatchListSemanticsUnSupported() bool { return !s.streams }

func (s *server) List(opts metav1.ListOptions) (runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = append(s.listed, opts)
	if s.listErr != nil {
		return nil, s.listErr
	}
	list := &corev1.ConfigMapList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
	for _, c := range s.initialEvents(opts) {
		list.Items = append(list.Items, *c.Object.(*corev1.ConfigMap))
	}
	return list, nil
}

// initialEvents returns what there is.
func (s *server) initialEvents(opts metav1.ListOptions) []watch.Event {
	var events []watch.Event
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if obj := s.objects[name]; selected(opts, obj) {
			events = append(events, watch.Event{Type: watch.Added, Object: obj.DeepCopy()})
		}
	}
	return events
}

func selected(opts metav1.ListOptions, obj *corev1.ConfigMap) bool {
	selector, err := labels.Parse(opts.LabelSelector)
	return err == nil && obj != nil && selector.Matches(labels.Set(obj.Labels))
}

func (s *server) Watch(opts metav1.ListOptions) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchErr != nil {
		return nil, s.watchErr
	}
	w := &serverWatch{
		server: s,
		opts:   opts,
		awake:  make(chan struct{}, 1),
		done:   make(chan struct{}),
		events: make(chan watch.Event),
	}
	from, _ := strconv.Atoi(opts.ResourceVersion)
	switch {
	case opts.SendInitialEvents != nil:
		from = s.version
		w.first = append(s.initialEvents(opts), bookmark(from, map[string]string{metav1.InitialEventsAnnotationKey: "true"}))
	case from < s.compacted:
		return nil, apierrors.NewResourceExpired("too old resource version")
	}
	w.sent = from
	s.watches[w] = true
	w.wake() // for what it has missed
	go w.run()
	return w, nil
}

func bookmark(version int, annotations map[string]string) watch.Event {
	return watch.Event{Type: watch.Bookmark, Object: &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(version), Annotations: annotations},
	}}
}

// ListWithContext and WatchWithContext are what a reflector calls.
func (s *server) ListWithContext(_ context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	return s.List(opts)
}

func (s *server) WatchWithContext(_ context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	return s.Watch(opts)
}

// serverWatch is one open watch.
type serverWatch struct {
	server *server
	opts   metav1.ListOptions
	first  []watch.Event
	sent   int // the version up to which everything was sent
	awake  chan struct{}
	once   sync.Once
	done   chan struct{}
	events chan watch.Event
}

func (w *serverWatch) Stop() { w.once.Do(func() { close(w.done) }) }

func (w *serverWatch) ResultChan() <-chan watch.Event { return w.events }

func (w *serverWatch) wake() {
	select {
	case w.awake <- struct{}{}:
	default:
	}
}

func (w *serverWatch) run() {
	defer close(w.events)
	for events := w.first; ; events = w.next() {
		for _, e := range events {
			select {
			case w.events <- e:
			case <-w.done:
				return
			}
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-w.awake:
		case <-w.done:
			return
		}
	}
}

// next returns the events that were not sent.
func (w *serverWatch) next() []watch.Event {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if w.sent < w.server.compacted {
		return nil // it was ended, and does not know what it missed
	}
	var events []watch.Event
	for _, c := range w.server.history {
		if c.version <= w.sent {
			continue
		}
		w.sent = c.version
		had, has := selected(w.opts, c.old), selected(w.opts, c.next)
		switch {
		case c.old == nil && c.next == nil:
			events = append(events, bookmark(c.version, nil))
		case has && had:
			events = append(events, watch.Event{Type: watch.Modified, Object: c.next.DeepCopy()})
		case has:
			events = append(events, watch.Event{Type: watch.Added, Object: c.next.DeepCopy()})
		case had:
			gone := c.old.DeepCopy()
			gone.ResourceVersion = strconv.Itoa(c.version)
			events = append(events, watch.Event{Type: watch.Deleted, Object: gone})
		}
	}
	return events
}
