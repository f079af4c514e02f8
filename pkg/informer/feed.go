package informer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// feed writes what a reflector reads onto a shelf. All its methods
// are called by the reflector's goroutine.
//
// # Nothing is stepped over
//
// A reflector only logs what its store refuses, and goes on: the object would be
// missing or out of date until somebody changes it. So a refusal breaks off the
// attempt, the reflector's present list and watch. From then on until the next
// attempt, which begins with a list, the feed takes nothing, neither objects nor
// resourceVersions. The reflector is not told but notices that its context is done:
// an error would make it dump the object into the log, or forget to end the watch
// that streamed a list.
type feed[T Object] struct {
	shelf     shelf[T]
	transform func(T) (T, error)      // nil: none
	gvk       schema.GroupVersionKind // set on each object, unless empty
	status    *status
	attempt   atomic.Pointer[attempt]
}

// attempt is one list and the watch that follows it.
type attempt struct {
	context.Context
	breakOff context.CancelCauseFunc
}

var (
	_ cache.ReflectorStore         = (*feed[Object])(nil)
	_ cache.TransformingStore      = (*feed[Object])(nil)
	_ cache.ResourceVersionUpdater = (*feed[Object])(nil)
)

// begin starts an attempt and returns its context.
func (f *feed[T]) begin(ctx context.Context) context.Context {
	a := &attempt{}
	a.Context, a.breakOff = context.WithCancelCause(ctx)
	f.attempt.Store(a)
	return a
}

// end ends the attempt and returns the refusal that broke it off, if one did.
func (f *feed[T]) end() error {
	a := f.attempt.Load()
	a.breakOff(nil)
	if refusal, ok := errors.AsType[*ObjectError](context.Cause(a)); ok {
		return refusal
	}
	return nil
}

// refuse breaks off the attempt because of an object. Unlike the other methods it may
// be called by anybody.
func (f *feed[T]) refuse(key string, err error) {
	if index, ok := errors.AsType[*store.IndexError](err); ok {
		key = index.Name
	}
	f.attempt.Load().breakOff(&ObjectError{Key: key, Err: err})
}

// over tells whether the attempt has been broken off.
func (f *feed[T]) over() bool { return f.attempt.Load().Err() != nil }

// Add writes a new object. Like the other methods it never returns an error.
func (f *feed[T]) Add(obj any) error { return f.Update(obj) }

// Update writes a changed object.
func (f *feed[T]) Update(obj any) error {
	if f.over() {
		return nil
	}
	if key, value, ok := f.prepare(obj); ok {
		if err := f.shelf.set(key, value); err != nil {
			f.refuse(key, err)
		}
	}
	return nil
}

// Delete removes an object. A reflector passes the object that the watch
// delivered, never a tombstone: those are of the queue that informers of
// client-go have behind it.
func (f *feed[T]) Delete(obj any) error {
	if f.over() {
		return nil
	}
	if key, ok := f.locate(obj); ok {
		if err := f.shelf.delete(key); err != nil {
			f.refuse(key, err)
		}
	}
	return nil
}

// Replace makes the store equal to a list. Objects that are not in it, because
// the watch missed their deletion or they left a selector, are deleted.
func (f *feed[T]) Replace(list []any, resourceVersion string) error {
	if f.over() {
		return nil
	}
	objects := make(map[string]item[T], len(list))
	for _, obj := range list {
		key, value, ok := f.prepare(obj)
		if !ok {
			return nil
		}
		objects[key] = value
	}
	if err := f.shelf.replace(objects); err != nil {
		f.refuse("", err)
		return nil
	}
	f.status.listed(resourceVersion)
	return nil
}

// UpdateResourceVersion notes how far the watch has come. A reflector calls it
// after every event, bookmarks included, when the event is in the store.
func (f *feed[T]) UpdateResourceVersion(resourceVersion string) {
	if !f.over() {
		f.status.watched(resourceVersion)
	}
}

// Resync does nothing: handlers resync by themselves, from the store.
func (f *feed[T]) Resync() error { return nil }

// Transformer lets the reflector transform objects while it collects a streamed
// list, so that the list is held in its small form. Replace, which cannot tell
// such a list from a plain one, transforms it again.
func (f *feed[T]) Transformer() cache.TransformFunc {
	if f.transform == nil {
		return nil
	}
	return func(obj any) (any, error) {
		if _, item, ok := f.prepare(obj); ok && item.packed == nil {
			return item.obj, nil
		}
		return obj, nil
	}
}

// onArrival returns the transform for objects that are packed as they arrive, before
// the feed sees them, or nil.
func (f *feed[T]) onArrival() func(T) (T, error) {
	if f.transform == nil {
		return nil
	}
	return func(obj T) (T, error) {
		if _, ok := any(obj).(runtime.Unstructured); !ok {
			obj.GetObjectKind().SetGroupVersionKind(f.gvk) // as it is without packing
		}
		key := keyOf(obj)
		result, err := f.applyTransform(obj)
		if err != nil {
			f.refuse(key, err)
		}
		return result, err
	}
}

// locate returns an object's key, or refuses it.
func (f *feed[T]) locate(obj any) (key string, ok bool) {
	if packed, ok := obj.(*wire.Object); ok {
		return packed.Key(), true
	}
	value, ok := f.typed(obj)
	if !ok {
		return "", false
	}
	return keyOf(value), true
}

// prepare returns an object as it is to be stored, with its key, or refuses it.
func (f *feed[T]) prepare(obj any) (key string, it item[T], ok bool) {
	if packed, ok := obj.(*wire.Object); ok {
		// The key is a part of what else was scanned, which is not kept.
		return strings.Clone(packed.Key()), item[T]{packed: packed.Packed()}, true
	}
	value, ok := f.typed(obj)
	if !ok {
		return "", it, false
	}
	key = keyOf(value)
	if !f.gvk.Empty() {
		value.GetObjectKind().SetGroupVersionKind(f.gvk)
	}
	if f.transform != nil {
		var err error
		if value, err = f.applyTransform(value); err != nil {
			f.refuse(key, err)
			return key, it, false
		}
	}
	return key, item[T]{obj: value}, true
}

// typed returns an object as a T, or refuses it.
func (f *feed[T]) typed(obj any) (T, bool) {
	value, ok := obj.(T)
	if !ok {
		f.refuse("", fmt.Errorf("the server sent a %T to an informer of %v", obj, reflect.TypeFor[T]()))
	}
	return value, ok
}

// applyTransform calls the transform. It turns a panic into an error, and a
// result that would lose the object's place.
func (f *feed[T]) applyTransform(obj T) (result T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("transform panicked: %v", r)
		}
	}()
	namespace, name := obj.GetNamespace(), obj.GetName()
	if result, err = f.transform(obj); err != nil {
		return result, fmt.Errorf("transform: %w", err)
	}
	if reflect.ValueOf(&result).Elem().IsNil() {
		return result, errors.New("transform returned nil")
	}
	if result.GetNamespace() != namespace || result.GetName() != name {
		return result, fmt.Errorf("transform changed the key to %q", keyOf(result))
	}
	return result, nil
}
