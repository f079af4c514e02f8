package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
)

// A process holds one cache, so that its memory and time are those of the cache. It is this program, started
// again with a task on its standard input, and answers on its standard output, a line of JSON each: Footprint
// when the cache is full, GCShare after a line that ends the load.

// task is what a process is to do.
type task struct {
	Cache string // its name
	Host  string // of the API server, with
	TLS   rest.TLSClientConfig
	Count int // without a cache: so many Pods from memory
}

// asProcess tells, in the environment, that the program is one.
const asProcess = "LARDER_BENCH_PROCESS"

// Footprint is what a cache takes.
type Footprint struct {
	Objects         int
	LiveHeap        float64 // bytes an object
	PeakRSS         float64 // bytes of the process, at most, until the cache was full
	RSS             float64 // bytes of the process in the end; from memory only
	CPU, Wall       float64 // seconds until the cache was full
	ForcedGC        float64 // ns
	HotGet, ColdGet float64 // ns
	GCShare         float64 // of the processor time, under load
}

// serve is the program as a process.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	var t task
	if err := readLine(lines, &t); err != nil {
		return err
	}
	if t.Cache == "" {
		return json.NewEncoder(out).Encode(fromMemory(t.Count))
	}
	at := slices.IndexFunc(liveCaches, func(c liveCache) bool { return c.name == t.Cache })
	if at < 0 {
		return fmt.Errorf("there is no cache %q", t.Cache)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := liveCaches[at]
	config := &rest.Config{Host: t.Host, TLSClientConfig: t.TLS, QPS: -1}
	f, get := fillCache(ctx, c, config)
	keys := names(ctx, config, c.widgets)
	f.Objects = len(keys)
	f.LiveHeap = (float64(liveHeap()) - f.LiveHeap) / float64(len(keys))
	f.ForcedGC = forcedGC()
	if err := json.NewEncoder(out).Encode(f); err != nil {
		return err
	}
	gc, total := processorTime()
	if err := readLine(lines, new(string)); err != nil {
		return err
	}
	gcAfter, totalAfter := processorTime()
	f.GCShare = (gcAfter - gc) / (totalAfter - total)
	f.HotGet, f.ColdGet = reads(keys, get)
	return json.NewEncoder(out).Encode(f)
}

// fillCache fills a cache. LiveHeap is what there was before.
func fillCache(ctx context.Context, c liveCache, config *rest.Config) (f Footprint, get func(namespace, name string) error) {
	f.LiveHeap = float64(liveHeap())
	begin, cpu := time.Now(), cpuTime()
	wait, get := c.open(ctx, config)
	must(wait(ctx))
	f.Wall, f.CPU = time.Since(begin).Seconds(), cpuTime()-cpu
	f.PeakRSS = statusBytes("VmHWM")
	return f, get
}

// cpuTime returns the seconds of processor time that the process has had.
func cpuTime() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// statusBytes returns a figure of /proc/self/status.
func statusBytes(name string) float64 {
	data, err := os.ReadFile("/proc/self/status")
	must(err)
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); fields[0] == name+":" {
			kilobytes, err := strconv.ParseFloat(fields[1], 64)
			must(err)
			return kilobytes * 1024
		}
	}
	panic("no " + name)
}

// forcedGC returns the median time of a collection.
func forcedGC() float64 {
	var took []float64
	for range 5 {
		took = append(took, float64(clock(1, func(int) { runtime.GC() })))
	}
	return spread(took).Median
}

// processorTime returns the seconds that went into collecting garbage, and all that there were.
func processorTime() (gc, total float64) {
	samples := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	runtime.GC() // the figures are renewed by collections
	metrics.Read(samples)
	return samples[0].Value.Float64(), samples[1].Value.Float64()
}

func readLine(r *bufio.Reader, into any) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

// measureProcess runs a process. During load, the objects in its cache change.
func measureProcess(ctx context.Context, t task, load func()) (f Footprint, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), asProcess+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return f, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return f, err
	}
	if err := cmd.Start(); err != nil {
		return f, err
	}
	answers := bufio.NewReader(out)
	err = json.NewEncoder(in).Encode(t)
	if err == nil {
		err = readLine(answers, &f)
	}
	if err == nil && t.Cache != "" {
		load()
		if err = json.NewEncoder(in).Encode("done"); err == nil {
			err = readLine(answers, &f)
		}
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return f, fmt.Errorf("the process of %q: %w", t.Cache, err)
	}
	return f, nil
}
