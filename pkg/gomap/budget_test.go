package gomap_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// sharing returns n packed stores that have a budget together, with the keys of as many notes in each.
func sharing(t *testing.T, budget *gomap.Budget[*note], n, notes int) (stores []*gomap.PackedStore[*note], keys []string) {
	t.Helper()
	for range n {
		s := newPacked(t, gomap.PackedOptions[*note]{Shared: budget})
		keys = fill(t, s, notes)
		stores = append(stores, s)
	}
	return stores, keys
}

// read reads keys of a store one by one.
func read(t *testing.T, s *gomap.PackedStore[*note], keys []string) {
	t.Helper()
	for _, key := range keys {
		if v, ok, err := s.Get("notes", key); err != nil || !ok || v.Name != key {
			t.Fatalf("%s is %v, %t, %v", key, v, ok, err)
		}
	}
}

// decoded returns what the stores say that they keep decoded, in bytes.
func decoded(t *testing.T, stores ...*gomap.PackedStore[*note]) (bytes int64) {
	t.Helper()
	for _, s := range stores {
		stats, err := s.Stats("notes")
		noError(t, err)
		bytes += stats.DecodedBytes
	}
	return bytes
}

// Stores that share a budget keep to it together, at every moment, and keep what is read most, whichever of them it is
// of: here half of what is read often is in one store, and the other half in another.
func TestSharedBudget(t *testing.T) {
	const bytes = 100 << 10 // for some 150 of 3,000
	budget := gomap.NewBudget[*note](bytes)
	if n := budget.Bytes(); n != 0 {
		t.Errorf("a budget of which nothing is taken has %d bytes", n)
	}
	stores, keys := sharing(t, budget, 3, 1000)
	check := func() {
		t.Helper()
		if n, sum := budget.Bytes(), decoded(t, stores...); n > bytes || n != sum {
			t.Fatalf("%d bytes are taken of %d, and the stores have %d", n, bytes, sum)
		}
	}
	hot := func() {
		read(t, stores[0], keys[:30])
		read(t, stores[1], keys[500:530])
		check()
	}
	for range 5 {
		hot()
	}
	for range 3 {
		for _, s := range stores {
			for chunk := range slices.Chunk(keys, 50) {
				read(t, s, chunk)
				check()
			}
		}
	}
	for i, s := range stores[:2] {
		at := i * 500
		if n := decodes(t, s, func() { read(t, s, keys[at:at+30]) }); n > 3 {
			t.Errorf("%d of 30 hot values of store %d had to be decoded again", n, i)
		}
	}
	if n := budget.Bytes(); n < bytes/2 {
		t.Errorf("only %d bytes of %d are taken", n, bytes)
	}
}

// The default and the least budget are those of a single store.
func TestSharedBudgetValues(t *testing.T) {
	none := gomap.NewBudget[*note](gomap.NoBudget)
	stores, keys := sharing(t, none, 1, 5)
	read(t, stores[0], keys)
	if n := decodes(t, stores[0], func() { read(t, stores[0], keys) }); n != 5 || none.Bytes() != 0 {
		t.Errorf("NoBudget: %d decodes of 5, %d bytes", n, none.Bytes())
	}
	usual := gomap.NewBudget[*note](0)
	stores, keys = sharing(t, usual, 1, 5)
	read(t, stores[0], keys)
	if n := decodes(t, stores[0], func() { read(t, stores[0], keys) }); n != 0 || usual.Bytes() == 0 {
		t.Errorf("the default: %d decodes, %d bytes", n, usual.Bytes())
	}
}

// retire is how a store gives back what it has of a budget.
var retire = map[string]func(*gomap.PackedStore[*note]) error{
	"Close": (*gomap.PackedStore[*note]).Close,
	"Cool":  func(s *gomap.PackedStore[*note]) error { s.Cool(); return nil },
}

