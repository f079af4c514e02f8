package gomap_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// FuzzOperations does what bytes say, one operation after another, to a store and to
// a plain map, and compares after each of them. What outlives an operation is compared
// too: snapshots with the content at their time, cursors and watches with the list
// of changes since they were last read.
func FuzzOperations(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		ops := make([]byte, 1200)
		for i := range ops {
			ops[i] = byte(r.Uint32())
		}
		f.Add(ops)
	}
	// Each operation by itself, and in pairs.
	for a := range byte(operations) {
		f.Add([]byte{a, 1, 2, 3, 4, 5})
		for b := range byte(operations) {
			f.Add([]byte{a, 7, 3, b, 7, 3, b, 1, 5, a, 2, 9})
		}
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 2000 {
			t.Skip("longer ones find nothing more, only later")
		}
		m := newReference(t, ops)
		for len(m.ops) > 0 {
			m.step()
			m.check()
		}
		m.end()
	})
}

// Values that nothing accepts: those that fail validation; those that an index
// function fails on, or panics.
const (
	invalid = 13 + iota
	failing
	panicking
	values // how many there are
)

var errFuzz = errors.New("for the test")

// functions are the index functions that may be added, by name.
var functions = map[string]gomap.IndexFunc[int]{
	"parity": func(_ string, v int) ([]string, error) { return []string{fmt.Sprint(v % 2)}, nil },
	"bits": func(_ string, v int) ([]string, error) {
		var set []string
		for bit := range 3 {
			if v>>bit&1 == 1 {
				set = append(set, fmt.Sprint(bit), fmt.Sprint(bit))
			}
		}
		return set, nil
	},
	"strict": func(key string, v int) ([]string, error) {
		switch v {
		case failing:
			return nil, errFuzz
		case panicking:
			panic(errFuzz)
		}
		return []string{key[:1]}, nil
	},
}

// tooStrict tells whether the index "strict" fails on a value.
func tooStrict(v int) bool { return v == failing || v == panicking }

func hasTooStrict(content map[string]int) bool {
	for _, v := range content {
		if tooStrict(v) {
			return true
		}
	}
	return false
}

// reference is a store together with what it should be.
type reference struct {
	t     *testing.T
	ops   []byte // that are left
	store *gomap.MemStore[int]

	content   map[string]int
	changes   []store.Event[int] // all there were, without their revisions
	indexes   map[string]gomap.IndexFunc[int]
	revision  uint64
	changed   int // how many changes there were at that revision
	snapshots []heldSnapshot
	readers   []*reader
	barrier   int // the value of a key that is written to wait for watches
}

type heldSnapshot struct {
	*gomap.Snapshot[int]
	revision uint64
	content  map[string]int
}

func newReference(t *testing.T, ops []byte) *reference {
	s := gomap.NewMemStore(store.StoreOptions[int]{ValidateFns: map[string]store.ValidateFunc[int]{
		"things": func(v int) error {
			if v == invalid {
				return errFuzz
			}
			return nil
		},
	}})
	t.Cleanup(func() { _ = s.Close() })
	return &reference{t: t, ops: ops, store: s, content: map[string]int{}, indexes: map[string]gomap.IndexFunc[int]{}}
}

// next takes a number below n from the bytes.
func (m *reference) next(n int) int {
	if len(m.ops) == 0 {
		return 0
	}
	b := m.ops[0]
	m.ops = m.ops[1:]
	return int(b) % n
}

func (m *reference) key() string { return fmt.Sprintf("%c%d", 'a'+m.next(3), m.next(8)) }

func (m *reference) value() int { return m.next(values) }

func (m *reference) batch() map[string]int {
	batch := map[string]int{}
	for range m.next(8) {
		batch[m.key()] = m.value()
	}
	return batch
}

// operations is how many step has.
const operations = 14

func (m *reference) step() {
	switch m.next(operations) {
	case 0:
		m.set(m.key(), m.value())
	case 1:
		m.setFn(m.key(), m.value(), m.next(8) == 0)
	case 2:
		m.delete(m.key())
	case 3:
		m.setMany(m.batch(), false)
	case 4:
		m.setMany(m.batch(), true)
	case 5: // overwrites, for something to be compacted
		for key, n := m.key(), m.next(200); n > 0; n-- {
			m.set(key, n%invalid)
		}
	case 6: // many keys come
		batch := map[string]int{}
		for n := range m.next(150) {
			batch[fmt.Sprintf("many-%d", n)] = n % invalid
		}
		m.setMany(batch, false)
	case 7: // many keys go
		for key := range maps.Clone(m.content) {
			if len(key) > 2 {
				m.delete(key)
			}
		}
	case 8:
		m.addIndex([]string{"parity", "bits", "strict"}[m.next(3)])
	case 9:
		m.hold()
	case 10:
		if n := len(m.snapshots); n > 0 {
			n = m.next(n)
			m.snapshots = slices.Delete(m.snapshots, n, n+1)
		}
	case 11:
		m.follow()
	case 12:
		if n := len(m.readers); n > 0 {
			m.read(m.readers[m.next(n)])
		}
	case 13:
		m.misuse(m.next(5))
	}
}

