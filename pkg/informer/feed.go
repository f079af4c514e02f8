package informer

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// feed writes what a reflector reads into one kind of a store. All its methods
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
	table     *gomap.MemStore[T]
	kind      string
	transform func(T) (T, error)      // nil: none
	gvk       schema.GroupVersionKind // set on each object, unless empty
	status    *status
	attempt   attempt
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
	f.attempt.Context, f.attempt.breakOff = context.WithCancelCause(ctx)
	return f.attempt.Context
}

// end ends the attempt and returns the refusal that broke it off, if one did.
func (f *feed[T]) end() error {
	f.attempt.breakOff(nil)
	if refusal, ok := errors.AsType[*ObjectError](context.Cause(f.attempt)); ok {
		return refusal
	}
	return nil
}

// refuse breaks off the attempt because of an object.
func (f *feed[T]) refuse(key string, err error) {
	if index, ok := errors.AsType[*store.IndexError](err); ok {
		key = index.Name
	}
	f.attempt.breakOff(&ObjectError{Key: key, Err: err})
}

// over tells whether the attempt has been broken off.
func (f *feed[T]) over() bool { return f.attempt.Err() != nil }

// Add writes a new object. Like the other methods it never returns an error.
func (f *feed[T]) Add(obj any) error { return f.Update(obj) }

// Update writes a changed object.
func (f *feed[T]) Update(obj any) error {
	if f.over() {
		return nil
	}
	if key, value, ok := f.prepare(obj); ok {
		if _, err := f.table.Set(f.kind, key, value); err != nil {
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
	if value, ok := f.typed(obj); ok {
		if _, _, err := f.table.Delete(f.kind, keyOf(value)); err != nil {
			f.refuse(keyOf(value), err)
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
	objects := make(map[string]T, len(list))
	for _, obj := range list {
		key, value, ok := f.prepare(obj)
		if !ok {
			return nil
		}
		objects[key] = value
	}
	if err := f.table.Replace(f.kind, objects); err != nil {
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
		if _, value, ok := f.prepare(obj); ok {
			return value, nil
		}
		return obj, nil
	}
}

// prepare returns an object as it is to be stored, with its key, or refuses it.
func (f *feed[T]) prepare(obj any) (key string, value T, ok bool) {
	if value, ok = f.typed(obj); !ok {
		return "", value, false
	}
	key = keyOf(value)
	if !f.gvk.Empty() {
		value.GetObjectKind().SetGroupVersionKind(f.gvk)
	}
	if f.transform != nil {
		var err error
		if value, err = f.applyTransform(value); err != nil {
			f.refuse(key, err)
			return key, value, false
		}
	}
	return key, value, true
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
	key := keyOf(obj)
	if result, err = f.transform(obj); err != nil {
		return result, fmt.Errorf("transform: %w", err)
	}
	if reflect.ValueOf(&result).Elem().IsNil() {
		return result, errors.New("transform returned nil")
	}
	if kept := keyOf(result); kept != key {
		return result, fmt.Errorf("transform changed the key to %q", kept)
	}
	return result, nil
}