// A store that is closed, or cooled, gives back what it has of a budget: what is hot, what is about to be forgotten, and
// old versions that a cursor has yet to read. What others have stays. Parcels that somebody keeps can be read as
// before, in every way, and take nothing of the budget.
func TestRetiredStoreLeavesBudget(t *testing.T) {
	for how, retire := range retire {
		t.Run(how, func(t *testing.T) {
			budget := gomap.NewBudget[*note](60 << 10)
			stores, keys := sharing(t, budget, 2, 200)
			s, other := stores[0], stores[1]
			for range 5 {
				read(t, other, keys[:5])
			}
			mine := budget.Bytes()

			cursor, err := s.Cursor("notes")
			noError(t, err)
			defer cursor.Close()
			for range 3 {
				read(t, s, keys[:20]) // hot
			}
			read(t, s, keys[100:]) // some of them fall out again
			var parcels []*gomap.Parcel[*note]
			for _, key := range keys {
				p, ok, err := s.GetParcel("notes", key)
				noError(t, err)
				if !ok {
					t.Fatalf("%s is gone", key)
				}
				parcels = append(parcels, p)
			}
			for _, key := range keys[:10] { // old versions
				_, err := s.Set("notes", key, &note{Name: key, N: -1})
				noError(t, err)
			}
			if budget.Bytes() <= mine {
				t.Fatal("nothing is decoded")
			}

			noError(t, retire(s))
			if n := budget.Bytes(); n != mine || n != decoded(t, other) {
				t.Errorf("%d bytes are taken, %d of them by the other store", n, mine)
			}
			for _, way := range []func(*gomap.Parcel[*note]) (*note, error){
				(*gomap.Parcel[*note]).Value, (*gomap.Parcel[*note]).Peek, (*gomap.Parcel[*note]).Copy,
				func(p *gomap.Parcel[*note]) (*note, error) {
					return p.CopyBy(func(v *note) *note { return new(*v) })
				},
			} {
				for range 3 {
					for i, p := range parcels {
						if v, err := way(p); err != nil || v.Name != keys[i] || v.N != i {
							t.Fatalf("a parcel of %s has %v, %v", keys[i], v, err)
						}
					}
				}
			}
			if n := budget.Bytes(); n != mine {
				t.Errorf("reads of parcels took %d bytes of the budget", n-mine)
			}
			if n := decodes(t, other, func() { read(t, other, keys[:5]) }); n != 0 {
				t.Errorf("%d values of the other store were let go", n)
			}
		})
	}
}

// A store that was cooled is a store still: it can be read, written and watched, in kinds that it has and in new ones,
// and keeps nothing decoded.
func TestCool(t *testing.T) {
	budget := gomap.NewBudget[*note](0)
	stores, keys := sharing(t, budget, 1, 20)
	s := stores[0]
	read(t, s, keys)
	s.Cool()
	for _, kind := range []string{"notes", "others"} {
		for i := range 3 {
			_, err := s.Set(kind, "new", &note{Name: "new", N: i})
			noError(t, err)
			for range 3 {
				if v, ok, err := s.Get(kind, "new"); err != nil || !ok || v.N != i {
					t.Errorf("%s: got %v, %t, %v", kind, v, ok, err)
				}
			}
			list, err := s.List(kind)
			noError(t, err)
			if list["new"].N != i {
				t.Errorf("%s: listed %v", kind, list["new"])
			}
		}
	}
	read(t, s, keys)
	if n := budget.Bytes(); n != 0 || decoded(t, s) != 0 {
		t.Errorf("%d bytes are taken", n)
	}
	s.Cool() // once more
}

// heldCodec is a codec of which can be told whether somebody holds it.
type heldCodec struct {
	jsonCodec[*note]

	_ [64]byte
}