// note writes a change down.
func (m *reference) note(key string, value int, deleted bool) {
	had, known := m.content[key]
	e := store.Event[int]{Kind: "things", Name: key, Object: value, Old: had, EventType: store.EventTypeUpdate}
	switch {
	case deleted:
		e.EventType, e.Object = store.EventTypeDelete, had
		delete(m.content, key)
	case known && had == value:
		return
	case known:
		m.content[key] = value
	default:
		e.EventType = store.EventTypeCreate
		m.content[key] = value
	}
	m.changes = append(m.changes, e)
}

// rejects tells whether writing values has to fail.
func (m *reference) rejects(batch map[string]int) bool {
	for _, v := range batch {
		if v == invalid || tooStrict(v) && m.indexes["strict"] != nil {
			return true
		}
	}
	return false
}

// rejected checks the error of such a write.
func (m *reference) rejected(err error) {
	m.t.Helper()
	_, validation := errors.AsType[*store.ValidationError](err)
	index, indexed := errors.AsType[*store.IndexError](err)
	if !validation && (!indexed || index.Index != "strict") {
		m.t.Fatalf("a write that should be rejected: error %v", err)
	}
}

func (m *reference) set(key string, value int) {
	_, known := m.content[key]
	created, err := m.store.Set("things", key, value)
	if m.rejects(map[string]int{key: value}) {
		m.rejected(err)
		return
	}
	must(m.t, err)
	m.equal("created", created, !known)
	m.note(key, value, false)
}

func (m *reference) setFn(key string, value int, fails bool) {
	had, known := m.content[key]
	changed, err := m.store.SetFn("things", key, func(v int) (int, error) {
		m.equal("value given to the function", v, had)
		if fails {
			return value, errFuzz
		}
		return value, nil
	})
	switch {
	case !known:
		m.equal("error", errors.Is(err, store.ErrKeyNotFound), true)
	case fails:
		m.equal("error", err, errFuzz)
	case m.rejects(map[string]int{key: value}):
		m.rejected(err)
	default:
		must(m.t, err)
		m.equal("changed", changed, value != had)
		m.note(key, value, false)
	}
}

func (m *reference) delete(key string) {
	had, known := m.content[key]
	existed, prev, err := m.store.Delete("things", key)
	must(m.t, err)
	m.equal("existed", existed, known)
	m.equal("previous", prev, had)
	if known {
		m.note(key, 0, true)
	}
}

func (m *reference) setMany(batch map[string]int, replace bool) {
	write := m.store.SetAll
	if replace {
		write = m.store.Replace
	}
	err := write("things", batch)
	if m.rejects(batch) {
		m.rejected(err)
		return
	}
	must(m.t, err)
	all := maps.Clone(batch)
	if replace {
		maps.Copy(all, m.content)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value, ok := batch[key]
		m.note(key, value, !ok)
	}
}

func (m *reference) addIndex(name string) {
	err := m.store.AddIndex("things", name, functions[name])
	switch {
	case m.indexes[name] != nil:
		if !errors.Is(err, gomap.ErrIndexExists) {
			m.t.Fatalf("index %s again: %v", name, err)
		}
	case name == "strict" && hasTooStrict(m.content):
		m.rejected(err)
	default:
		must(m.t, err)
		m.indexes[name] = functions[name]
	}
}

// misuse makes calls that are wrong.
func (m *reference) misuse(which int) {
	var err, want error
	switch which {
	case 0:
		_, err = m.store.Set("", "a", 1)
		want = store.ErrKindRequired
	case 1:
		_, err = m.store.Set("things", "", 1)
		want = store.ErrKeyRequired
	case 2:
		err = m.store.SetAll("things", map[string]int{"a": 1, "": 2})
		want = store.ErrKeyRequired
	case 3:
		_, err = m.store.SetFn("things", "a1", nil)
		want = store.ErrFuncRequired
	case 4:
		_, err = m.store.Cursor("things", store.WithBufferSize[int](-1))
		want = store.ErrInvalidOption
	}
	if !errors.Is(err, want) {
		m.t.Fatalf("got error %v, want %v", err, want)
	}
}

