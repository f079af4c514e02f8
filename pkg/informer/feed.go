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
// resourceVersions. The reflector is not told: it notices that its context is done.
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
	return f.attempt
}

// end ends the attempt and returns the refusal that broke it off, if one did.
func (f *feed[T]) end() error {
	f.attempt.breakOff(nil)
	var refusal *ObjectError
	if errors.As(context.Cause(f.attempt), &refusal) {
		return refusal
	}
	return nil
}

// refuse breaks off the attempt because of an object and returns why.
func (f *feed[T]) refuse(key string, err error) error {
	var index *store.IndexError
	if errors.As(err, &index) {
		key = index.Name
	}
	refusal := &ObjectError{Key: key, Err: err}
	f.attempt.breakOff(refusal)
	return refusal
}

// Add writes a new object.
func (f *feed[T]) Add(obj any) error {
	f.put(obj)
	return nil
}

// Update writes a changed object.
func (f *feed[T]) Update(obj any) error {
	f.put(obj)
	return nil
}

func (f *feed[T]) put(obj any) {
	if f.attempt.Err() != nil {
		return
	}
	key, value, err := f.prepare(obj)
	if err != nil {
		return
	}
	if _, err := f.table.Set(f.kind, key, value); err != nil {
		_ = f.refuse(key, err)
	}
}

// Delete removes an object. A reflector passes the object that the watch
// delivered, never a tombstone: those are of the queue that informers of
// client-go have behind it.
func (f *feed[T]) Delete(obj any) error {
	if f.attempt.Err() != nil {
		return nil
	}
	value, err := f.typed(obj)
	if err != nil {
		return nil
	}
	if _, _, err := f.table.Delete(f.kind, keyOf(value)); err != nil {
		_ = f.refuse(keyOf(value), err)
	}
	return nil
}

// Replace makes the store equal to a list. Objects that are not in it, because
// the watch missed their deletion or they left a selector, are deleted.
func (f *feed[T]) Replace(list []any, resourceVersion string) error {
	if f.attempt.Err() != nil {
		return context.Cause(f.attempt)
	}
	objects := make(map[string]T, len(list))
	for _, obj := range list {
		key, value, err := f.prepare(obj)
		if err != nil {
			return err
		}
		objects[key] = value
	}
	if err := f.table.Replace(f.kind, objects); err != nil {
		return f.refuse("", err)
	}
	f.status.listed(resourceVersion)
	return nil
}

// UpdateResourceVersion notes how far the watch has come. A reflector calls it
// after every event, bookmarks included, when the event is in the store.
func (f *feed[T]) UpdateResourceVersion(resourceVersion string) {
	if f.attempt.Err() == nil {
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
		if _, value, err := f.prepare(obj); err == nil {
			return value, nil
		}
		return obj, nil
	}
}

// prepare returns an object as it is to be stored, with its key, or refuses it.
func (f *feed[T]) prepare(obj any) (string, T, error) {
	value, err := f.typed(obj)
	if err != nil {
		return "", value, err
	}
	key := keyOf(value)
	if !f.gvk.Empty() {
		value.GetObjectKind().SetGroupVersionKind(f.gvk)
	}
	if f.transform != nil {
		if value, err = f.applyTransform(value); err != nil {
			return key, value, f.refuse(key, err)
		}
		if kept := keyOf(value); kept != key {
			return key, value, f.refuse(key, fmt.Errorf("the transform changed its name to %q", kept))
		}
	}
	return key, value, nil
}

// typed returns an object as a T, or refuses it.
func (f *feed[T]) typed(obj any) (T, error) {
	value, ok := obj.(T)
	if !ok {
		return value, f.refuse("", fmt.Errorf("the server sent a %T to an informer of %v", obj, reflect.TypeFor[T]()))
	}
	return value, nil
}

// applyTransform calls the transform and turns a panic, or a nil, into an error.
func (f *feed[T]) applyTransform(obj T) (result T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("transform panicked: %v", r)
		}
	}()
	if result, err = f.transform(obj); err != nil {
		return result, fmt.Errorf("transform: %w", err)
	}
	if reflect.ValueOf(&result).Elem().IsNil() {
		return result, errors.New("transform returned nil")
	}
	return result, nil
}
