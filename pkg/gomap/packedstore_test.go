package gomap_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
	"github.com/larder-dev/larder/pkg/store/storetest"
)

// jsonCodec packs nothing, but has to decode all the same.
type jsonCodec[T any] struct{}

type jsonPacked string

var jsonSeed = maphash.MakeSeed()

func (p jsonPacked) Size() int    { return len(p) }
func (p jsonPacked) Len() int     { return len(p) }
func (p jsonPacked) Hash() uint64 { return maphash.String(jsonSeed, string(p)) }

func (jsonCodec[T]) Encode(value T) (store.Packed, error) {
	data, err := json.Marshal(value)
	return jsonPacked(data), err
}

func (jsonCodec[T]) Decode(packed store.Packed) (value T, err error) {
	err = json.Unmarshal([]byte(packed.(jsonPacked)), &value)
	return value, err
}

// note is what these tests store: a pointer, so that sharing shows.
type note struct {
	Name, Place string
	N           int
	Text        string
}

func newPacked(t testing.TB, opts gomap.PackedOptions[*note]) *gomap.PackedStore[*note] {
	t.Helper()
	opts.Codec = jsonCodec[*note]{}
	s, err := gomap.NewPackedStore(opts)
	noError(t, err)
	t.Cleanup(func() { noError(t, s.Close()) })
	return s
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A packed store is a store, whatever its budget. The default is tested with a real codec, in pkg/codec.
func TestPackedConformance(t *testing.T) {
	for name, budget := range map[string]int64{"nothing": gomap.NoBudget, "too little": 2000} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(opts store.StoreOptions[storetest.Value]) store.Store[storetest.Value] {
				s, err := gomap.NewPackedStore(gomap.PackedOptions[storetest.Value]{
					StoreOptions: opts, Codec: jsonCodec[storetest.Value]{}, Budget: budget,
				})
				noError(t, err)
				return s
			})
		})
	}
}

func TestPackedStoreNeedsCodec(t *testing.T) {
	if _, err := gomap.NewPackedStore(gomap.PackedOptions[int]{}); !errors.Is(err, gomap.ErrCodecRequired) {
		t.Errorf("got %v", err)
	}
}

// Whatever a caller does to what it wrote or got as its own, the store stays as it was.
func TestPackedIsolation(t *testing.T) {
	for name, budget := range map[string]int64{"hot": 0, "cold": gomap.NoBudget} {
		t.Run(name, func(t *testing.T) {
			s := newPacked(t, gomap.PackedOptions[*note]{Budget: budget})
			mine := &note{N: 1}
			_, err := s.Set("notes", "a", mine)
			noError(t, err)
			mine.N = 2
			expect := func(when string, n int) {
				t.Helper()
				got, ok, err := s.Get("notes", "a")
				noError(t, err)
				if !ok || got.N != n {
					t.Fatalf("%s: got %+v, want N %d", when, got, n)
				}
			}
			expect("the written value was changed", 1)
			own, _, err := s.GetCopy("notes", "a")
			noError(t, err)
			own.N = 3
			expect("a copy was changed", 1)
			_, err = s.SetFn("notes", "a", func(v *note) (*note, error) {
				v.N = 4
				return nil, errors.New("thought better of it")
			})
			if err == nil {
				t.Fatal("SetFn swallowed an error")
			}
			expect("SetFn changed its value and failed", 1)
			_, err = s.SetFn("notes", "a", func(v *note) (*note, error) {
				v.N++
				mine = v
				return v, nil
			})
			noError(t, err)
			mine.N = 5
			expect("what SetFn returned was changed", 2)
		})
	}
}

// A hot value is the same for all readers and is not decoded again; without a budget
// every read decodes.
func TestPackedBudget(t *testing.T) {
	s := newPacked(t, gomap.PackedOptions[*note]{})
	_, err := s.Set("notes", "a", &note{N: 1})
	noError(t, err)
	first, _, _ := s.Get("notes", "a")
	second, _, _ := s.Get("notes", "a")
	if first != second {
		t.Error("two reads of a hot value returned two values")
	}
	if stats, _ := s.Stats("notes"); stats.Decodes != 1 || stats.Decoded != 1 || stats.DecodedBytes <= 0 {
		t.Errorf("after two reads: %+v", stats)
	}
	cold := newPacked(t, gomap.PackedOptions[*note]{Budget: gomap.NoBudget})
	_, err = cold.Set("notes", "a", &note{N: 1})
	noError(t, err)
	first, _, _ = cold.Get("notes", "a")
	second, _, _ = cold.Get("notes", "a")
	if first == second {
		t.Error("a value was shared without a budget")
	}
	if stats, _ := cold.Stats("notes"); stats.Decodes != 2 || stats.Decoded != 0 || stats.DecodedBytes != 0 {
		t.Errorf("after two reads without a budget: %+v", stats)
	}
}

