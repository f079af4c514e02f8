package main

import (
	"runtime"
	"runtime/debug"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/larder-dev/larder/bench/pods"
	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer"
)

// memoryLimit is what a program sets that has to stay small while it holds many packed
// objects: without it, garbage may grow to as much as there are objects.
const memoryLimit = 1 << 30

// fromMemory fills a store with packed Pods that are made up, not read.
func fromMemory(count int) Footprint {
	debug.SetMemoryLimit(memoryLimit)
	var f Footprint
	before := float64(liveHeap())
	begin, cpu := time.Now(), cpuTime()
	c, err := codec.New(codec.Options[*corev1.Pod]{})
	must(err)
	s, err := gomap.NewPackedStore(gomap.PackedOptions[*corev1.Pod]{Codec: c, Budget: gomap.NoBudget})
	must(err)
	for pod := range pods.NewCluster(pods.Options{Count: count}).Pods() {
		_, err := s.Set(kind, informer.Key(pod.Namespace, pod.Name), pod)
		must(err)
	}
	f.Wall, f.CPU = time.Since(begin).Seconds(), cpuTime()-cpu
	f.PeakRSS, f.RSS = statusBytes("VmHWM"), statusBytes("VmRSS")
	f.Objects = count
	f.LiveHeap = (float64(liveHeap()) - before) / float64(count)
	f.ForcedGC = forcedGC()
	runtime.KeepAlive(s)
	return f
}
