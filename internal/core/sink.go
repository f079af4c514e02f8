package core

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/sharding"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// sink writes what a reflector reads into an object store. All its methods are called by the
// reflector's goroutine.
//
// # Nothing is stepped over
//
// A reflector only logs what its store refuses, and goes on: the object would be
// missing or out of date until somebody changes it. So a refusal breaks off the
// attempt, the reflector's present list and watch. From then on until the next
// attempt, which begins with a list, the sink takes nothing, neither objects nor
// resourceVersions. The reflector is not told but notices that its context is done:
// an error would make it dump the object into the log, or forget to end the watch
// that streamed a list.
type sink struct {
	objects   Objects
	source    *source
	status    *Status
	handlers  *handlers
	keyOf     func(obj any) (string, error)
	kind      Kind                         // of metadata, which does not say so as it comes from the server
	transform func(obj any) (any, error)   // nil: none
	shard     sharding.Selector            // of the objects that are wanted; nil: all
	onStored  func(took time.Duration)     // nil: none
	onReached func(resourceVersion string) // nil: none
	onNewer   func()                       // there are fields that the type lacks
	attempt   atomic.Pointer[attempt]
}

// attempt is one list and the watch that follows it.
type attempt struct {
	context.Context
	breakOff context.CancelCauseFunc
}

var (
	_ cache.ReflectorStore         = (*sink)(nil)
	_ cache.TransformingStore      = (*sink)(nil)
	_ cache.ResourceVersionUpdater = (*sink)(nil)
)

// begin starts an attempt and returns its context.
func (s *sink) begin(ctx context.Context) context.Context {
	a := &attempt{}
	a.Context, a.breakOff = context.WithCancelCause(ctx)
	s.attempt.Store(a)
	return a
}

// end ends the attempt and returns the refusal that broke it off, if one did.
func (s *sink) end() error {
	a := s.attempt.Load()
	a.breakOff(nil)
	if refusal, ok := errors.AsType[*ObjectError](context.Cause(a)); ok {
		return refusal
	}
	return nil
}

// refuse breaks off the attempt because of an object. Unlike the other methods it may be
// called by anybody.
func (s *sink) refuse(key string, err error) {
	if index, ok := errors.AsType[*store.IndexError](err); ok {
		key = index.Name
	}
	if packing, ok := errors.AsType[*gomap.EncodeError](err); ok {
		key = packing.Name
	}
	if a := s.attempt.Load(); a != nil {
		a.breakOff(&ObjectError{Key: key, Err: err})
	}
}

// over tells whether the attempt has been broken off.
func (s *sink) over() bool { return s.attempt.Load().Err() != nil }

// Add writes a new object. Like the other methods it never returns an error.
func (s *sink) Add(obj any) error { return s.Update(obj) }

// Update writes a changed object.
func (s *sink) Update(obj any) error { return s.write(obj, s.objects.Set) }

// Delete removes an object, whose final state is obj.
func (s *sink) Delete(obj any) error { return s.write(obj, s.objects.Delete) }

// write writes an object, unless the attempt is over.
func (s *sink) write(obj any, write func(key string, item Item) error) error {
	if s.over() || !s.wants(obj) {
		return nil
	}
	key, item, ok := s.prepare(obj)
	if !ok {
		return nil
	}
	began := time.Now()
	if err := write(key, item); err != nil {
		s.refuse(key, err)
		return nil
	}
	s.stored(began)
	return nil
}

func (s *sink) stored(began time.Time) {
	if s.onStored != nil {
		s.onStored(time.Since(began))
	}
}

func (s *sink) reached(resourceVersion string) {
	if s.onReached != nil {
		s.onReached(resourceVersion)
	}
}

// Replace makes the store equal to a list. Objects that are not in it, because the watch
// missed their deletion or they left a selector, are deleted.
func (s *sink) Replace(list []any, resourceVersion string) error {
	if s.over() {
		return nil
	}
	objects := make(map[string]Item, len(list))
	for _, obj := range list {
		if !s.wants(obj) {
			continue
		}
		key, item, ok := s.prepare(obj)
		if !ok {
			return nil
		}
		objects[key] = item
	}
	began := time.Now()
	if err := s.objects.Replace(objects); err != nil {
		s.refuse("", err)
		return nil
	}
	s.stored(began)
	s.status.noteList(resourceVersion, s.source.form())
	s.handlers.listed()
	s.reached(resourceVersion)
	return nil
}

// UpdateResourceVersion notes how far the watch has come. A reflector calls it after every
// event, bookmarks included, when the event is in the store.
func (s *sink) UpdateResourceVersion(resourceVersion string) {
	if !s.over() {
		s.status.Reached(resourceVersion)
		s.reached(resourceVersion)
	}
}

// Resync does nothing: handlers resync by themselves, from the store.
func (s *sink) Resync() error { return nil }

// Transformer lets the reflector transform and pack objects while it collects a streamed
// list, so that the list is held in its small form.
func (s *sink) Transformer() cache.TransformFunc {
	if _, plain := s.objects.(*plainObjects); plain && s.transform == nil {
		return nil
	}
	return func(obj any) (any, error) {
		if _, packed := obj.(*wire.Object); packed || !s.wants(obj) {
			return obj, nil
		}
		key, item, ok := s.prepare(obj)
		if !ok {
			return obj, nil // for an error the reflector would step over the object
		}
		item, err := s.objects.pack(item)
		if err != nil {
			s.refuse(key, err)
			return obj, nil
		}
		return &prepared{key, item}, nil
	}
}

// wants tells whether an object is in the shard. A server that knows shards sends no others.
func (s *sink) wants(obj any) bool {
	o, ok := obj.(runtime.Object)
	if s.shard == nil || !ok {
		return true
	}
	in, err := s.shard.Matches(o)
	if err != nil {
		s.refuse("", fmt.Errorf("shard selector: %w", err))
	}
	return in
}

// prepared is an object that only has to be written.
type prepared struct {
	key  string
	item Item
}

// prepare returns an object as it is to be stored, with its key, or refuses it.
func (s *sink) prepare(obj any) (key string, item Item, ok bool) {
	switch o := obj.(type) {
	case *prepared:
		return o.key, o.item, true
	case *wire.Object:
		item.packed = o.Packed()
		if o.IsPartial() {
			item.packed = partialPacked{item.packed}
		}
		if o.Newer() {
			s.onNewer()
		}
		// The key is a part of what else was scanned, which is not kept.
		return strings.Clone(o.Key()), item, true
	}
	if m, ok := obj.(*metav1.PartialObjectMetadata); ok && !s.kind.gvk().Empty() {
		m.SetGroupVersionKind(s.kind.gvk())
	}
	key, err := s.keyOf(obj)
	if err == nil && s.transform != nil {
		if obj, err = apply(s.transform, obj); err == nil {
			key, err = s.keyOf(obj)
		}
	}
	if err != nil {
		s.refuse(key, err)
		return key, item, false
	}
	return key, s.objects.arrived(obj), true
}

// apply calls a transform. It turns a panic into an error, and a result that is nothing.
func apply(transform func(any) (any, error), obj any) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("transform panicked: %v", r)
		}
	}()
	if result, err = transform(obj); err != nil {
		return result, fmt.Errorf("transform: %w", err)
	}
	if v := reflect.ValueOf(result); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return result, errors.New("transform returned nil")
	}
	return result, nil
}
