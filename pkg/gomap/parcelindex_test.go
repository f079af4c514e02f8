package gomap_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// An index by parcels sees the value as it is being written: the writer's own, if there is one, or one that is decoded
// once for all indexes. One that looks at the packed form only decodes nothing.
func TestParcelIndex(t *testing.T) {
	s := newPacked(t, gomap.PackedOptions[*note]{Budget: gomap.NoBudget})
	_, err := s.Set("notes", "before", &note{Place: "here"})
	noError(t, err)
	var seen []*note
	for _, name := range []string{"one", "two"} {
		noError(t, s.AddParcelIndex("notes", name, func(_ string, p *gomap.Parcel[*note]) ([]string, error) {
			v, err := p.Written()
			if err != nil {
				return nil, err
			}
			seen = append(seen, v)
			return []string{v.Place}, nil
		}))
	}
	noError(t, s.AddParcelIndex("notes", "size", func(key string, p *gomap.Parcel[*note]) ([]string, error) {
		return []string{fmt.Sprint(key, p.Packed().Len() > 60)}, nil
	}))
	expect := func(name, value string, want ...string) {
		t.Helper()
		found, err := s.ByIndex("notes", name, value)
		noError(t, err)
		if got := slices.Sorted(maps.Keys(maps.Collect(found))); !slices.Equal(got, want) {
			t.Errorf("index %q has %q under %q, want %q", name, got, value, want)
		}
	}
	expect("one", "here", "before")
	expect("two", "here", "before")

	mine := &note{Place: "here"}
	seen = nil
	if n := decodes(t, s, func() { _, err = s.Set("notes", "a", mine) }); n != 0 || err != nil {
		t.Errorf("%d decodes of what its writer has, %v", n, err)
	}
	if slices.ContainsFunc(seen, func(v *note) bool { return v != mine }) || len(seen) < 2 {
		t.Errorf("the indexes saw %v, not what was written", seen)
	}
	seen = nil
	if n := decodes(t, s, func() {
		_, err = s.SetPacked("notes", "b", jsonPacked(`{"Place":"there","Text":"a text that makes it long enough to tell"}`))
	}); n != 1 || err != nil {
		t.Errorf("%d decodes of what came packed, %v", n, err)
	}
	if len(seen) < 2 || slices.ContainsFunc(seen, func(v *note) bool { return v != seen[0] }) {
		t.Errorf("the indexes saw %v, not one value", seen)
	}
	expect("one", "here", "a", "before")
	expect("two", "there", "b")
	expect("size", "btrue", "b")
	expect("size", "afalse", "a")

	// Whoever changes what it wrote changes nothing in the store.
	mine.Place = "elsewhere"
	for key, place := range map[string]string{"a": "here", "b": "there"} {
		if v, _, err := s.Get("notes", key); err != nil || v.Place != place {
			t.Errorf("%s is at %q, %v", key, v.Place, err)
		}
	}
	noError(t, s.ReplacePacked("notes", map[string]store.Packed{"a": jsonPacked(`{"Place":"there"}`)}))
	expect("one", "here")
	expect("two", "there", "a")
	if err := s.AddParcelIndex("notes", "none", nil); !errors.Is(err, store.ErrFuncRequired) {
		t.Errorf("an index without a function: %v", err)
	}
}

// What a writer has at hand is never what readers get, also where the key is hot and there is room.
func TestParcelIndexKeepsNothing(t *testing.T) {
	s := newPacked(t, gomap.PackedOptions[*note]{})
	var shown []*note
	noError(t, s.AddParcelIndex("notes", "place", func(_ string, p *gomap.Parcel[*note]) ([]string, error) {
		v, err := p.Written()
		if err != nil {
			return nil, err
		}
		shown = append(shown, v)
		return []string{v.Place}, nil
	}))
	for round := range 5 {
		mine := &note{Place: "here", N: round}
		_, err := s.Set("notes", "a", mine)
		noError(t, err)
		if !slices.Contains(shown, mine) {
			t.Error("the index was not shown what was written")
		}
		mine.Place, mine.N = "nowhere", -1
		for range 3 {
			if v, _, err := s.Get("notes", "a"); err != nil || v == mine || v.N != round {
				t.Fatalf("round %d: a reader got %v, %v", round, v, err)
			}
		}
	}
}

// What an index cannot decode is not written.
func TestParcelIndexError(t *testing.T) {
	s := newPacked(t, gomap.PackedOptions[*note]{})
	noError(t, s.AddParcelIndex("notes", "place", func(_ string, p *gomap.Parcel[*note]) ([]string, error) {
		v, err := p.Written()
		if err != nil {
			return nil, err
		}
		return []string{v.Place}, nil
	}))
	_, err := s.SetPacked("notes", "bad", jsonPacked("{"))
	failed, ok := errors.AsType[*store.IndexError](err)
	if !ok || failed.Name != "bad" {
		t.Errorf("got %v", err)
	}
	if _, ok := errors.AsType[*gomap.DecodeError](err); !ok {
		t.Errorf("the reason is %v", err)
	}
	if keys, err := s.Keys("notes"); err != nil || len(keys) != 0 {
		t.Errorf("the keys are %q, %v", keys, err)
	}
}

// Of many values that are written at once, those that an index had decoded are kept as far as the budget goes, and not
// all of them until the write has ended. Of a write that fails, and of one that changes nothing, none is kept.
func TestParcelIndexOfMany(t *testing.T) {
	const budget = 20_000
	budgeted := gomap.NewBudget[*note](budget)
	s := newPacked(t, gomap.PackedOptions[*note]{Shared: budgeted})
	most, fail := int64(0), false
	noError(t, s.AddIndex("notes", "place", func(_ string, v *note) ([]string, error) {
		most = max(most, budgeted.Bytes())
		if fail && v.N == 99 {
			return nil, errors.New("not this one")
		}
		return []string{v.Place}, nil
	}))
	values := map[string]store.Packed{}
	for n := range 100 {
		values[fmt.Sprintf("%02d", n)] = jsonPacked(fmt.Sprintf(`{"Place":"here","Text":%q,"N":%d}`, strings.Repeat("x", 1000), n))
	}

	fail = true
	if err := s.ReplacePacked("notes", values); err == nil {
		t.Fatal("the write succeeded")
	}
	if n := budgeted.Bytes(); n != 0 || most == 0 {
		t.Errorf("a write that failed has left %d bytes, and had %d", n, most)
	}
	fail = false
	noError(t, s.ReplacePacked("notes", values))
	if n := budgeted.Bytes(); n < budget/2 || n > budget || most > budget {
		t.Errorf("%d bytes are kept, and there were %d, of a budget of %d", n, most, budget)
	}
	before, err := s.Stats("notes")
	noError(t, err)
	noError(t, s.ReplacePacked("notes", values))
	if after, err := s.Stats("notes"); err != nil || after != before {
		t.Errorf("a write that changes nothing: %+v, %v; before it %+v", after, err, before)
	}
}