// fill writes n notes and returns their keys.
func fill(t testing.TB, s *gomap.PackedStore[*note], n int) (keys []string) {
	t.Helper()
	for i := range n {
		key := fmt.Sprintf("note-%04d", i)
		_, err := s.Set("notes", key, &note{Name: key, Place: fmt.Sprintf("place-%d", i%10), N: i, Text: strings.Repeat("x", 500)})
		noError(t, err)
		keys = append(keys, key)
	}
	return keys
}

// decodes returns how many values reads had to decode.
func decodes(t testing.TB, s *gomap.PackedStore[*note], reads func()) uint64 {
	t.Helper()
	before, err := s.Stats("notes")
	noError(t, err)
	reads()
	after, err := s.Stats("notes")
	noError(t, err)
	return after.Decodes - before.Decodes
}

// Reads of everything, one by one or at once, leave what is read often where it is;
// and the budget is kept all the while.
func TestPackedScanResistance(t *testing.T) {
	const budget = 100 << 10 // for some 150 of 2,000
	s := newPacked(t, gomap.PackedOptions[*note]{Budget: budget})
	keys := fill(t, s, 2000)
	get := func(keys []string) {
		for _, key := range keys {
			_, ok, err := s.Get("notes", key)
			noError(t, err)
			if !ok {
				t.Fatalf("%s is gone", key)
			}
			if stats, _ := s.Stats("notes"); stats.DecodedBytes > budget {
				t.Fatalf("%d bytes are decoded, the budget is %d", stats.DecodedBytes, budget)
			}
		}
	}
	hot := keys[1000:1050]
	for range 5 {
		get(hot)
	}
	if n := decodes(t, s, func() { get(hot) }); n != 0 {
		t.Fatalf("%d of %d hot values had to be decoded at once", n, len(hot))
	}
	for range 3 {
		get(keys)
		_, err := s.List("notes")
		noError(t, err)
		_, err = s.Values("notes")
		noError(t, err)
	}
	if n := decodes(t, s, func() { get(hot) }); n > uint64(len(hot)/10) {
		t.Errorf("after scans %d of %d hot values had to be decoded again", n, len(hot))
	}
}

// When a hot key is updated, its new value is hot from its first read on, and the old
// one does not take the budget for long.
func TestPackedUpdatesOfHotKeys(t *testing.T) {
	const budget = 100 << 10
	s := newPacked(t, gomap.PackedOptions[*note]{Budget: budget})
	keys := fill(t, s, 1000)
	hot := keys[:50]
	get := func(keys []string) {
		for _, key := range keys {
			_, _, err := s.Get("notes", key)
			noError(t, err)
		}
	}
	for range 4 {
		get(hot)
	}
	for round := range 5 {
		for _, key := range hot {
			_, err := s.SetFn("notes", key, func(v *note) (*note, error) { v.N += 1000; return v, nil })
			noError(t, err)
		}
		get(hot)
		get(keys[100:]) // a scan
		if n := decodes(t, s, func() { get(hot) }); n > uint64(len(hot)/10) {
			t.Errorf("round %d: %d of %d hot values were washed out", round, n, len(hot))
		}
	}
}

