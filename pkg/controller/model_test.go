package controller_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The invariants, whatever the changes, the outcomes of the calls and their timing:
//
//   - after the last change of an object, a call that began after it has seen its
//     final state, and has succeeded;
//   - no two calls for equal requests are under way at the same time;
//   - no more calls are under way than there are workers.
//
// The model is what the server holds; the reconciler notes what the informer showed
// when it was called.
func TestModel(t *testing.T) {
	for range 20 {
		seed := uint64(time.Now().UnixNano())
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { modelRound(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func modelRound(t *testing.T, random *rand.Rand) {
	b := newBed(t)
	model := make(map[string]*corev1.ConfigMap)
	if random.IntN(2) == 0 {
		change(b, model, random) // before anything runs: the initial list
	}
	opts := b.options(nil)
	opts.Workers = 1 + random.IntN(4)
	r := &fickle{bed: b, t: t, workers: opts.Workers, active: map[string]int{}, seen: map[string]string{}, random: rand.New(rand.NewPCG(random.Uint64(), 1))}
	opts.Reconciler = r
	stop := b.run(t, opts)

	for range 300 {
		change(b, model, random)
		if random.IntN(4) == 0 {
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		}
	}
	time.Sleep(24 * time.Hour) // longer than any back-off
	synctest.Wait()
	if err := stop(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	for i := range modelNames {
		name := modelName(i)
		want := "" // nobody need have seen an object that never was
		if cm := model[name]; cm != nil {
			want = cm.Data["value"]
		}
		if got := r.seen[name]; got != want {
			t.Errorf("the last successful call for %s saw %q, want %q", name, got, want)
		}
	}
}

const modelNames = 12

func modelName(i int) string { return fmt.Sprintf("object-%d", i) }

// change changes a random object on the server and in the model.
func change(b *bed, model map[string]*corev1.ConfigMap, random *rand.Rand) {
	name := modelName(random.IntN(modelNames))
	next := configMap(name, fmt.Sprint(random.Uint64()))
	switch old := model[name]; {
	case old == nil:
		b.server.Add(next.DeepCopy())
		model[name] = next
	case random.IntN(4) == 0:
		b.server.Delete(old.DeepCopy()) // which the server changes
		delete(model, name)
	default:
		b.server.Modify(next.DeepCopy())
		model[name] = next
	}
}

// fickle is a reconciler that takes its time and often fails, in every way there is.
type fickle struct {
	bed     *bed
	t       *testing.T
	workers int

	mu     sync.Mutex
	random *rand.Rand
	active map[string]int
	total  int
	seen   map[string]string // by the last successful call; "" for an absent object
}

func (f *fickle) Reconcile(_ context.Context, req reconcile.Request) (reconcile.Result, error) {
	value := ""
	if cm, ok := f.bed.informer.Get(req.Namespace, req.Name); ok {
		value = cm.Data["value"]
	}
	outcome, pause := f.enter(req.Name)
	time.Sleep(pause)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active[req.Name]--
	f.total--
	switch outcome {
	case 0:
		panic("fickle")
	case 1:
		return reconcile.Result{}, errTest
	case 2:
		return reconcile.Result{Requeue: true}, nil //nolint:staticcheck // deprecated, but supported
	case 3:
		return reconcile.Result{RequeueAfter: time.Duration(f.random.IntN(100)+1) * time.Millisecond}, nil
	default:
		f.seen[req.Name] = value
		return reconcile.Result{}, nil
	}
}

// enter checks what must hold when a call begins, and says how it will go.
func (f *fickle) enter(name string) (outcome int, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active[name]++
	f.total++
	if f.active[name] > 1 {
		f.t.Errorf("%d calls for %s at the same time", f.active[name], name)
	}
	if f.total > f.workers {
		f.t.Errorf("%d calls at the same time with %d workers", f.total, f.workers)
	}
	return f.random.IntN(8), time.Duration(f.random.IntN(10)) * time.Millisecond
}
