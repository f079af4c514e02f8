package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/informer"
)

// follower starts an informer on a source, with handlers that call handle for every add, update and delete.
// It ends it, and waits until it has ended, in the function that it returns.
type follower func(src *source, handlers int, handle func(handler int)) (end func())

// followLarder follows with larder's informer.
func followLarder(src *source, handlers int, handle func(handler int)) (end func()) {
	fields := map[string]informer.SingleValueFunc[*corev1.Pod]{}
	for name, fn := range podShape.Indexes {
		fields[name] = fn
	}
	inf, err := informer.NewFromListerWatcher(src, informer.Options[*corev1.Pod]{Fields: fields, Logger: quiet})
	must(err)
	for h := range handlers {
		_, err := inf.AddHandler(informer.HandlerFuncs[*corev1.Pod]{
			AddFunc:    func(*corev1.Pod, bool) { handle(h) },
			UpdateFunc: func(_, _ *corev1.Pod) { handle(h) },
			DeleteFunc: func(*corev1.Pod) { handle(h) },
		}, informer.HandlerOptions{})
		must(err)
	}
	return start(func(ctx context.Context) { must(inf.Start(ctx)) })
}

// followClientgo follows with client-go's.
func followClientgo(src *source, handlers int, handle func(handler int)) (end func()) {
	inf := sharedInformer(src)
	for h := range handlers {
		_, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { handle(h) },
			UpdateFunc: func(_, _ any) { handle(h) },
			DeleteFunc: func(any) { handle(h) },
		})
		must(err)
	}
	return start(inf.RunWithContext)
}

// sharedInformer returns client-go's informer with the two indexes.
func sharedInformer(src *source) cache.SharedIndexInformer {
	indexers := cache.Indexers{}
	for name, fn := range podShape.Indexes {
		indexers[name] = func(obj any) ([]string, error) { return []string{fn(obj.(*corev1.Pod))}, nil }
	}
	return cache.NewSharedIndexInformer(src, &corev1.Pod{}, 0, indexers)
}

// start runs something until it is ended, and waits for it.
func start(run func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(logr.NewContext(context.Background(), quiet))
	var wg sync.WaitGroup
	wg.Go(func() { run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// tally waits until each of several handlers was called so many times.
type tally struct {
	left []atomic.Int64 // by handler
	done sync.WaitGroup
}

func newTally(handlers int) *tally { return &tally{left: make([]atomic.Int64, handlers)} }

// expect begins to count n calls of each handler.
func (t *tally) expect(n int) {
	t.done.Add(len(t.left))
	for h := range t.left {
		t.left[h].Store(int64(n))
	}
}

// called counts a call.
func (t *tally) called(handler int) {
	if t.left[handler].Add(-1) == 0 {
		t.done.Done()
	}
}

// wait waits until all calls were counted.
func (t *tally) wait() { t.done.Wait() }

// eventContender measures events on their way from a watch to handlers. In a turn every object changes once, so
// that no event can be merged with another: each handler is called for each.
func eventContender(name string, pods func() *podVersion, handlers int, follow follower) Contender {
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := pods()
		src, calls, change := newSource(v.First), newTally(handlers), v.Changes()
		calls.expect(len(v.First))
		end := follow(src, handlers, calls.called)
		calls.wait()
		turn := func() Sample {
			return counted(len(v.First), func(n int) {
				calls.expect(n)
				for range n {
					src.send(watch.Modified, change())
				}
				calls.wait()
			})
		}
		return turn, end
	}}
}

// syncContender measures how long an informer takes from its start until a handler was given every object.
func syncContender(name string, pods func() *podVersion, listed bool, follow follower) Contender {
	return Contender{Name: name, Open: func() (Turn, func()) {
		v := pods()
		var list *corev1.PodList
		if listed {
			list = listOf(v.First)
		}
		turn := func() Sample {
			var end func()
			took := counted(len(v.First), func(n int) {
				src, calls := newSource(v.First), newTally(1)
				src.list = list
				calls.expect(n)
				end = follow(src, 1, calls.called)
				calls.wait()
			})
			end()
			return took
		}
		return turn, nothing
	}}
}

// clientgoInformer is the name of the other contender.
const clientgoInformer = "client-go SharedIndexInformer"

// informerScenarios are events and first lists on their way to handlers.
func informerScenarios(w *World) []Scenario {
	events := func(name, title, why string, handlers int, ratio float64) Scenario {
		return Scenario{
			Name:  name,
			Title: title,
			Why:   why,
			Unit:  Nanoseconds,
			Contenders: []Contender{
				eventContender("larder", w.PodVersions, handlers, followLarder),
				eventContender(clientgoInformer, w.PodVersions, handlers, followClientgo),
			},
			Ratios: map[string]float64{clientgoInformer: ratio},
			Allocs: 5,
		}
	}
	sync := func(name, title, why string, listed bool) Scenario {
		return Scenario{
			Name:  name,
			Title: title,
			Why:   why,
			Unit:  Nanoseconds,
			Contenders: []Contender{
				syncContender("larder", w.PodVersions, listed, followLarder),
				syncContender(clientgoInformer, w.PodVersions, listed, followClientgo),
			},
			Ratios: map[string]float64{clientgoInformer: 0.6},
		}
	}
	return []Scenario{
		events("event/one", "Event from a watch to one handler", "every change comes to a controller this way", 1, 0.5),
		events("event/four", "Event from a watch to four handlers", "several controllers of one program follow the same kind", 4, 0.35),
		sync("sync/stream", fmt.Sprintf("First sync of %s, streamed, an object", grouped(w.Pods)), "it is how long a controller takes to start", false),
		sync("sync/list", fmt.Sprintf("First sync of %s, listed, an object", grouped(w.Pods)), "the same with API servers and clients that do not stream lists", true),
	}
}