// Keys, indexes, parcels and cursors cost no decoding.
func TestPackedWithoutDecoding(t *testing.T) {
	s := newPacked(t, gomap.PackedOptions[*note]{})
	noError(t, s.AddIndex("notes", "place", func(_ string, v *note) ([]string, error) { return []string{v.Place}, nil }))
	noError(t, s.AddPackedIndex("notes", "short", func(_ string, p store.Packed) ([]string, error) {
		return []string{fmt.Sprint(p.Len() < 50)}, nil
	}))
	cursor, err := s.Cursor("notes")
	noError(t, err)
	defer cursor.Close()
	var keys []string
	n := decodes(t, s, func() {
		keys = fill(t, s, 100)
		_, err := s.Set("notes", "note-0000", &note{Name: "note-0000", Place: "place-0", N: 0, Text: strings.Repeat("x", 500)}) // equal
		noError(t, err)
		found, err := s.ByIndex("notes", "place", "place-3")
		noError(t, err)
		if got := len(maps.Collect(found)); got != 10 {
			t.Errorf("%d notes at place-3, want 10", got)
		}
		found, err = s.Select("notes", gomap.Is("place", "place-3"), gomap.Is("short", "false"))
		noError(t, err)
		if got := len(maps.Collect(found)); got != 10 {
			t.Errorf("%d notes selected, want 10", got)
		}
		events := 0
		for e := range cursor.Changes() {
			if e.Name != keys[events] || e.Object.Packed().Len() == 0 {
				t.Errorf("event %d is %+v", events, e)
			}
			events++
		}
		if events != 100 {
			t.Errorf("%d events, want 100: writing an equal value is none", events)
		}
	})
	if n != 0 {
		t.Errorf("%d values were decoded", n)
	}
	page, err := s.Page("notes", "", "note-0041", 1)
	noError(t, err)
	if v, err := page.Items[0].Value.Value(); err != nil || v.N != 42 {
		t.Errorf("the page has %+v, %v", v, err)
	}
	values, err := s.IndexValues("notes", "short")
	noError(t, err)
	if !slices.Equal(values, []string{"false"}) {
		t.Errorf("index values: %q", values)
	}
}

// What is packed already goes in as it is; an index that needs the value has it
// decoded once, and nobody else pays.
func TestSetPacked(t *testing.T) {
	s := newPacked(t, gomap.PackedOptions[*note]{})
	one, err := s.SetPacked("notes", "a", jsonPacked(`{"N":1,"Place":"here"}`))
	noError(t, err)
	if !one {
		t.Error("not created")
	}
	if stats, _ := s.Stats("notes"); stats.Decodes != 0 {
		t.Errorf("decoded: %+v", stats)
	}
	for _, name := range []string{"first", "second", "third"} {
		noError(t, s.AddIndex("notes", name, func(_ string, v *note) ([]string, error) { return []string{v.Place}, nil }))
	}
	if n := decodes(t, s, func() {
		_, err := s.SetPacked("notes", "b", jsonPacked(`{"N":2,"Place":"there"}`))
		noError(t, err)
	}); n != 1 {
		t.Errorf("three indexes decoded a value %d times", n)
	}
	noError(t, s.ReplacePacked("notes", map[string]store.Packed{"b": jsonPacked(`{"N":3,"Place":"here"}`)}))
	found, err := s.ByIndex("notes", "third", "here")
	noError(t, err)
	if got := maps.Collect(found); len(got) != 1 || got["b"] == nil {
		t.Errorf("found %v", got)
	}
	events, cancel, err := s.Watch("notes")
	noError(t, err)
	defer cancel()
	existed, err := s.DeletePacked("notes", "b", jsonPacked(`{"N":4}`))
	noError(t, err)
	if e := <-events; !existed || e.EventType != store.EventTypeDelete || e.Object.N != 4 {
		t.Errorf("existed %t, event %+v", existed, e)
	}
	if existed, err = s.DeletePacked("notes", "b", nil); existed || err != nil {
		t.Errorf("deleted twice: %t, %v", existed, err)
	}
}

// An update that leaves a value where it is in all indexes decodes nothing, in whatever
// order their functions give the places; one that moves it decodes what was there.
func TestPackedUpdatesInPlace(t *testing.T) {
	s := newPacked(t, gomap.PackedOptions[*note]{Budget: gomap.NoBudget})
	turn := 0
	for _, name := range []string{"one", "other"} {
		noError(t, s.AddIndex("notes", name, func(_ string, v *note) ([]string, error) {
			turn++
			places := strings.Split(v.Place, " ")
			n := turn % len(places)
			return slices.Concat(places[n:], places[:n]), nil
		}))
	}
	set := func(place string, n int) {
		_, err := s.Set("notes", "a", &note{Place: place, N: n})
		noError(t, err)
	}
	set("a b c", 0)
	if n := decodes(t, s, func() {
		for n := range 20 {
			set("a b c", n+1)
		}
	}); n != 0 {
		t.Errorf("%d values were decoded", n)
	}
	for n, place := range []string{"a b", "a b d", "b d", "d", "e"} {
		if decodes(t, s, func() { set(place, n) }) == 0 {
			t.Errorf("what moved to %q was not noticed", place)
		}
	}
}