// A budget holds nothing of a store that has left it, whatever was read and written there: a program that makes and
// drops stores all the time does not grow.
func TestBudgetForgetsStores(t *testing.T) {
	for how, retire := range retire {
		t.Run(how, func(t *testing.T) {
			budget := gomap.NewBudget[*note](20 << 10)
			others, othersKeys := sharing(t, budget, 1, 200)
			other := others[0]
			held := func() weak.Pointer[heldCodec] {
				codec := &heldCodec{}
				s, err := gomap.NewPackedStore(gomap.PackedOptions[*note]{Codec: codec, Shared: budget})
				noError(t, err)
				keys := fill(t, s, 100)
				cursor, err := s.Cursor("notes")
				noError(t, err)
				defer cursor.Close()
				for range 3 {
					read(t, s, keys)
					read(t, s, keys[:5])
				}
				var parcels []*gomap.Parcel[*note] // of every other key that have been replaced
				for i, key := range keys {
					p, _, err := s.GetParcel("notes", key)
					noError(t, err)
					parcels = append(parcels, p)
					if i%2 == 0 {
						_, err = s.Set("notes", key, &note{Name: key, Text: strings.Repeat("z", 100)})
						noError(t, err)
					}
				}
				noError(t, retire(s))
				for range 2 {
					for _, p := range parcels {
						_, err = p.CopyBy(func(v *note) *note { return v })
						noError(t, err)
					}
					read(t, other, othersKeys[:30]) // so that no room is left
				}
				_, err = parcels[1].CopyBy(func(v *note) *note { return v })
				noError(t, err)
				if how == "Cool" {
					read(t, s, keys)
					_, err = s.Set("others", "a", &note{})
					noError(t, err)
				}
				return weak.Make(codec)
			}()
			for range 3 {
				runtime.GC()
			}
			if held.Value() != nil {
				t.Error("the budget holds a store that has left it")
			}
			runtime.KeepAlive(budget)
		})
	}
}

// shares is an OnShare that keeps what it is told of, in order.
type shares []*note

func (s *shares) add(v *note) { *s = append(*s, v) }

// take returns what came since the last take.
func (s *shares) take() []*note {
	taken := *s
	*s = nil
	return taken
}

// OnShare is told of each value that readers share, once and before the first of them has it, and of no value that is a
// caller's own.
func TestOnShare(t *testing.T) {
	newStore := func(bytes int64) (*gomap.PackedStore[*note], *shares) {
		told := &shares{}
		s := newPacked(t, gomap.PackedOptions[*note]{Budget: bytes, OnShare: told.add})
		_, err := s.Set("notes", "a", &note{Name: "a"})
		noError(t, err)
		return s, told
	}
	parcel := func(s *gomap.PackedStore[*note]) *gomap.Parcel[*note] {
		p, _, err := s.GetParcel("notes", "a")
		noError(t, err)
		return p
	}
	copied := func(v *note) *note { return new(*v) }
	got := func(v *note, err error) *note {
		t.Helper()
		noError(t, err)
		return v
	}

	for name, read := range map[string]func(s *gomap.PackedStore[*note]) *note{
		"Get":   func(s *gomap.PackedStore[*note]) *note { v, _, err := s.Get("notes", "a"); return got(v, err) },
		"Value": func(s *gomap.PackedStore[*note]) *note { return got(parcel(s).Value()) },
		"Peek":  func(s *gomap.PackedStore[*note]) *note { return got(parcel(s).Peek()) },
		"List": func(s *gomap.PackedStore[*note]) *note {
			list, err := s.List("notes")
			return got(list["a"], err)
		},
		"Values": func(s *gomap.PackedStore[*note]) *note {
			values, err := s.Values("notes")
			return got(values[0].Value, err)
		},
		"Compute": func(s *gomap.PackedStore[*note]) *note {
			v, _, err := s.Compute("notes", "a", func(v *note, _ bool) (*note, store.Op, error) { return v, store.OpKeep, nil })
			return got(v, err)
		},
		"Watch": func(s *gomap.PackedStore[*note]) *note {
			events, cancel, err := s.Watch("notes", store.WithInitialReplay[*note]())
			noError(t, err)
			defer cancel()
			return (<-events).Object
		},
	} {
		s, told := newStore(0)
		one := read(s)
		if all := told.take(); len(all) != 1 || all[0] != one {
			t.Errorf("%s returned %p, and OnShare was told of %v", name, one, all)
		}
		if two := read(s); two != one || len(told.take()) != 0 {
			t.Errorf("%s once more: another value was shared", name)
		}
		// Without a budget it is another value each time. The store does not know that nobody else has it.
		s, told = newStore(gomap.NoBudget)
		for range 2 {
			one := read(s)
			if all := told.take(); len(all) != 1 || all[0] != one {
				t.Errorf("%s without a budget returned %p, and OnShare was told of %v", name, one, all)
			}
		}
	}

	for name, read := range map[string]func(s *gomap.PackedStore[*note]) *note{
		"GetCopy": func(s *gomap.PackedStore[*note]) *note { v, _, err := s.GetCopy("notes", "a"); return got(v, err) },
		"Copy":    func(s *gomap.PackedStore[*note]) *note { return got(parcel(s).Copy()) },
		"CopyBy without a budget": func(s *gomap.PackedStore[*note]) *note {
			return got(parcel(s).CopyBy(copied))
		},
		"SetFn": func(s *gomap.PackedStore[*note]) (given *note) {
			_, err := s.SetFn("notes", "a", func(v *note) (*note, error) { given = v; return v, nil })
			return got(given, err)
		},
		"Delete": func(s *gomap.PackedStore[*note]) *note {
			_, v, err := s.Delete("notes", "a")
			return got(v, err)
		},
	} {
		s, told := newStore(gomap.NoBudget)
		one := read(s)
		if one == nil {
			t.Errorf("%s returned nothing", name)
		}
		if all := told.take(); len(all) != 0 {
			t.Errorf("%s returned what is the caller's own, and OnShare was told of %v", name, all)
		}
	}

	// With room it is what CopyBy keeps that is shared, not what it returns.
	s, told := newStore(0)
	own := got(parcel(s).CopyBy(copied))
	all := told.take()
	if len(all) != 1 || all[0] == own {
		t.Errorf("CopyBy returned %p, and OnShare was told of %v", own, all)
	}
	if kept, _, _ := s.Get("notes", "a"); len(all) == 1 && kept != all[0] || len(told.take()) != 0 {
		t.Errorf("Get returned %p, and OnShare was told of %v", kept, all)
	}
}

