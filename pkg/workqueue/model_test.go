package workqueue_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clientgo "k8s.io/client-go/util/workqueue"

	"github.com/larder-dev/larder/pkg/workqueue"
)

// The model is the queue's contract in the plainest code: all items in a map, looked through for everything.
// A run does the same random operations on it and on a queue, in virtual time, and compares all
// that comes out. Without fairness the model knows exactly which item comes next. With it, it says which
// items may come, and checks that of two siblings that both have something to give, none is served twice
// while the other waits.

// A modelItem is an item that is pending, or being processed, or both.
type modelItem struct {
	name     string
	busy     bool
	pending  bool
	delayed  bool
	priority int
	at       time.Time // delayed: when due; ready: since when
	seq      int       // order among equals
	ready    int       // order of becoming ready
}

func (i *modelItem) available() bool { return i.pending && !i.delayed && !i.busy }

type model struct {
	items    map[string]*modelItem
	seq      int
	handOuts int
	ageAfter time.Duration
	depth    int // of fairness
	capacity int
	retries  map[string]int // with rate limiting, since the item was forgotten
	dropped  []string

	// served counts, for a waiting node of the tree of keys, how often each of its siblings was served.
	served map[string]map[string]int
}

func (m *model) add(name string, priority int, delay time.Duration) {
	i := m.items[name]
	if i == nil {
		i = &modelItem{name: name}
		m.items[name] = i
	}
	at := time.Now().Add(max(0, delay))
	switch {
	case !i.pending:
		i.pending, i.delayed, i.priority, i.at = true, delay > 0, priority, at
		i.seq = m.next()
		i.ready = m.seq
	case i.delayed:
		i.priority = max(i.priority, priority)
		if delay <= 0 {
			m.becomeReady(i, time.Now())
		} else if at.Before(i.at) {
			i.at = at
		}
	case priority > i.priority:
		i.priority, i.seq = priority, m.next()
	}
}

func (m *model) next() int {
	m.seq++
	return m.seq
}

func (m *model) becomeReady(i *modelItem, at time.Time) {
	i.delayed, i.at, i.seq = false, at, m.next()
	i.ready = m.seq
}

// pass lets what is due become ready.
func (m *model) pass() {
	due := m.all(func(i *modelItem) bool { return i.pending && i.delayed && !i.at.After(time.Now()) })
	slices.SortFunc(due, func(a, b *modelItem) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.seq - b.seq
	})
	for _, i := range due {
		m.becomeReady(i, i.at)
	}
}

// all returns the items that fit, by name.
func (m *model) all(fits func(*modelItem) bool) []*modelItem {
	var found []*modelItem
	for _, name := range slices.Sorted(maps.Keys(m.items)) {
		if i := m.items[name]; fits(i) {
			found = append(found, i)
		}
	}
	return found
}

func (m *model) count(fits func(*modelItem) bool) int { return len(m.all(fits)) }

// candidates returns the items that may come next: one, if there is no fairness.
func (m *model) candidates() []*modelItem {
	available := m.all((*modelItem).available)
	if len(available) == 0 {
		return nil
	}
	if m.ageAfter > 0 && m.handOuts%8 == 7 {
		oldest := slices.MinFunc(available, func(a, b *modelItem) int { return a.ready - b.ready })
		if time.Since(oldest.at) >= m.ageAfter {
			return []*modelItem{oldest}
		}
	}
	highest := slices.MaxFunc(available, func(a, b *modelItem) int { return a.priority - b.priority }).priority
	first := map[string]*modelItem{} // of each leaf
	for _, i := range available {
		leaf := strings.Join(m.path(i.name), "/")
		if i.priority == highest && (first[leaf] == nil || i.seq < first[leaf].seq) {
			first[leaf] = i
		}
	}
	return slices.Collect(maps.Values(first))
}

// path returns the fairness keys of an item, whose name begins with them.
func (m *model) path(name string) []string { return strings.Split(name, "/")[:m.depth] }

// handOut checks that an item may come now, and takes it.
func (m *model) handOut(name string, priority int) error {
	candidates := m.candidates()
	at := slices.IndexFunc(candidates, func(i *modelItem) bool { return i.name == name })
	if at < 0 {
		var names []string
		for _, i := range candidates {
			names = append(names, i.name)
		}
		return fmt.Errorf("got %s, want one of %v", name, names)
	}
	i := candidates[at]
	if i.priority != priority {
		return fmt.Errorf("got %s with priority %d, want %d", name, priority, i.priority)
	}
	err := m.takeTurn(i)
	i.pending, i.busy = false, true
	m.handOuts++
	m.queueUp()
	return err
}