// Packed values can be compared otherwise than by their hashes, without decoding; and
// a CompareFn is asked first.
func TestComparePacked(t *testing.T) {
	var compared int
	count := func(prev, next store.Packed) bool {
		compared++
		return prev.Len() == next.Len()
	}
	for name, test := range map[string]struct {
		opts gomap.PackedOptions[*note]
		want int // comparisons of packed values
	}{
		"ComparePacked": {gomap.PackedOptions[*note]{ComparePacked: count}, 2},
		"CompareFn": {gomap.PackedOptions[*note]{
			StoreOptions:  store.StoreOptions[*note]{CompareFn: func(prev, next *note) bool { return len(prev.Text) == len(next.Text) }},
			ComparePacked: count,
		}, 0},
	} {
		compared = 0
		s := newPacked(t, test.opts)
		_, err := s.Set("notes", "a", &note{Text: "one"})
		noError(t, err)
		n := decodes(t, s, func() {
			for _, text := range []string{"two", "three"} {
				_, err = s.Set("notes", "a", &note{Text: text})
				noError(t, err)
			}
		})
		if got, _, err := s.Get("notes", "a"); err != nil || got.Text != "three" {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		if stats, _ := s.Stats("notes"); compared != test.want || name == "ComparePacked" && n != 0 {
			t.Errorf("%s: compared %d times, decoded %d times: %+v", name, compared, n, stats)
		}
		events := 0
		cursor, err := s.Cursor("notes", store.WithInitialReplay[*note]())
		noError(t, err)
		for e := range cursor.Changes() {
			events++
			if e.Revision != 2 {
				t.Errorf("%s: it was written at revision %d: an equal value was, too", name, e.Revision)
			}
		}
		cursor.Close()
		if events != 1 {
			t.Errorf("%s: %d events", name, events)
		}
	}
}

// A value that cannot be packed is an EncodeError that says where it should have gone, and nothing is written.
func TestEncodeError(t *testing.T) {
	s, err := gomap.NewPackedStore(gomap.PackedOptions[float64]{Codec: jsonCodec[float64]{}})
	noError(t, err)
	_, err = s.Set("numbers", "one", 1)
	noError(t, err)
	for what, write := range map[string]func() error{
		"Set":     func() error { _, err := s.Set("numbers", "bad", math.Inf(1)); return err },
		"SetAll":  func() error { return s.SetAll("numbers", map[string]float64{"bad": math.Inf(1), "good": 2}) },
		"Replace": func() error { return s.Replace("numbers", map[string]float64{"bad": math.Inf(1)}) },
	} {
		refused, ok := errors.AsType[*gomap.EncodeError](write())
		if !ok || refused.Kind != "numbers" || refused.Name != "bad" {
			t.Errorf("%s: %v", what, refused)
			continue
		}
		if _, ok := errors.AsType[*json.UnsupportedValueError](refused); !ok {
			t.Errorf("%s: the codec's error is lost: %v", what, refused)
		}
	}
	if keys, err := s.Keys("numbers"); err != nil || !slices.Equal(keys, []string{"one"}) {
		t.Errorf("the keys are %q, %v", keys, err)
	}
}

// What cannot be decoded is an error of who wants it decoded, and of nobody else.
func TestDecodeError(t *testing.T) {
	s := newPacked(t, gomap.PackedOptions[*note]{})
	events, cancel, err := s.Watch("notes")
	noError(t, err)
	defer cancel()
	_, err = s.SetPacked("notes", "bad", jsonPacked("{"))
	noError(t, err)
	_, err = s.Set("notes", "good", &note{N: 1})
	noError(t, err)

	check := func(what string, err error) {
		t.Helper()
		if d, ok := errors.AsType[*gomap.DecodeError](err); !ok || d.Kind != "notes" || d.Err == nil {
			t.Errorf("%s: got %v, want a DecodeError", what, err)
		}
	}
	_, ok, err := s.Get("notes", "bad")
	check("Get", err)
	if ok {
		t.Error("Get returned a value")
	}
	_, _, err = s.GetCopy("notes", "bad")
	check("GetCopy", err)
	_, err = s.List("notes")
	check("List", err)
	_, err = s.Values("notes")
	check("Values", err)
	_, err = s.GetAll()
	check("GetAll", err)
	_, err = s.SetFn("notes", "bad", func(v *note) (*note, error) { return v, nil })
	check("SetFn", err)
	check("AddIndex", s.AddIndex("notes", "place", func(_ string, v *note) ([]string, error) { return []string{v.Place}, nil }))
	e, open := <-events
	if !open || e.EventType != store.EventTypeError {
		t.Fatalf("the watch: %+v", e)
	}
	check("Watch", e.Err)
	if _, open = <-events; open {
		t.Error("the watch goes on")
	}
	if v, ok, err := s.Get("notes", "good"); !ok || err != nil || v.N != 1 {
		t.Errorf("good is %+v, %t, %v", v, ok, err)
	}
	existed, _, err := s.Delete("notes", "bad")
	check("Delete", err)
	if !existed {
		t.Error("bad was not deleted")
	}
	if keys, _ := s.Keys("notes"); !slices.Equal(keys, []string{"good"}) {
		t.Errorf("keys: %q", keys)
	}
}

// Many goroutines read and write, at budgets that make values come and go. Every
// value that is read is one that was written under its key, whole, and in the end the
// figures are those of the content.
func TestPackedModel(t *testing.T) {
	const keys, writers, readers, writes = 60, 3, 3, 2000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, budget := range []int64{gomap.NoBudget, 3000, 20000, 0} {
		s := newPacked(t, gomap.PackedOptions[*note]{Budget: budget})
		check := func(key string, v *note) {
			if v.Name != key || v.Text != strings.Repeat("y", v.N%100) {
				t.Errorf("%s has %+v", key, v)
			}
		}
		var writing, reading sync.WaitGroup
		done := make(chan struct{})
		for w := range writers {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			writing.Go(func() {
				for range writes {
					key, n := fmt.Sprintf("k%d", r.IntN(keys)), r.IntN(1000)
					value := &note{Name: key, N: n, Text: strings.Repeat("y", n%100)}
					var err error
					switch r.IntN(8) {
					case 0:
						_, _, err = s.Delete("notes", key)
					case 1:
						err = s.SetAll("notes", map[string]*note{key: value})
					case 2:
						data, _ := json.Marshal(value)
						_, err = s.SetPacked("notes", key, jsonPacked(data))
					default:
						_, err = s.Set("notes", key, value)
					}
					value.Name = "mine" // nobody must see it
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for w := range readers {
			r := rand.New(rand.NewPCG(seed, uint64(100+w)))
			reading.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					key := fmt.Sprintf("k%d", min(r.IntN(keys), r.IntN(keys)))
					v, ok, err := s.Get("notes", key)
					if err != nil {
						t.Error(err)
					}
					if ok {
						check(key, v)
					}
					if r.IntN(50) == 0 {
						list, err := s.List("notes")
						if err != nil {
							t.Error(err)
						}
						for key, v := range list {
							check(key, v)
						}
					}
				}
			})
		}
		writing.Wait()
		close(done)
		reading.Wait()

		all, err := s.All("notes")
		noError(t, err)
		var want gomap.PackedStats
		for _, p := range all {
			want.Objects++
			want.PackedBytes += int64(p.Packed().Size())
		}
		got, err := s.Stats("notes")
		noError(t, err)
		if got.Objects != want.Objects || got.PackedBytes != want.PackedBytes {
			t.Errorf("budget %d: stats are %+v, the content is %+v", budget, got, want)
		}
		if limit := max(budget, 0); budget != 0 && got.DecodedBytes > limit {
			t.Errorf("budget %d: %+v", budget, got)
		}
	}
}

// Decoded values of replaced versions are kept only while a cursor has yet to read the
// change: each of several handlers finds them decoded, and then they go, although the
// budget has room.
func TestPackedDeadVersionsGo(t *testing.T) {
	const keys, handlers, updates = 200, 4, 6
	s := newPacked(t, gomap.PackedOptions[*note]{Budget: 1 << 30})
	names := fill(t, s, keys)
	var cursors []*gomap.Cursor[*gomap.Parcel[*note]]
	for range handlers {
		c, err := s.Cursor("notes", store.WithBufferSize[*note](10*keys))
		noError(t, err)
		t.Cleanup(c.Close)
		cursors = append(cursors, c)
	}
	for round := range updates {
		for _, key := range names {
			_, err := s.SetFn("notes", key, func(v *note) (*note, error) {
				return &note{N: v.N + 1000, Text: v.Text}, nil
			})
			noError(t, err)
		}
		n := decodes(t, s, func() {
			for _, c := range cursors {
				for e := range c.Changes() {
					for _, p := range []*gomap.Parcel[*note]{e.Object, e.Old} {
						_, err := p.Value()
						noError(t, err)
					}
				}
			}
		})
		if n > 2*keys {
			t.Errorf("round %d: %d decodes for %d changes and %d handlers", round, n, keys, handlers)
		}
	}
	// The writer sees now and then how far the cursors are.
	for i := range 200 {
		_, err := s.Set("notes", "other", &note{N: -i})
		noError(t, err)
		for _, c := range cursors {
			for range c.Changes() {
			}
		}
	}
	if stats, err := s.Stats("notes"); err != nil || stats.Decoded > keys+100 {
		t.Errorf("%d values are kept decoded, of %d keys (%v)", stats.Decoded, keys, err)
	}
}

// A value that is deleted does not stay decoded, nor does its last state.
func TestPackedDeletedValuesGo(t *testing.T) {
	const keys = 200
	s := newPacked(t, gomap.PackedOptions[*note]{Budget: 1 << 30})
	names := fill(t, s, keys)
	c, err := s.Cursor("notes")
	noError(t, err)
	defer c.Close()
	for i, key := range names {
		_, _, err := s.Get("notes", key)
		noError(t, err)
		if i%2 == 0 {
			_, _, err = s.Delete("notes", key)
		} else {
			var final store.Packed
			final, err = jsonCodec[*note]{}.Encode(&note{N: -1})
			noError(t, err)
			_, err = s.DeletePacked("notes", key, final)
		}
		noError(t, err)
		for e := range c.Changes() {
			_, err := e.Object.Value()
			noError(t, err)
		}
	}
	for i := range 200 {
		_, err := s.Set("notes", "other", &note{N: -i})
		noError(t, err)
		for range c.Changes() {
		}
	}
	if stats, err := s.Stats("notes"); err != nil || stats.Decoded > 100 {
		t.Errorf("%d values are kept decoded, of one key (%v)", stats.Decoded, err)
	}
}

// What List decodes is kept as long as there is room, and puts nothing out.
func TestPackedListLearns(t *testing.T) {
	const keys = 300
	s := newPacked(t, gomap.PackedOptions[*note]{Budget: 10 << 20})
	fill(t, s, keys)
	list := func() {
		all, err := s.List("notes")
		noError(t, err)
		if len(all) != keys {
			t.Fatalf("%d values are listed", len(all))
		}
	}
	if n := decodes(t, s, func() {
		for range 20 {
			list()
		}
	}); n != keys {
		t.Errorf("20 lists of %d values that fit the budget decoded %d", keys, n)
	}

	small := newPacked(t, gomap.PackedOptions[*note]{Budget: 50 << 10})
	names := fill(t, small, keys)
	hot := names[:20]
	for _, key := range hot { // once, so that anything that has to be let go may be one of them
		_, _, err := small.Get("notes", key)
		noError(t, err)
	}
	for range 5 {
		_, err := small.List("notes")
		noError(t, err)
	}
	if n := decodes(t, small, func() {
		for _, key := range hot {
			_, _, err := small.Get("notes", key)
			noError(t, err)
		}
	}); n != 0 {
		t.Errorf("lists that did not fit put %d of %d hot values out", n, len(hot))
	}
	if stats, _ := small.Stats("notes"); stats.DecodedBytes > 50<<10 {
		t.Errorf("%d bytes are decoded, the budget is %d", stats.DecodedBytes, 50<<10)
	}
}
