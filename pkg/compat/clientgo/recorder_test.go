package clientgo_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/cache"
)

// recorder is a handler that keeps what it was told, with the objects as
// name@resourceVersion: "initial a@1", "add a@1", "update a@1 a@2", "delete a@3",
// "tombstone default/a a@2".
type recorder struct {
	mu    sync.Mutex
	calls []string
	block chan struct{} // nil: none; each call receives from it
}

var _ cache.ResourceEventHandler = (*recorder)(nil)

func describe(obj any) string {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		return "tombstone " + tombstone.Key + " " + describe(tombstone.Obj)
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return fmt.Sprintf("%T", obj)
	}
	return m.GetName() + "@" + m.GetResourceVersion()
}

func (r *recorder) record(call string) {
	if r.block != nil {
		<-r.block
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call)
}

func (r *recorder) OnAdd(obj any, isInInitialList bool) {
	if isInInitialList {
		r.record("initial " + describe(obj))
	} else {
		r.record("add " + describe(obj))
	}
}

func (r *recorder) OnUpdate(oldObj, newObj any) {
	r.record("update " + describe(oldObj) + " " + describe(newObj))
}

func (r *recorder) OnDelete(obj any) {
	if _, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		r.record(describe(obj))
	} else {
		r.record("delete " + describe(obj))
	}
}

// take returns the calls since the last take, sorted: the order between objects is
// nobody's promise.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := slices.Sorted(slices.Values(r.calls))
	r.calls = nil
	return calls
}

// expect compares the calls since the last take, in any order.
func (r *recorder) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := r.take(); !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// expectInOrder compares the calls since the last take.
func (r *recorder) expectInOrder(t *testing.T, what string, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.calls, want) {
		t.Errorf("%s: got %q, want %q", what, r.calls, want)
	}
	r.calls = nil
}
