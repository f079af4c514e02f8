package clientgo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

// feed writes what a reflector reads into an indexer. All its methods are called by
// the reflector's goroutine.
//
// A reflector only logs what its store refuses, and goes on: the object would be
// missing or out of date until somebody changes it. So a refusal breaks off the
// attempt, the reflector's present list and watch, by its context, and until the
// next attempt, which begins with a list, the feed takes nothing.
type feed struct {
	indexer   *indexer
	transform cache.TransformFunc // nil: none
	mutations cache.MutationDetector
	meters    meters
	handlers  *roster
	follower  Follower      // nil: none
	synced    chan struct{} // closed when the first list is in the store
	attempt   attempt
}

// attempt is one list and the watch that follows it.
type attempt struct {
	context.Context
	breakOff context.CancelCauseFunc
}

var (
	_ cache.TransformingStore      = (*feed)(nil)
	_ cache.ReflectorBookmarkStore = (*feed)(nil)
)

// begin starts an attempt and returns its context.
func (f *feed) begin(ctx context.Context) context.Context {
	f.attempt.Context, f.attempt.breakOff = context.WithCancelCause(ctx)
	return f.attempt.Context
}

// end ends the attempt and returns the refusal that broke it off, if one did.
func (f *feed) end() error {
	f.attempt.breakOff(nil)
	if refusal, ok := errors.AsType[*informer.ObjectError](context.Cause(f.attempt)); ok {
		return refusal
	}
	return nil
}

// refuse breaks off the attempt because of an object.
func (f *feed) refuse(obj any, err error) {
	key, _ := f.indexer.keyOf(obj) // if it has none, err says so
	if index, ok := errors.AsType[*store.IndexError](err); ok {
		key = fromName(index.Name)
	}
	if packing, ok := errors.AsType[*gomap.EncodeError](err); ok {
		key = fromName(packing.Name)
	}
	f.attempt.breakOff(&informer.ObjectError{Key: key, Err: err})
}

// over tells whether the attempt has been broken off.
func (f *feed) over() bool { return f.attempt.Err() != nil }

// Add writes a new object. Like the other methods it never returns an error.
func (f *feed) Add(obj any) error { return f.Update(obj) }

// Update writes a changed object.
func (f *feed) Update(obj any) error {
	return f.write(obj, func(obj any) error {
		f.mutations.AddObject(obj)
		return f.indexer.Update(obj)
	})
}

// Delete removes an object, whose final state is obj.
func (f *feed) Delete(obj any) error { return f.write(obj, f.indexer.Delete) }

// write transforms an object and has it written, unless the attempt is over.
func (f *feed) write(obj any, write func(any) error) error {
	if f.over() {
		return nil
	}
	if transformed, ok := f.apply(obj); ok {
		began := time.Now()
		if err := write(transformed); err != nil {
			f.refuse(obj, err)
			return nil
		}
		f.wrote(began)
		f.stored(false)
	}
	return nil
}

// Replace makes the indexer equal to a list.
func (f *feed) Replace(list []any, resourceVersion string) error {
	if f.over() {
		return nil
	}
	objects := make([]any, len(list))
	for n, obj := range list {
		transformed, ok := f.apply(obj)
		if !ok {
			return nil
		}
		f.mutations.AddObject(transformed)
		objects[n] = transformed
	}
	began := time.Now()
	if err := f.indexer.Replace(objects, resourceVersion); err != nil {
		f.refuse(nil, err)
		return nil
	}
	f.wrote(began)
	if !isClosed(f.synced) {
		f.handlers.listed()
		close(f.synced)
	}
	f.stored(true)
	return nil
}

// stored tells the follower how far the store is.
func (f *feed) stored(list bool) {
	if f.follower != nil {
		f.follower.Stored(f.indexer.LastStoreSyncResourceVersion(), list)
	}
}

// wrote measures a write that began at a time.
func (f *feed) wrote(began time.Time) {
	if f.meters.enabled {
		f.meters.latency.Observe(time.Since(began).Seconds())
		f.handlers.measure()
	}
}

// Bookmark notes how far the watch has come.
func (f *feed) Bookmark(resourceVersion string) error {
	if !f.over() {
		f.indexer.Bookmark(resourceVersion)
		f.stored(false)
	}
	return nil
}

// Resync does nothing: handlers resync by themselves, from the store.
func (f *feed) Resync() error { return nil }

// Transformer lets the reflector transform objects while it collects a streamed
// list, so that the list is held in its small form. Replace, which cannot tell
// such a list from a plain one, transforms it again.
func (f *feed) Transformer() cache.TransformFunc {
	if f.transform == nil {
		return nil
	}
	return func(obj any) (any, error) {
		if transformed, ok := f.apply(obj); ok {
			return transformed, nil
		}
		return obj, nil // for an error the reflector would step over the object
	}
}

// apply returns an object as it is to be stored, or refuses it.
func (f *feed) apply(obj any) (transformed any, ok bool) {
	if f.transform == nil {
		return obj, true
	}
	transformed, err := f.transform(obj)
	if err != nil {
		f.refuse(obj, fmt.Errorf("transform: %w", err))
		return nil, false
	}
	return transformed, true
}