// node names the node of an item in the tree of keys, at a depth.
func (m *model) node(i *modelItem, depth int) string {
	return fmt.Sprintf("%d/%s", i.priority, strings.Join(m.path(i.name)[:depth], "/"))
}

// takeTurn counts a hand-out against the siblings that wait meanwhile.
func (m *model) takeTurn(i *modelItem) error {
	if m.ageAfter > 0 {
		return nil // aged items come out of turn
	}
	for depth := range m.depth {
		self := m.node(i, depth+1)
		delete(m.served, self)
		for waiter, served := range m.served {
			if parent(waiter) != parent(self) {
				continue
			}
			if served[self]++; served[self] > 1 {
				return fmt.Errorf("%s was served twice while %s waited", self, waiter)
			}
		}
	}
	return nil
}

// queueUp notes who waits from now on, and forgets who does not any more: a node that has nothing to give loses
// its place.
func (m *model) queueUp() {
	waiting := map[string]map[string]int{}
	for _, i := range m.all((*modelItem).available) {
		for depth := range m.depth {
			node := m.node(i, depth+1)
			if waiting[node] = m.served[node]; waiting[node] == nil {
				waiting[node] = map[string]int{}
			}
		}
	}
	m.served = waiting
}

// parent names the parent of a node.
func parent(node string) string { return node[:strings.LastIndex(node, "/")] }

func (m *model) done(name string) {
	i := m.items[name]
	if i == nil || !i.busy {
		return
	}
	i.busy = false
	if !i.pending {
		delete(m.items, name)
	}
}

// A run is a queue, its model, and a source of choices.
type run struct {
	t      *testing.T
	q      *workqueue.Queue[string]
	m      *model
	choose func(n int) int // returns one of 0..n-1
	meter  *ledger         // of the queue's metrics; nil without any
	drops  []string        // what OnDrop got
	log    []string
}

// The back-off of a run doubles from firstBackoff to maxBackoff, and ends after maxRetries.
const (
	firstBackoff = 10 * time.Millisecond
	maxBackoff   = 30 * time.Millisecond
	maxRetries   = 3
)

// newRun chooses the options too.
func newRun(t *testing.T, choose func(int) int) *run {
	o := workqueue.Options[string]{}
	m := &model{items: map[string]*modelItem{}, served: map[string]map[string]int{}, retries: map[string]int{}}
	m.depth = choose(3)
	for depth := range m.depth {
		o.FairBy = append(o.FairBy, func(name string) string { return strings.Split(name, "/")[depth] })
	}
	if choose(2) == 1 {
		m.ageAfter = 50 * time.Millisecond
		o.AgeAfter = m.ageAfter
	}
	if choose(2) == 1 {
		m.capacity = 10
		o.Capacity = m.capacity
	}
	r := &run{t: t, m: m, choose: choose}
	o.RateLimiter = clientgo.NewTypedItemExponentialFailureRateLimiter[string](firstBackoff, time.Hour)
	o.MaxRetries, o.MaxBackoff = maxRetries, maxBackoff
	o.OnDrop = func(item string, _ error) { r.drops = append(r.drops, item) }
	if choose(2) == 1 {
		r.meter = newLedger()
		o.Name, o.MetricsProvider = "model", tenantLedger{r.meter}
	}
	r.q = workqueue.New(o)
	return r
}

func (r *run) logf(format string, args ...any) { r.log = append(r.log, fmt.Sprintf(format, args...)) }

func (r *run) failf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s\nafter: %s", fmt.Sprintf(format, args...), strings.Join(r.log, "; "))
}

func (r *run) item() string {
	return fmt.Sprintf("t%d/n%d/o%d", r.choose(3), r.choose(3), r.choose(4))
}

func (r *run) delay() time.Duration { return time.Duration(r.choose(20)-3) * 10 * time.Millisecond }

