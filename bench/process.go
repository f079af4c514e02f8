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
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
)

// A process holds one cache, so that its memory and time are those of the cache. It is this program, started
// again with a task on its standard input, and answers on its standard output, a line of JSON each: Footprint
// when the cache is full, and again, with what it was like under load, after a line that ends the load.

// task is what a process is to do.
type task struct {
	Cache      string // its name
	Content    content
	Controller bool   // reads the cache
	Host       string // of the API server, with
	TLS        rest.TLSClientConfig
	Count      int           // of Pods; without a cache they are from memory
	Fill       time.Duration // for which a read is repeated
	Updates    int           // that are made under load
}

func (t task) config() *rest.Config {
	return &rest.Config{Host: t.Host, TLSClientConfig: t.TLS, QPS: -1}
}

// asProcess tells, in the environment, that the program is one.
const asProcess = "LARDER_BENCH_PROCESS"

// Footprint is what a cache takes.
type Footprint struct {
	Objects   int
	LiveHeap  float64 // bytes an object
	PeakRSS   float64 // bytes of the process, at most, until the cache was full; of a controller, until it was through it once
	RSS       float64 // bytes of the process in the end; from memory only
	CPU, Wall float64 // seconds until the cache was full
	ForcedGC  float64 // ns
	// Reads, in ns: of the same objects again and again, of these without a copy, of any object, of everything. A
	// cache that never copies has no SharedGet.
	HotGet, SharedGet, ColdGet, List float64
	GCShare                          float64 // of the processor time, under load
	// Of a controller under load: seconds of processor time, and how often it reconciled.
	LoadCPU, Reconciled float64
}

// serve is the program as a process.
func serve(in io.Reader, out io.Writer) error {
	lines, answers := bufio.NewReader(in), json.NewEncoder(out)
	var t task
	if err := readLine(lines, &t); err != nil {
		return err
	}
	if t.Cache == "" {
		return answers.Encode(fromMemory(t.Count))
	}
	c := named(together(doors, budgets, ofWidgets), t.Cache)
	if len(c) == 0 {
		return fmt.Errorf("there is no cache %q", t.Cache)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answer := func(f Footprint) error { return answers.Encode(f) }
	loaded := func() error { return readLine(lines, new(string)) }
	if t.Controller {
		return control(ctx, t, c[0], answer, loaded)
	}
	return hold(ctx, t, c[0], answer, loaded)
}

// hold fills a cache, lets the load pass, and reads.
func hold(ctx context.Context, t task, c liveCache, answer func(Footprint) error, loaded func() error) error {
	config, kinds := t.config(), t.Content.kinds()
	f, readers := fillCache(ctx, c, config, kinds)
	heap := float64(liveHeap()) - f.LiveHeap
	f.ForcedGC = forcedGC()
	objects := places(ctx, config, kinds)
	f.Objects = len(objects)
	f.LiveHeap = heap / float64(len(objects))
	if err := answer(f); err != nil {
		return err
	}
	gc, total := processorTime()
	if err := loaded(); err != nil {
		return err
	}
	gcAfter, totalAfter := processorTime()
	f.GCShare = (gcAfter - gc) / (totalAfter - total)
	f.read(objects, readers, t.Fill)
	return answer(f)
}

// fillCache fills a cache. LiveHeap is what there was before.
func fillCache(ctx context.Context, c liveCache, config *rest.Config, kinds []cachedKind) (f Footprint, readers []kindReader) {
	f.LiveHeap = float64(liveHeap())
	begin, cpu := time.Now(), cpuTime()
	wait, readers := c.open(ctx, config, kinds)
	must(wait(ctx))
	f.Wall, f.CPU = time.Since(begin).Seconds(), cpuTime()-cpu
	f.PeakRSS = statusBytes("VmHWM")
	return f, readers
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
