package informertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

// WaitKey waits until the object of a name exists and holds is true of it, and
// returns it; a nil holds is true of any. Every state of the object is looked at
// while the wait keeps up with its changes. condition says
// what is waited for, for the message of a failure.
//
// holds is called in the test's goroutine, and must not change the object.
func WaitKey[T informer.Object](
	ctx context.Context, t testing.TB, inf *informer.Informer[T], namespace, name, condition string, holds func(obj T) bool,
) T {
	t.Helper()
	key := informer.Key(namespace, name)
	w := &wait[T]{informer: inf, subject: key, condition: condition, concerns: func(other string) bool { return other == key }}
	if err := w.until(ctx, func(objects map[string]T) bool {
		obj, exists := objects[key]
		return exists && (holds == nil || holds(obj))
	}); err != nil {
		t.Fatal(err)
	}
	return w.seen[key]
}

// WaitGone waits until there is no object of a name; one that took the name of
// another counts, unless the wait sees the moment between.
func WaitGone[T informer.Object](
	ctx context.Context, t testing.TB, inf *informer.Informer[T], namespace, name string,
) {
	t.Helper()
	key := informer.Key(namespace, name)
	w := &wait[T]{informer: inf, subject: key, condition: "is gone", concerns: func(other string) bool { return other == key }}
	if err := w.until(ctx, func(objects map[string]T) bool {
		_, exists := objects[key]
		return !exists
	}); err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until holds is true of all the informer's objects together, and
// returns them. holds gets them in the order of their keys, after every change
// while the wait keeps up with them. condition says what is waited for,
// for the message of a failure.
//
// holds is called in the test's goroutine, and must not change the objects.
func Eventually[T informer.Object](
	ctx context.Context, t testing.TB, inf *informer.Informer[T], condition string, holds func(objs []T) bool,
) []T {
	t.Helper()
	w := &wait[T]{informer: inf, condition: condition, concerns: func(string) bool { return true }}
	if err := w.until(ctx, func(objects map[string]T) bool { return holds(inOrder(objects)) }); err != nil {
		t.Fatal(err)
	}
	return inOrder(w.seen)
}

// inOrder returns objects in the order of their keys.
func inOrder[T informer.Object](objects map[string]T) []T {
	sorted := make([]T, 0, len(objects))
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		sorted = append(sorted, objects[key])
	}
	return sorted
}

// wait follows an informer's objects until something holds of them.
type wait[T informer.Object] struct {
	informer  *informer.Informer[T]
	subject   string // the key, or empty for all
	condition string
	concerns  func(key string) bool

	seen    map[string]T // the objects it concerns, as seen last
	changes int          // seen after the initial state
	latest  string       // what the latest of them was
}

// until waits until holds, and returns a failure, ready to be printed, if ctx or
// the informer ends before.
func (w *wait[T]) until(ctx context.Context, holds func(objects map[string]T) bool) error {
	w.seen = map[string]T{}
	if err := w.informer.WaitSynced(ctx); err != nil {
		return w.failure(err)
	}
	events, cancel, err := w.informer.Watch(store.WithInitialReplay[T](), store.WithSyncMarker[T]())
	if err != nil {
		return w.failure(err)
	}
	defer cancel()

	replayed := false
	for {
		select {
		case event, ok := <-events:
			if !ok {
				return w.failure(informer.ErrStopped)
			}
			if event.EventType == store.EventTypeSync {
				replayed = true
			} else if !w.note(event, replayed) {
				continue
			}
			if replayed && holds(w.seen) {
				return nil
			}
		case <-ctx.Done():
			return w.failure(ctx.Err())
		}
	}
}

// note takes an event into the state, and returns whether it concerns the wait.
func (w *wait[T]) note(event *store.Event[T], isChange bool) bool {
	if !w.concerns(event.Name) {
		return false
	}
	if event.EventType == store.EventTypeDelete {
		delete(w.seen, event.Name)
	} else {
		w.seen[event.Name] = event.Object
	}
	if isChange {
		w.changes++
		w.latest = fmt.Sprintf("%s of %s at resourceVersion %s", event.EventType, event.Name, event.Object.GetResourceVersion())
	}
	return true
}
