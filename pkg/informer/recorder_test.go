package informer_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/larder-dev/larder/pkg/informer"
)

// recorder is a handler that keeps the state it is told of, and checks on the way
// that each call fits the calls before it. It may be slow.
type recorder struct {
	t     *testing.T
	name  string
	delay func() time.Duration // nil: none

	mu    sync.Mutex
	state map[string]*corev1.ConfigMap
	calls []string // "add a=1", "initial a=1", "update a=1 a=2", "resync a=2", "delete a=2"
}

func newRecorder(t *testing.T, name string) *recorder {
	return &recorder{t: t, name: name, state: map[string]*corev1.ConfigMap{}}
}

func (r *recorder) record(call string, objects ...*corev1.ConfigMap) {
	for _, obj := range objects {
		call += fmt.Sprintf(" %s=%s", obj.Name, obj.Data["value"])
	}
	r.calls = append(r.calls, call)
}

func (r *recorder) pause() {
	if r.delay != nil {
		time.Sleep(r.delay())
	}
}

func (r *recorder) OnAdd(obj *corev1.ConfigMap, isInInitialList bool) {
	r.pause()
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.state[obj.Name]; ok {
		r.t.Errorf("%s: OnAdd of %s at %s, which it has at %s", r.name, obj.Name, obj.ResourceVersion, old.ResourceVersion)
	}
	r.state[obj.Name] = obj
	if isInInitialList {
		r.record("initial", obj)
	} else {
		r.record("add", obj)
	}
}

func (r *recorder) OnUpdate(oldObj, newObj *corev1.ConfigMap) {
	r.pause()
	r.mu.Lock()
	defer r.mu.Unlock()
	// An object that is not kept decoded is another copy of the same state each time.
	if known := r.state[newObj.Name]; !equality.Semantic.DeepEqual(known, oldObj) {
		r.t.Errorf("%s: OnUpdate of %s from %v, but it has %v", r.name, newObj.Name, oldObj, known)
	}
	r.state[newObj.Name] = newObj
	if oldObj == newObj {
		r.record("resync", newObj)
	} else {
		r.record("update", oldObj, newObj)
	}
}

func (r *recorder) OnDelete(obj *corev1.ConfigMap) {
	r.pause()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.state[obj.Name]; !ok {
		r.t.Errorf("%s: OnDelete of %s, which it does not have", r.name, obj.Name)
	}
	delete(r.state, obj.Name)
	r.record("delete", obj)
}

// take returns the calls since the last take.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

// values returns key and value of what the handler has.
func (r *recorder) values() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	values := map[string]string{}
	for name, obj := range r.state {
		values["default/"+name] = obj.Data["value"]
	}
	return values
}

// stored returns key and value of what the informer has.
func stored(inf *informer.Informer[*corev1.ConfigMap]) map[string]string {
	values := map[string]string{}
	for key, obj := range inf.All() {
		values[key] = obj.Data["value"]
	}
	return values
}

func expectSame(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
