package informer_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-dev/larder/pkg/informer"
)

// Whatever happens to the objects, the server and the watch, and however slow the
// handlers are: each call of a handler fits the calls before it (see recorder),
// and in the end the informer has what the server has, and so has every handler
// that is still there. The seed is random and printed.
func TestModel(t *testing.T) {
	for round := range 20 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
			t.Logf("seed %#x", seed)
			synctest.Test(t, func(t *testing.T) {
				newModel(t, rand.New(rand.NewPCG(seed, 0))).run()
			})
		})
	}
}

type model struct {
	t        *testing.T
	random   *rand.Rand
	server   *server
	informer *configMaps
	handlers []*modelHandler
	joined   int
}

type modelHandler struct {
	*recorder
	reg *informer.Registration
}

func newModel(t *testing.T, random *rand.Rand) *model {
	server := newServer(random.IntN(2) == 0)
	return &model{t: t, random: random, server: server, informer: newConfigMaps(t, server, nil)}
}

func (m *model) run() {
	for range 3 {
		m.join()
		m.write()
	}
	stop := start(m.t, m.informer)
	for range 500 {
		m.step()
	}
	m.server.fail(nil, nil)
	m.server.put("last", "1")
	time.Sleep(6 * time.Hour)

	want := m.server.content()
	expectSame(m.t, "informer", stored(m.informer), want)
	for _, h := range m.handlers {
		expectSame(m.t, h.name, h.values(), want)
		if !isClosed(h.reg.Synced()) {
			m.t.Errorf("%s is not synced", h.name)
		}
	}
	if err := m.informer.Err(); err != nil {
		m.t.Errorf("Err: %v", err)
	}
	stop()
}

// step does one thing, mostly a write.
func (m *model) step() {
	switch m.random.IntN(40) {
	case 0:
		m.server.compact()
	case 1:
		m.server.fail(errForbidden, errForbidden)
	case 2:
		m.server.fail(nil, errRefused)
	case 3, 4, 5:
		m.server.fail(nil, nil)
	case 6:
		m.server.elsewhere()
	case 7:
		m.join()
	case 8:
		m.leave()
	case 9:
		time.Sleep(time.Duration(m.random.IntN(100)) * time.Second)
	case 10, 11, 12, 13:
		time.Sleep(time.Duration(m.random.IntN(5000)) * time.Millisecond)
	case 14, 15:
		synctest.Wait()
	default:
		m.write()
	}
}

func (m *model) write() {
	for range 1 + m.random.IntN(20) {
		name := fmt.Sprintf("object-%d", m.random.IntN(10))
		if m.random.IntN(3) == 0 {
			m.server.remove(name)
		} else {
			m.server.put(name, fmt.Sprint(m.random.IntN(1000)))
		}
	}
}

// join adds a handler that is quick, slow, or stalls now and then.
func (m *model) join() {
	m.joined++
	h := &modelHandler{recorder: newRecorder(m.t, fmt.Sprintf("handler %d", m.joined))}
	random := rand.New(rand.NewPCG(m.random.Uint64(), 0))
	switch m.random.IntN(3) {
	case 0:
		h.delay = func() time.Duration { return time.Duration(random.IntN(1000)) * time.Millisecond }
	case 1:
		h.delay = func() time.Duration {
			if random.IntN(20) == 0 {
				return 10 * time.Minute
			}
			return 0
		}
	}
	opts := informer.HandlerOptions{BufferSize: 1 + m.random.IntN(20)}
	if m.random.IntN(2) == 0 {
		opts.Resync = time.Duration(10+m.random.IntN(50)) * time.Second
	}
	h.reg = addHandler(m.t, m.informer, h.recorder, opts)
	m.handlers = append(m.handlers, h)
}

// leave removes a handler, and checks that it is left in peace.
func (m *model) leave() {
	if len(m.handlers) == 0 {
		return
	}
	n := m.random.IntN(len(m.handlers))
	h := m.handlers[n]
	m.handlers = append(m.handlers[:n], m.handlers[n+1:]...)
	h.reg.Remove()
	go func() {
		<-h.reg.Done()
		h.take()
		time.Sleep(time.Hour)
		if calls := h.take(); len(calls) > 0 {
			m.t.Errorf("%s was called after its end: %q", h.name, calls)
		}
	}()
}
