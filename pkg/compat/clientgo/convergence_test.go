package clientgo_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// follower is a handler that keeps the state it is told of, at its own pace, and
// checks that each call fits those before it.
type follower struct {
	t     *testing.T
	pause func() time.Duration

	mu    sync.Mutex
	state map[string]*corev1.Pod
}

func (f *follower) change(what string, change func()) {
	time.Sleep(f.pause())
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.state)
	change()
	if want := map[string]int{"add": before + 1, "update": before, "delete": before - 1}[what]; len(f.state) != want {
		f.t.Errorf("%s leads from %d objects to %d", what, before, len(f.state))
	}
}

func (f *follower) OnAdd(obj any, _ bool) {
	f.change("add", func() { f.state[obj.(*corev1.Pod).Name] = obj.(*corev1.Pod) })
}

func (f *follower) OnUpdate(oldObj, newObj any) {
	f.change("update", func() {
		prev, next := oldObj.(*corev1.Pod), newObj.(*corev1.Pod)
		// What repeats the known state may have been left out.
		if known := f.state[next.Name]; known == nil || known.ResourceVersion != prev.ResourceVersion {
			f.t.Errorf("an update of %s from %s, but the handler has %v", next.Name, prev.ResourceVersion, known)
		}
		f.state[next.Name] = next
	})
}

func (f *follower) OnDelete(obj any) {
	f.change("delete", func() {
		if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = tombstone.Obj
		}
		delete(f.state, obj.(*corev1.Pod).Name)
	})
}

func (f *follower) versions() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return versions(maps.Values(f.state))
}

func versions(pods func(func(*corev1.Pod) bool)) map[string]string {
	all := map[string]string{}
	for p := range pods {
		all[p.Name] = p.ResourceVersion
	}
	return all
}

// Whatever happens, connections that break included, a handler that keeps what it
// is told ends with the content of the store, which is the source's; those that are
// slow or late too.
func TestConvergence(t *testing.T) {
	inBubbles(t, func(t *testing.T, b *bed) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		inf := b.informer(time.Minute)
		var followers []*follower
		follow := func() {
			pace := time.Duration(rnd.IntN(3)) * 10 * time.Millisecond // 0: as quick as it can
			f := &follower{t: t, pause: func() time.Duration { return pace }, state: map[string]*corev1.Pod{}}
			reg, err := inf.AddEventHandler(f)
			if err != nil {
				t.Fatal(err)
			}
			if rnd.IntN(4) == 0 { // this one does not stay
				time.AfterFunc(time.Second, func() {
					if err := inf.RemoveEventHandler(reg); err != nil {
						t.Error(err)
					}
				})
				return
			}
			followers = append(followers, f)
		}
		follow()
		follow()
		b.run(inf)
		existing := map[string]bool{}
		for step := range 6000 {
			name := fmt.Sprint("pod-", rnd.IntN(50))
			unseen := rnd.IntN(10) == 0
			switch {
			case !existing[name] && unseen:
				b.AddDropWatch(pod(name))
				existing[name] = true
			case !existing[name]:
				b.Add(pod(name))
				existing[name] = true
			case rnd.IntN(5) == 0 && unseen:
				b.DeleteDropWatch(pod(name))
				existing[name] = false
			case rnd.IntN(5) == 0:
				b.Delete(pod(name))
				existing[name] = false
			case unseen:
				b.ModifyDropWatch(pod(name))
			default:
				b.Modify(pod(name))
			}
			switch {
			case step%1000 == 0:
				follow()
			case rnd.IntN(500) == 0:
				b.ResetWatch()
				time.Sleep(5 * time.Second)
			case rnd.IntN(10) == 0:
				time.Sleep(time.Millisecond)
			}
		}
		// A watch can only go on from where it was if nothing has come after that.
		b.AddDropWatch(pod("last"))
		existing["last"] = true
		b.ResetWatch()
		time.Sleep(5 * time.Minute)
		synctest.Wait()

		stored := versions(func(yield func(*corev1.Pod) bool) {
			for _, obj := range inf.GetStore().List() {
				if !yield(obj.(*corev1.Pod)) {
					return
				}
			}
		})
		for name := range existing {
			if _, ok := stored[name]; ok != existing[name] {
				t.Errorf("%s: in the source %v, in the store %v", name, existing[name], ok)
			}
		}
		for n, f := range followers {
			if got := f.versions(); !maps.Equal(got, stored) {
				t.Errorf("handler %d has %v, the store %v", n, got, stored)
			}
		}
	})
}