// crowded returns a store whose budget is full of values that are read often, and their keys; the others are cold.
func crowded(t *testing.T) (s *gomap.PackedStore[*note], told *shares, hot, cold []string) {
	t.Helper()
	told = &shares{}
	budget := gomap.NewBudget[*note](20 << 10)
	s = newPacked(t, gomap.PackedOptions[*note]{Shared: budget, OnShare: told.add})
	keys := fill(t, s, 200)
	n := 1
	for read(t, s, keys[:n]); ; n++ { // until another one puts one out
		before := budget.Bytes()
		if read(t, s, keys[n:n+1]); budget.Bytes() <= before {
			break
		}
	}
	hot, cold = keys[1:n-1], keys[n+1:]
	for range 5 {
		read(t, s, hot)
	}
	if n := decodes(t, s, func() { read(t, s, hot) }); n != 0 || len(hot) < 10 {
		t.Fatalf("%d of %d values are not hot", n, len(hot))
	}
	told.take()
	return s, told, hot, cold
}

// CopyBy copies what is hot, makes hot what there is room for, and decodes the rest for the caller alone, until it is
// read once more. What it returns is never what the store has.
func TestCopyBy(t *testing.T) {
	clones := 0
	copyOf := func(s *gomap.PackedStore[*note], key string) *note {
		t.Helper()
		p, _, err := s.GetParcel("notes", key)
		noError(t, err)
		v, err := p.CopyBy(func(v *note) *note { clones++; return new(*v) })
		if err != nil || v.Name != key {
			t.Fatalf("the copy of %s is %v, %v", key, v, err)
		}
		return v
	}
	expect := func(s *gomap.PackedStore[*note], when, key string, wantDecodes uint64, wantClones int) {
		t.Helper()
		clones = 0
		var own *note
		n := decodes(t, s, func() { own = copyOf(s, key) })
		if n != wantDecodes || clones != wantClones {
			t.Errorf("%s: %d decodes and %d clones, want %d and %d", when, n, clones, wantDecodes, wantClones)
		}
		own.Name, own.N = "mine", -1
		copyOf(s, key) // is as it was
	}

	roomy := newPacked(t, gomap.PackedOptions[*note]{})
	fill(t, roomy, 10)
	expect(roomy, "with room", "note-0001", 1, 1)
	expect(roomy, "with room, again", "note-0001", 0, 1)

	none := newPacked(t, gomap.PackedOptions[*note]{Budget: gomap.NoBudget})
	fill(t, none, 10)
	for range 3 {
		expect(none, "without a budget", "note-0001", 1, 0)
	}

	s, told, hot, cold := crowded(t)
	expect(s, "hot", hot[0], 0, 1)
	for _, key := range cold { // a scan
		clones = 0
		if n := decodes(t, s, func() { copyOf(s, key) }); n != 1 || clones != 0 {
			t.Fatalf("a scan: %d decodes, %d clones", n, clones)
		}
	}
	if all := told.take(); len(all) != 0 {
		t.Errorf("a scan of copies shared %d values", len(all))
	}
	if n := decodes(t, s, func() { read(t, s, hot) }); n != 0 {
		t.Errorf("a scan of copies put out %d of %d hot values", n, len(hot))
	}
	// What is read again and again becomes hot among others that are.
	last, n := cold[len(cold)-1], uint64(0)
	for range 20 {
		n += decodes(t, s, func() { copyOf(s, last) })
	}
	if n > 5 {
		t.Errorf("%d of 20 copies of one value were decoded", n)
	}

	// Where there are some that were read but once it is hot after the second read.
	s, _, _, cold = crowded(t)
	read(t, s, cold[:100])
	last = cold[len(cold)-1]
	expectOnce := func(when string, wantClones int) {
		t.Helper()
		clones = 0
		if n := decodes(t, s, func() { copyOf(s, last) }); n != 1 || clones != wantClones {
			t.Errorf("%s: %d decodes, %d clones, want 1 and %d", when, n, clones, wantClones)
		}
	}
	expectOnce("the first read", 0)
	expectOnce("the second read", 1)
	expect(s, "after the second read", last, 0, 1)
}