func (m *reference) hold() {
	s, err := m.store.Snapshot("things")
	must(m.t, err)
	if len(m.snapshots) < 6 {
		m.snapshots = append(m.snapshots, heldSnapshot{s, s.Revision(), maps.Clone(m.content)})
	}
}

// check compares everything that can be read.
func (m *reference) check() {
	list, err := m.store.List("things")
	must(m.t, err)
	m.sameContent("List", list, m.content)
	all, err := m.store.All("things")
	must(m.t, err)
	m.sameContent("All", maps.Collect(all), m.content)
	n, err := m.store.Count("things")
	must(m.t, err)
	m.equal("Count", n, len(m.content))
	probe := "a1"
	got, ok, err := m.store.Get("things", probe)
	must(m.t, err)
	want, known := m.content[probe]
	m.equal("ok", ok, known)
	m.equal("Get", got, want)

	now, err := m.store.Snapshot("things")
	must(m.t, err)
	if rev := now.Revision(); rev < m.revision || (rev == m.revision) != (len(m.changes) == m.changed) {
		m.t.Fatalf("revision %d after %d changes, %d after %d", m.revision, m.changed, rev, len(m.changes))
	}
	m.revision, m.changed = now.Revision(), len(m.changes)

	for name := range m.indexes {
		want := grouped(m.indexes[name], m.content)
		indexed, err := m.store.IndexValues("things", name)
		must(m.t, err)
		wantKeys(m.t, "values of "+name, indexed, slices.Sorted(maps.Keys(want))...)
		for _, value := range append(indexed, "none") {
			found, err := m.store.ByIndex("things", name, value)
			must(m.t, err)
			m.sameContent("ByIndex "+name+" "+value, maps.Collect(found), want[value])
		}
	}
	for _, s := range m.snapshots {
		m.sameContent("a snapshot", maps.Collect(s.All()), s.content)
		m.equal("Len of a snapshot", s.Len(), len(s.content))
		m.equal("revision of a snapshot", s.Revision(), s.revision)
	}
}

// grouped returns the content by the values of an index.
func grouped(fn gomap.IndexFunc[int], content map[string]int) map[string]map[string]int {
	groups := map[string]map[string]int{}
	for key, v := range content {
		terms, _ := fn(key, v)
		for _, term := range terms {
			if groups[term] == nil {
				groups[term] = map[string]int{}
			}
			groups[term][key] = v
		}
	}
	return groups
}

// reader reads changes, through a cursor or a watch, and has the content that they
// lead to.
type reader struct {
	pull    func(yield func(store.Event[int])) error // gives what there is; returns why there will be no more
	buffer  int
	atOnce  bool // ends rather than coalesces
	marker  bool // the sync marker is to come
	seen    int  // changes of the reference that were read
	content map[string]int
	initial map[string]int // what is still to be replayed
	last    uint64         // revision of the last event
	ended   bool
}

// follow begins to read with options from the bytes.
func (m *reference) follow() {
	if len(m.readers) >= 6 {
		return
	}
	flags := m.next(16)
	r := &reader{buffer: []int{0, 1, 5, 40, 400}[m.next(5)], seen: len(m.changes), content: map[string]int{}}
	opts := []store.WatchOption[int]{store.WithBufferSize[int](r.buffer)}
	if flags&1 != 0 {
		opts = append(opts, store.WithInitialReplay[int]())
		r.initial = maps.Clone(m.content)
	} else {
		r.content = maps.Clone(m.content)
	}
	if flags&2 != 0 {
		opts = append(opts, store.WithSyncMarker[int]())
		r.marker = true
	}
	if flags&4 != 0 {
		opts = append(opts, store.WithoutCoalescing[int]())
		r.atOnce = true
	}
	if flags&8 != 0 {
		m.watch(r, opts)
	} else {
		m.cursor(r, opts)
	}
	m.readers = append(m.readers, r)
}

func (m *reference) cursor(r *reader, opts []store.WatchOption[int]) {
	c, err := m.store.Cursor("things", opts...)
	must(m.t, err)
	m.t.Cleanup(c.Close)
	r.pull = func(yield func(store.Event[int])) error {
		for e := range c.Changes() {
			yield(e)
		}
		if c.Err() == nil {
			m.equal("revision of a cursor that has read everything", c.Revision(), m.revision)
		}
		return c.Err()
	}
}

