package informer_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/larder-dev/larder/pkg/informer"
)

// The benchmarks have client-go's informer beside larder's, behind the same source
// in memory. Compare the two of one run only:
//
//	go test -run '^$' -bench . -benchmem -count 6 ./pkg/informer

// BenchmarkEvent measures a change on its way from the watch to handlers.
func BenchmarkEvent(b *testing.B) {
	for _, handlers := range []int{1, 4} {
		for _, p := range peers {
			b.Run(fmt.Sprintf("handlers=%d/%s", handlers, p.name), func(b *testing.B) {
				versions := [][]*corev1.Pod{benchPods(10_000, "1"), benchPods(10_000, "2")}
				src, calls := newBenchSource(versions[0]), newTally(handlers)
				calls.expect(len(versions[0]))
				stop := p.run(src, handlers, calls.called)
				defer stop()
				calls.wait()
				b.ReportAllocs()
				b.ResetTimer()
				// Each object changes once in a round, so that no two changes can be merged.
				for left, round := b.N, 1; left > 0; round++ {
					pods := versions[round%2]
					pods = pods[:min(left, len(pods))]
					left -= len(pods)
					calls.expect(len(pods))
					for _, pod := range pods {
						src.send(watch.Modified, pod)
					}
					calls.wait()
				}
			})
		}
	}
}

// BenchmarkSync measures an informer from its start until a handler was given all
// objects. The time is that of an object.
func BenchmarkSync(b *testing.B) {
	pods := benchPods(100_000, "1")
	for _, p := range peers {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for left := b.N; left > 0; left -= len(pods) {
				src, calls := newBenchSource(pods), newTally(1)
				calls.expect(len(pods))
				stop := p.run(src, 1, calls.called)
				calls.wait()
				b.StopTimer()
				stop()
				b.StartTimer()
			}
		})
	}
}

// peers are the informers that are compared. run starts one with handlers, and
// returns what ends it.
var peers = []struct {
	name string
	run  func(src *benchSource, handlers int, called func(handler int)) (stop func())
}{
	{"larder", runLarder},
	{"client-go", runClientGo},
}

func byNamespace(pod *corev1.Pod) []string { return []string{pod.Namespace} }
func byNode(pod *corev1.Pod) []string      { return []string{pod.Spec.NodeName} }

func runLarder(src *benchSource, handlers int, called func(handler int)) (stop func()) {
	inf, err := informer.NewFromListerWatcher(src, informer.Options[*corev1.Pod]{
		Indexes: map[string]informer.IndexFunc[*corev1.Pod]{"namespace": byNamespace, "node": byNode},
		Logger:  quiet(),
	})
	if err != nil {
		panic(err)
	}
	for h := range handlers {
		_, err := inf.AddHandler(informer.HandlerFuncs[*corev1.Pod]{
			AddFunc:    func(*corev1.Pod, bool) { called(h) },
			UpdateFunc: func(_, _ *corev1.Pod) { called(h) },
		}, informer.HandlerOptions{})
		if err != nil {
			panic(err)
		}
	}
	return inBackground(func(ctx context.Context) { _ = inf.Start(ctx) })
}

func runClientGo(src *benchSource, handlers int, called func(handler int)) (stop func()) {
	inf := cache.NewSharedIndexInformer(src, &corev1.Pod{}, 0, cache.Indexers{
		"namespace": func(obj any) ([]string, error) { return byNamespace(obj.(*corev1.Pod)), nil },
		"node":      func(obj any) ([]string, error) { return byNode(obj.(*corev1.Pod)), nil },
	})
	for h := range handlers {
		_, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { called(h) },
			UpdateFunc: func(_, _ any) { called(h) },
		})
		if err != nil {
			panic(err)
		}
	}
	return inBackground(inf.RunWithContext)
}

// inBackground runs something until stop, which waits for its end.
func inBackground(run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), quiet()))
	var wg sync.WaitGroup
	wg.Go(func() { run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// benchPods returns small Pods of 100 namespaces, 50 to a node.
func benchPods(n int, resourceVersion string) []*corev1.Pod {
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		pods[i] = &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace:       "namespace-" + strconv.Itoa(i%100),
				Name:            "pod-" + strconv.Itoa(i),
				UID:             types.UID(strconv.Itoa(i)),
				ResourceVersion: resourceVersion,
			},
			Spec: corev1.PodSpec{NodeName: "node-" + strconv.Itoa(i/50)},
		}
	}
	return pods
}

// benchSource streams its objects, and then what is sent. It costs next to nothing
// and serves one informer.
type benchSource struct {
	objects []*corev1.Pod
	events  chan watch.Event
	stopped chan struct{}
	once    sync.Once
}

func newBenchSource(objects []*corev1.Pod) *benchSource {
	// As a watch does that decodes ahead of its reader.
	return &benchSource{objects: objects, events: make(chan watch.Event, 1024), stopped: make(chan struct{})}
}

func (s *benchSource) List(metav1.ListOptions) (runtime.Object, error) {
	panic("the objects are to be streamed")
}

func (s *benchSource) Watch(metav1.ListOptions) (watch.Interface, error) {
	go func() {
		for _, pod := range s.objects {
			s.send(watch.Added, pod)
		}
		s.send(watch.Bookmark, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: "1",
			Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
		}})
	}()
	return s, nil
}

func (s *benchSource) send(what watch.EventType, pod *corev1.Pod) {
	select {
	case s.events <- watch.Event{Type: what, Object: pod}:
	case <-s.stopped:
	}
}

func (s *benchSource) ResultChan() <-chan watch.Event { return s.events }

func (s *benchSource) Stop() { s.once.Do(func() { close(s.stopped) }) }

// tally waits until each of some handlers was called so many times.
type tally struct {
	left []atomic.Int64
	done sync.WaitGroup
}

func newTally(handlers int) *tally { return &tally{left: make([]atomic.Int64, handlers)} }

func (t *tally) expect(calls int) {
	t.done.Add(len(t.left))
	for h := range t.left {
		t.left[h].Store(int64(calls))
	}
}

func (t *tally) called(handler int) {
	if t.left[handler].Add(-1) == 0 {
		t.done.Done()
	}
}

func (t *tally) wait() { t.done.Wait() }
