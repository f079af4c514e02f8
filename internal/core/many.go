package core

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// A read of many objects that have to be decoded is spread over the processors.
const (
	chunk      = 32        // objects that one goroutine takes at a time
	worthwhile = 4 * chunk // objects from which on it pays
	inFlight   = 4         // chunks a processor that may be decoded ahead of the reader
)

// Opened yields the objects of values in a form, in their order. What cannot be opened is
// reported and left out.
func Opened(i *Informer, values []store.KeyValue[Value], f Form) iter.Seq[any] {
	return func(yield func(any) bool) {
		open := func(kv store.KeyValue[Value]) (any, error) { return i.objects.Glance(kv.Value, f) }
		for n, result := range Each(values, i.objects.IsPacked(), open) {
			if result.Err != nil {
				i.Report(values[n].Key, result.Err)
				continue
			}
			if !yield(result.Object) {
				return
			}
		}
	}
}

// Result is what became of an item: an object, or an error.
type Result struct {
	Object any
	Err    error

	panicked bool // with Err
}

// Each yields what open makes of items, in their order. Where open takes long it is called
// by as many goroutines as there are processors, which have ended when the loop has. If it
// panics the loop does.
func Each[T any](items []T, takesLong bool, open func(T) (any, error)) iter.Seq2[int, Result] {
	workers := runtime.GOMAXPROCS(0)
	if !takesLong || len(items) < worthwhile || workers == 1 {
		return func(yield func(int, Result) bool) {
			for n, item := range items {
				obj, err := open(item)
				if !yield(n, Result{Object: obj, Err: err}) {
					return
				}
			}
		}
	}
	return func(yield func(int, Result) bool) {
		e := newEacher(items, open)
		defer e.stop()
		for range workers {
			e.running.Go(e.work)
		}
		for n := range e.done {
			for k, result := range <-e.done[n] {
				if result.panicked {
					panic(result.Err)
				}
				if !yield(n*chunk+k, result) {
					return
				}
			}
			<-e.ahead
		}
	}
}

// eacher has chunks of items opened by several goroutines.
type eacher[T any] struct {
	items   []T
	open    func(T) (any, error)
	done    []chan []Result // by chunk
	next    atomic.Int64    // chunk
	ahead   chan struct{}   // holds one for each chunk that was begun and not taken
	ended   chan struct{}
	running sync.WaitGroup
}

func newEacher[T any](items []T, open func(T) (any, error)) *eacher[T] {
	e := &eacher[T]{
		items: items, open: open,
		done:  make([]chan []Result, (len(items)+chunk-1)/chunk),
		ahead: make(chan struct{}, runtime.GOMAXPROCS(0)*inFlight),
		ended: make(chan struct{}),
	}
	for n := range e.done {
		e.done[n] = make(chan []Result, 1)
	}
	return e
}

func (e *eacher[T]) stop() {
	close(e.ended)
	e.running.Wait()
}

// work opens chunk after chunk.
func (e *eacher[T]) work() {
	for {
		select {
		case e.ahead <- struct{}{}:
		case <-e.ended:
			return
		}
		n := int(e.next.Add(1)) - 1
		if n >= len(e.done) {
			return
		}
		part := e.items[n*chunk : min((n+1)*chunk, len(e.items))]
		results := make([]Result, len(part))
		for k, item := range part {
			results[k] = e.result(item)
		}
		e.done[n] <- results
	}
}

// result opens an item. A panic is left to who loops, who may want to recover.
func (e *eacher[T]) result(item T) (r Result) {
	defer func() {
		if p := recover(); p != nil {
			r = Result{Err: fmt.Errorf("%v\n\n%s", p, debug.Stack()), panicked: true}
		}
	}()
	r.Object, r.Err = e.open(item)
	return r
}