// step does one operation on both.
func (r *run) step() {
	switch r.choose(14) {
	case 0, 1:
		item := r.item()
		r.logf("add %s", item)
		r.q.Add(item)
		r.m.add(item, 0, 0)
	case 2:
		item, delay := r.item(), r.delay()
		r.logf("add %s after %v", item, delay)
		r.q.AddAfter(item, delay)
		r.m.add(item, 0, delay)
	case 3:
		item, delay, priority := r.item(), r.delay(), r.choose(7)-3
		r.logf("add %s after %v at %d", item, delay, priority)
		r.q.AddWithOpts(workqueue.AddOpts{After: delay, Priority: &priority}, item)
		r.m.add(item, priority, delay)
	case 4:
		r.tryAdd(r.item())
	case 5, 6:
		r.get()
	case 7:
		r.getBatch(1 + r.choose(5))
	case 8, 9:
		if busy := r.m.all(func(i *modelItem) bool { return i.busy }); len(busy) > 0 {
			r.done(busy[r.choose(len(busy))].name)
		}
	case 10:
		d := time.Duration(r.choose(8)) * 10 * time.Millisecond
		r.logf("wait %v", d)
		time.Sleep(d)
		synctest.Wait()
		r.m.pass()
	case 11:
		r.reschedule(r.item())
	case 12:
		r.retry(r.item())
	case 13: // out of place, most often
		item := r.item()
		r.q.Forget(item)
		delete(r.m.retries, item)
		r.done(item)
	}
	r.compare()
}

func (r *run) done(item string) {
	r.logf("done %s", item)
	r.q.Done(item)
	r.m.done(item)
}

// retry adds an item with rate limiting.
func (r *run) retry(item string) {
	r.logf("retry %s", item)
	r.q.AddRateLimited(item)
	n := r.m.retries[item]
	if n == maxRetries {
		delete(r.m.retries, item)
		r.m.dropped = append(r.m.dropped, item)
		return
	}
	r.m.retries[item]++
	r.m.add(item, 0, min(firstBackoff<<n, maxBackoff))
}

func (r *run) tryAdd(item string) {
	err := r.q.TryAdd(item)
	r.logf("try to add %s: %v", item, err)
	i := r.m.items[item]
	pending := r.m.count(func(i *modelItem) bool { return i.pending })
	full := r.m.capacity > 0 && pending >= r.m.capacity && (i == nil || !i.pending)
	if full != errors.Is(err, workqueue.ErrFull) {
		r.failf("%d of %d pending, got %v", pending, r.m.capacity, err)
	}
	if !full {
		r.m.add(item, 0, 0)
	}
}