// watch is read up to a change that is made for the purpose: nothing else tells
// when all has been sent.
func (m *reference) watch(r *reader, opts []store.WatchOption[int]) {
	events, cancel, err := m.store.Watch("things", opts...)
	must(m.t, err)
	m.t.Cleanup(func() {
		cancel()
		for range events {
		}
	})
	r.pull = func(yield func(store.Event[int])) error {
		m.barrier++
		m.set("barrier", values+m.barrier)
		for e := range events {
			if e.EventType == store.EventTypeError {
				return e.Err
			}
			yield(*e)
			if e.Name == "barrier" && e.Object == values+m.barrier {
				return nil
			}
		}
		return errors.New("the channel was closed")
	}
}

// read takes what a reader can get and compares it with the changes it has not seen.
func (m *reference) read(r *reader) {
	if r.ended {
		return
	}
	var events []store.Event[int]
	seen, replayed := r.seen, len(r.initial)
	err := r.pull(func(e store.Event[int]) {
		m.apply(r, e)
		if e.EventType != store.EventTypeSync {
			events = append(events, e)
		}
	})
	missed := m.changes[seen:]
	r.seen = len(m.changes)
	if err != nil {
		if !errors.Is(err, store.ErrWatchLagged) || !r.atOnce || len(missed) <= r.buffer {
			m.t.Fatalf("a reader with a buffer of %d, %d changes behind, ended with %v", r.buffer, len(missed), err)
		}
		r.ended = true
		return
	}
	if r.marker || len(r.initial) > 0 {
		m.t.Fatalf("no end of the replay: marker missing: %t, keys missing: %v", r.marker, r.initial)
	}
	m.sameContent("a reader", r.content, m.content)
	if len(missed) > r.buffer && !r.atOnce {
		return // the changes may be coalesced
	}
	m.equal("events after a replay", len(events)-replayed, len(missed))
	for i, want := range missed {
		got := events[replayed+i]
		got.Revision = 0
		m.equal("a change within the buffer", got, want)
	}
}

// apply checks an event against what the reader has, and adds it.
func (m *reference) apply(r *reader, e store.Event[int]) {
	if e.EventType == store.EventTypeSync {
		if !r.marker || len(r.initial) > 0 {
			m.t.Fatalf("the sync marker came with %d keys missing; wanted: %t", len(r.initial), r.marker)
		}
		r.marker = false
		return
	}
	if e.Revision <= r.last {
		m.t.Fatalf("event %+v after revision %d", e, r.last)
	}
	r.last = e.Revision
	had, known := r.content[e.Name]
	if len(r.initial) > 0 {
		want, ok := r.initial[e.Name]
		if !ok || e.EventType != store.EventTypeCreate || e.Object != want || e.Coalesced {
			m.t.Fatalf("replayed %+v, want %d, %t", e, want, ok)
		}
		delete(r.initial, e.Name)
	}
	switch e.EventType {
	case store.EventTypeCreate:
		if known {
			m.t.Fatalf("event %+v of a key that is there", e)
		}
		r.content[e.Name] = e.Object
	case store.EventTypeUpdate:
		if !known || e.Old != had {
			m.t.Fatalf("event %+v, the reader has %d, %t", e, had, known)
		}
		r.content[e.Name] = e.Object
	case store.EventTypeDelete:
		if !known || !e.Coalesced && e.Old != had {
			m.t.Fatalf("event %+v, the reader has %d, %t", e, had, known)
		}
		delete(r.content, e.Name)
	default:
		m.t.Fatalf("event %+v", e)
	}
}

// end reads everything to its end and closes the store.
func (m *reference) end() {
	for _, r := range m.readers {
		m.read(r)
		m.check()
	}
	for _, s := range m.snapshots {
		for name, fn := range m.indexes {
			if name == "strict" && hasTooStrict(s.content) { // then it is younger than the snapshot
				_, err := s.ByIndex(name, "a")
				m.rejected(err)
				continue
			}
			for value, want := range grouped(fn, s.content) {
				found, err := s.ByIndex(name, value)
				must(m.t, err)
				m.sameContent("ByIndex of a snapshot", maps.Collect(found), want)
			}
		}
	}
	must(m.t, m.store.Close())
	if _, err := m.store.Set("things", "a1", 1); !errors.Is(err, store.ErrClosed) {
		m.t.Fatalf("Set after Close: %v", err)
	}
}

func (m *reference) equal(what string, got, want any) {
	m.t.Helper()
	if got != want {
		m.t.Fatalf("%s: got %+v, want %+v", what, got, want)
	}
}

func (m *reference) sameContent(what string, got, want map[string]int) {
	m.t.Helper()
	if !maps.Equal(got, want) {
		m.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