// An error of decoding is CopyBy's, and no clone is made.
func TestCopyByDamaged(t *testing.T) {
	for name, bytes := range map[string]int64{"room": 0, "no room": gomap.NoBudget} {
		s := newPacked(t, gomap.PackedOptions[*note]{Budget: bytes})
		_, err := s.SetPacked("notes", "bad", jsonPacked("{"))
		noError(t, err)
		p, _, err := s.GetParcel("notes", "bad")
		noError(t, err)
		_, err = p.CopyBy(func(*note) *note { t.Errorf("%s: it was cloned", name); return nil })
		if d, ok := err.(*gomap.DecodeError); !ok || d.Kind != "notes" { //nolint:errorlint // as documented
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A copy of a value that its key has no more keeps nothing decoded, though there is room.
func TestCopyByOfOldVersions(t *testing.T) {
	budget := gomap.NewBudget[*note](0)
	stores, keys := sharing(t, budget, 1, 50)
	s := stores[0]
	var old []*gomap.Parcel[*note]
	for _, key := range keys {
		p, _, err := s.GetParcel("notes", key)
		noError(t, err)
		old = append(old, p)
		_, err = s.Set("notes", key, &note{Name: key, N: -1})
		noError(t, err)
	}
	for i := range 200 { // the writer sees now and then that no cursor has yet to read that
		_, err := s.Set("notes", "other", &note{N: i})
		noError(t, err)
	}
	for range 3 {
		for i, p := range old {
			if v, err := p.CopyBy(func(v *note) *note { return new(*v) }); err != nil || v.N != i {
				t.Fatalf("got %v, %v", v, err)
			}
		}
	}
	if n := budget.Bytes(); n != 0 {
		t.Errorf("%d bytes of old versions are kept", n)
	}
}
