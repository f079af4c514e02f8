package ctrlruntime_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// wire is what is between a cache and its server. It can hold back the events of
// watches, and knows how many watches there are.
type wire struct {
	mu      sync.Mutex
	changed *sync.Cond
	held    bool
	passes  int // events that may go nevertheless
	refused bool
	watches map[string]int        // that are open, by path
	asked   map[string]url.Values // of the latest watch, by path
	cuts    int
}

// wired returns a configuration of the bed's server with a wire, which is open.
func (b *bed) wired() (*rest.Config, *wire) {
	w := &wire{watches: map[string]int{}, asked: map[string]url.Values{}}
	w.changed = sync.NewCond(&w.mu)
	config := rest.CopyConfig(b.config)
	config.ContentType = "application/json" // one event is one line
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return through{next, w} })
	b.Cleanup(w.release)
	return config, w
}

// hold has all further events wait.
func (w *wire) hold() { w.set(func() { w.held, w.passes = true, 0 }) }

// let lets the next events go.
func (w *wire) let(events int) { w.set(func() { w.passes += events }) }

// release lets all events go.
func (w *wire) release() { w.set(func() { w.held = false }) }

// refuse has requests other than watches fail.
func (w *wire) refuse(on bool) { w.set(func() { w.refused = on }) }

var errRefused = errors.New("the wire is cut")

func (w *wire) set(how func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	how()
	w.changed.Broadcast()
}

// cut ends all watches, as if the server had.
func (w *wire) cut() { w.set(func() { w.cuts++ }) }

// await waits for a state of the wire.
func (w *wire) await(reached func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !reached() {
		w.changed.Wait()
	}
}

type through struct {
	http.RoundTripper
	wire *wire
}

// RoundTrip implements [http.RoundTripper].
func (t through) RoundTrip(req *http.Request) (*http.Response, error) {
	isWatch, refused := req.URL.Query().Has("watch"), false
	t.wire.set(func() { refused = t.wire.refused && !isWatch })
	if refused {
		return nil, errRefused
	}
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil || !isWatch || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	e := &events{Closer: resp.Body, isLines: strings.Contains(resp.Header.Get("Content-Type"), "json"), lines: bufio.NewReader(resp.Body), wire: t.wire, path: req.URL.Path}
	t.wire.set(func() {
		t.wire.watches[e.path]++
		t.wire.asked[e.path] = req.URL.Query()
		e.cuts = t.wire.cuts
	})
	go e.endWhenCut()
	resp.Body = e
	return resp, nil
}

// events is the body of a watch.
type events struct {
	io.Closer
	// isLines tells that an event is a line. It is not when only metadata is watched, in
	// protobuf, which is never held back.
	isLines bool
	lines   *bufio.Reader
	wire    *wire
	path    string
	line    []byte // what is left of the present one
	closed  bool
	cuts    int // when it began
}

// endWhenCut closes the body when the wire is cut, so that a read of it ends.
func (e *events) endWhenCut() {
	e.wire.await(func() bool { return e.closed || e.cuts != e.wire.cuts })
	e.Closer.Close()
}

// Read implements [io.Reader].
func (e *events) Read(p []byte) (int, error) {
	if !e.isLines {
		return e.lines.Read(p)
	}
	if len(e.line) == 0 {
		line, err := e.lines.ReadBytes('\n')
		if len(line) == 0 {
			e.wire.set(func() {
				if e.cuts != e.wire.cuts {
					err = io.EOF
				}
			})
			return 0, err
		}
		if !e.pass(line) {
			return 0, io.EOF
		}
		e.line = line
	}
	n := copy(p, e.line)
	e.line = e.line[n:]
	return n, nil
}

// pass waits until an event may go. It returns false if the watch ends before that.
func (e *events) pass(line []byte) bool {
	w := e.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	if !bytes.Contains(line, []byte(`"BOOKMARK"`)) {
		for w.held && w.passes == 0 && !e.closed {
			w.changed.Wait()
		}
		if w.held {
			w.passes--
		}
	}
	return !e.closed
}

// Close implements [io.Closer].
func (e *events) Close() error {
	e.wire.set(func() {
		if !e.closed {
			e.wire.watches[e.path]--
		}
		e.closed = true
	})
	return e.Closer.Close()
}