// get gets an item, or makes sure that there is none.
func (r *run) get() {
	if len(r.m.candidates()) > 0 {
		item, priority, _ := r.q.GetWithPriority()
		r.logf("get %s at %d", item, priority)
		if err := r.m.handOut(item, priority); err != nil {
			r.failf("%v", err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Nanosecond)
	defer cancel()
	if item, err := r.q.GetContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		r.failf("got %q, %v where nothing is available", item, err)
	}
}

func (r *run) getBatch(n int) {
	available := r.m.count((*modelItem).available)
	if available == 0 {
		return
	}
	items := make([]string, n)
	got, err := r.q.GetBatch(r.t.Context(), items)
	r.logf("get %v", items[:got])
	if err != nil || got != min(n, available) {
		r.failf("got %d items, %v; want %d of %d", got, err, n, available)
	}
	for _, item := range items[:got] {
		if err := r.m.handOut(item, r.m.items[item].priority); err != nil {
			r.failf("%v", err)
		}
	}
}

func (r *run) reschedule(item string) {
	i := r.m.items[item]
	want := i != nil && i.pending && i.delayed
	var got bool
	if r.choose(2) == 0 {
		r.logf("cancel %s", item)
		if got = r.q.Cancel(item); want {
			i.pending = false
			if !i.busy {
				delete(r.m.items, item)
			}
		}
	} else {
		delay := r.delay()
		r.logf("reschedule %s to %v", item, delay)
		if got = r.q.Reschedule(item, delay); want {
			if i.at = time.Now().Add(max(0, delay)); delay <= 0 {
				r.m.becomeReady(i, time.Now())
			}
		}
	}
	if got != want {
		r.failf("got %t, want %t", got, want)
	}
}

// compare compares what can be seen of both.
func (r *run) compare() {
	r.m.queueUp()
	want := r.m.count(func(i *modelItem) bool { return i.pending && !i.delayed })
	if got := r.q.Len(); got != want {
		r.failf("Len is %d, want %d", got, want)
	}
	if got, want := r.q.Known(), len(r.m.items); got != want {
		r.failf("%d items are known, want %d", got, want)
	}
	pending := map[string]workqueue.Pending[string]{}
	for _, i := range r.m.all(func(i *modelItem) bool { return i.pending }) {
		p := workqueue.Pending[string]{Item: i.name, Priority: i.priority}
		if i.delayed {
			p.Delay = max(1, time.Until(i.at))
		}
		pending[i.name] = p
	}
	got := r.q.Pending()
	if !slices.IsSortedFunc(got, func(a, b workqueue.Pending[string]) int { return int(a.Delay - b.Delay) }) {
		r.failf("Pending is out of order: %v", got)
	}
	if len(got) != len(pending) {
		r.failf("Pending has %v, want %v", got, pending)
	}
	for _, p := range got {
		if pending[p.Item] != p {
			r.failf("Pending has %v, want %v", p, pending[p.Item])
		}
	}
	if !slices.Equal(r.drops, r.m.dropped) {
		r.failf("dropped %v, want %v", r.drops, r.m.dropped)
	}
	if r.meter != nil {
		r.compareDepths()
	}
}

// compareDepths compares the metrics of what is ready.
func (r *run) compareDepths() {
	want := map[string]float64{}
	for _, i := range r.m.all(func(i *modelItem) bool { return i.pending && !i.delayed }) {
		tenant := ""
		if r.m.depth > 0 {
			tenant = r.m.path(i.name)[0]
		}
		want["depth"]++
		want[fmt.Sprintf("depth/%d/%s", i.priority, tenant)]++
	}
	got := r.meter.read()
	maps.DeleteFunc(got, func(name string, _ float64) bool { return !strings.HasPrefix(name, "depth") })
	if !maps.Equal(got, want) {
		r.failf("the depths are %v, want %v", got, want)
	}
}

// end drains both: everything that is ready comes, and what is delayed is reported.
func (r *run) end() {
	type rest struct {
		left []workqueue.Pending[string]
		err  error
	}
	drained := make(chan rest, 1)
	go func() {
		left, err := r.q.Drain(context.Background())
		drained <- rest{left, err}
	}()
	synctest.Wait()
	for _, i := range r.m.all(func(i *modelItem) bool { return i.busy }) {
		r.q.Done(i.name)
		r.m.done(i.name)
	}
	r.m.queueUp()
	for len(r.m.candidates()) > 0 {
		item, priority, _ := r.q.GetWithPriority()
		if err := r.m.handOut(item, priority); err != nil {
			r.failf("draining: %v", err)
		}
		r.q.Done(item)
		r.m.done(item)
	}
	got := <-drained
	if want := r.m.count(func(*modelItem) bool { return true }); got.err != nil || len(got.left) != want {
		r.failf("the drain left %v, %v; want %d items", got.left, got.err, want)
	}
	for _, p := range got.left {
		r.m.dropped = append(r.m.dropped, p.Item)
	}
	slices.Sort(r.drops)
	slices.Sort(r.m.dropped)
	if !slices.Equal(r.drops, r.m.dropped) {
		r.failf("dropped in the end %v, want %v", r.drops, r.m.dropped)
	}
}

// Invariant: a queue does what the model does, whatever is done to it, with whatever options.
func TestModel(t *testing.T) {
	runs := 250
	if testing.Short() {
		runs = 40
	}
	seed := rand.Uint64()
	t.Logf("seed: %d", seed)
	for n := range runs {
		source := rand.New(rand.NewPCG(seed, uint64(n)))
		synctest.Test(t, func(t *testing.T) {
			r := newRun(t, source.IntN)
			for range 300 {
				r.step()
			}
			r.end()
		})
		if t.Failed() {
			t.Fatalf("in run %d of seed %d", n, seed)
		}
	}
}

// The fuzzer makes the choices of a run, one byte each.
func FuzzQueue(f *testing.F) {
	for n := range uint64(4) {
		choices := make([]byte, 400)
		source := rand.New(rand.NewPCG(n, n))
		for i := range choices {
			choices[i] = byte(source.Uint32())
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		synctest.Test(t, func(t *testing.T) {
			r := newRun(t, func(n int) int {
				if len(choices) == 0 {
					return 0
				}
				choice := int(choices[0]) % n
				choices = choices[1:]
				return choice
			})
			for len(choices) > 0 {
				r.step()
			}
			r.end()
		})
	})
}
