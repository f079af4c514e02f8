package gomap_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// machine is a value that can be asked for in several ways. Two are equal if their
// serials are.
type machine struct {
	Zone   string
	Tags   []string
	Labels map[string]string
	Serial int
}

func (m machine) labels() map[string]string { return m.Labels }

func newMachines(t *testing.T) *gomap.MemStore[machine] {
	t.Helper()
	s := gomap.NewMemStore(store.StoreOptions[machine]{
		CompareFn: func(prev, next machine) bool { return prev.Serial == next.Serial },
	})
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.AddIndex("machines", "zone", func(_ string, m machine) ([]string, error) { return []string{m.Zone}, nil }))
	must(t, s.AddIndex("machines", "tag", func(_ string, m machine) ([]string, error) { return m.Tags, nil }))
	must(t, s.AddIndex("machines", "label", gomap.LabelIndex(machine.labels)))
	must(t, s.AddIndex("machines", "app", gomap.LabelIndex(machine.labels, "app")))
	return s
}

// seeded returns a source of random numbers whose seed is in the log.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// fleet makes random machines and random questions about them.
type fleet struct {
	*rand.Rand
	serial int
}

func (f *fleet) pick(prefix string, n int) string { return fmt.Sprint(prefix, f.IntN(n)) }

func (f *fleet) machine() machine {
	f.serial++
	m := machine{Serial: f.serial, Zone: f.pick("zone-", 5), Labels: map[string]string{}}
	for range f.IntN(4) {
		m.Tags = append(m.Tags, f.pick("tag-", 40))
	}
	if f.IntN(3) > 0 {
		m.Labels["app"] = f.pick("app-", 12)
	}
	if f.IntN(10) == 0 {
		m.Labels["canary"] = ""
	}
	return m
}

func (f *fleet) batch(keys, n int) map[string]machine {
	batch := make(map[string]machine, n)
	for range n {
		batch[f.pick("m", keys)] = f.machine()
	}
	return batch
}

// question is a condition with the same in plain code.
type question struct {
	gomap.Condition
	met func(machine) bool
}

func (f *fleet) question() question {
	several := func(prefix string, n int) (values []string) {
		for range f.IntN(4) {
			values = append(values, f.pick(prefix, n+1)) // one of them is nobody's
		}
		if len(values) > 0 && f.IntN(2) == 0 {
			values = append(values, values[0])
		}
		return values
	}
	switch f.IntN(7) {
	case 0:
		zone := f.pick("zone-", 6)
		return question{gomap.Is("zone", zone), func(m machine) bool { return m.Zone == zone }}
	case 1:
		zones := several("zone-", 5)
		return question{gomap.In("zone", zones...), func(m machine) bool { return slices.Contains(zones, m.Zone) }}
	case 2:
		tag := f.pick("tag-", 41)
		return question{gomap.Is("tag", tag), func(m machine) bool { return slices.Contains(m.Tags, tag) }}
	case 3:
		tags := several("tag-", 40)
		return question{gomap.In("tag", tags...), func(m machine) bool {
			return slices.ContainsFunc(m.Tags, func(tag string) bool { return slices.Contains(tags, tag) })
		}}
	case 4:
		key := []string{"app", "canary", "none"}[f.IntN(3)]
		return question{gomap.HasLabel("label", key), func(m machine) bool { _, has := m.Labels[key]; return has }}
	case 5:
		app := f.pick("app-", 13)
		return question{gomap.LabelIs("app", "app", app), func(m machine) bool { return m.Labels["app"] == app }}
	default:
		apps := several("app-", 12)
		return question{gomap.LabelIn("label", "app", apps...), func(m machine) bool { return slices.Contains(apps, m.Labels["app"]) }}
	}
}

// questions returns conditions, and what filters by the same.
func (f *fleet) questions(n int) (where []gomap.Condition, met func(machine) bool) {
	all := make([]question, n)
	for i := range all {
		all[i] = f.question()
		where = append(where, all[i].Condition)
	}
	return where, func(m machine) bool {
		return !slices.ContainsFunc(all, func(q question) bool { return !q.met(m) })
	}
}

// serials returns what a sequence yields, by key, and fails if it yields one twice.
func serials(t *testing.T, objects iter.Seq2[string, machine], err error) map[string]int {
	t.Helper()
	must(t, err)
	found := map[string]int{}
	for key, m := range objects {
		if _, twice := found[key]; twice {
			t.Fatalf("%s came twice", key)
		}
		found[key] = m.Serial
	}
	return found
}

// filtered is the answer without an index.
func filtered(objects iter.Seq2[string, machine], met func(machine) bool) map[string]int {
	found := map[string]int{}
	for key, m := range objects {
		if met(m) {
			found[key] = m.Serial
		}
	}
	return found
}

// Whatever is asked, the answer is that of a filter over all objects: on postings of
// one page and of many, on a snapshot that the indexes know and on one that they have
// long forgotten.
func TestSelectModel(t *testing.T) {
	const keys = 4000
	f := &fleet{Rand: seeded(t)}
	s := newMachines(t)
	must(t, s.SetAll("machines", f.batch(keys, 2*keys)))
	old, err := s.Snapshot("machines")
	must(t, err)
	oldContent := maps.Collect(old.All())
	for round := range 20 {
		must(t, s.SetAll("machines", f.batch(keys, keys/4)))
		for range 50 {
			_, _, err := s.Delete("machines", f.pick("m", keys))
			must(t, err)
			_, err = s.Set("machines", f.pick("m", keys), f.machine())
			must(t, err)
		}
		now, err := s.Snapshot("machines")
		must(t, err)
		for n := range 4 {
			where, met := f.questions(n)
			want := filtered(now.All(), met)
			found, err := s.Select("machines", where...)
			if got := serials(t, found, err); !maps.Equal(got, want) {
				t.Fatalf("round %d, %v: got %d objects, want %d", round, where, len(got), len(want))
			}
			found, err = now.Select(where...)
			if got := serials(t, found, err); !maps.Equal(got, want) {
				t.Fatalf("round %d, %v of a snapshot: got %d objects, want %d", round, where, len(got), len(want))
			}
			want = filtered(maps.All(oldContent), met)
			found, err = old.Select(where...)
			if got := serials(t, found, err); !maps.Equal(got, want) {
				t.Fatalf("round %d, %v of the old snapshot: got %d objects, want %d", round, where, len(got), len(want))
			}
		}
	}
}

// A rare condition next to a frequent one leaps over most pages of the other, wherever
// in it the few objects are.
func TestSelectGallops(t *testing.T) {
	const objects = 6000
	f := &fleet{Rand: seeded(t)}
	for _, step := range []int{1, 2, 7, 255, 256, 257, 1000, objects - 1, objects} {
		s := newMachines(t)
		batch := map[string]machine{}
		want := map[string]int{}
		for i := range objects {
			key := fmt.Sprintf("m%05d", i) // written in this order
			m := machine{Zone: "everywhere", Serial: i}
			if i%step == step-1 {
				m.Tags = []string{"rare"}
				want[key] = i
			}
			batch[key] = m
		}
		must(t, s.SetAll("machines", batch))
		where := []gomap.Condition{gomap.Is("zone", "everywhere"), gomap.Is("tag", "rare")}
		f.Shuffle(len(where), func(i, j int) { where[i], where[j] = where[j], where[i] })
		found, err := s.Select("machines", where...)
		if got := serials(t, found, err); !maps.Equal(got, want) {
			t.Fatalf("one in %d: got %d objects, want %d", step, len(got), len(want))
		}
	}
}

// A loop over a sequence sees what there was when it began, whatever is written
// meanwhile; the next loop sees what there is then, and a snapshot's always the same.
func TestSelectResultStays(t *testing.T) {
	f := &fleet{Rand: seeded(t)}
	s := newMachines(t)
	must(t, s.SetAll("machines", f.batch(500, 1000)))
	snap, err := s.Snapshot("machines")
	must(t, err)
	for _, where := range [][]gomap.Condition{nil, {gomap.Is("zone", "zone-1")}, {gomap.Is("zone", "zone-1"), gomap.HasLabel("label", "app")}} {
		found, err := s.Select("machines", where...)
		want := serials(t, found, err)
		got := make(map[string]int)
		for key, m := range found {
			if len(got)%50 == 0 {
				must(t, s.SetAll("machines", f.batch(500, 500)))
			}
			got[key] = m.Serial
		}
		if !maps.Equal(got, want) {
			t.Fatalf("%v: a loop beside writes has %d objects, one before them %d", where, len(got), len(want))
		}
		now, err := s.Select("machines", where...)
		if got, want := serials(t, found, nil), serials(t, now, err); !maps.Equal(got, want) {
			t.Fatalf("%v: %d objects in the next loop, want %d", where, len(got), len(want))
		}
		for range found {
			break
		}
		kept, err := snap.Select(where...)
		first := serials(t, kept, err)
		must(t, s.SetAll("machines", f.batch(500, 500)))
		if got := serials(t, kept, nil); !maps.Equal(got, first) {
			t.Fatalf("%v: a snapshot has %d objects, %d at first", where, len(got), len(first))
		}
	}
}

// Every answer is of one revision: while leaders change, each in a batch that also
// moves them to another zone, there is always exactly one leader, in exactly one zone.
func TestSelectIsConsistent(t *testing.T) {
	const writers, group, turns = 2, 50, 200
	s := newMachines(t)
	// turn makes one of a writer's group its leader, in the zone that has its turn.
	turn := func(writer, n int) map[string]machine {
		batch := map[string]machine{}
		for i := range group {
			role := "member"
			if i == n%group {
				role = "leader"
			}
			batch[fmt.Sprintf("w%d-%02d", writer, i)] = machine{
				Zone:   fmt.Sprint("zone-", n%3),
				Tags:   []string{fmt.Sprint("writer-", writer)},
				Labels: map[string]string{"role": role},
				Serial: n*group + i,
			}
		}
		return batch
	}
	for w := range writers {
		must(t, s.SetAll("machines", turn(w, 0)))
	}
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for n := range turns {
				if err := s.SetAll("machines", turn(w, n+1)); err != nil {
					t.Errorf("SetAll: %v", err)
				}
			}
		})
	}
	for w := range writers {
		leader := []gomap.Condition{gomap.LabelIs("label", "role", "leader"), gomap.Is("tag", fmt.Sprint("writer-", w))}
		count := func(where ...gomap.Condition) int { return len(keysOf(s.Select("machines", where...))) }
		ask := func() error {
			snap, err := s.Snapshot("machines")
			if err != nil {
				return err
			}
			if n := count(leader...); n != 1 {
				return fmt.Errorf("%d leaders", n)
			}
			if n := count(append(leader, gomap.In("zone", "zone-0", "zone-1", "zone-2"))...); n != 1 {
				return fmt.Errorf("%d leaders in all zones", n)
			}
			if n := count(leader[1], gomap.Is("zone", "zone-0")); n != 0 && n != group {
				return fmt.Errorf("%d of %d members in a zone", n, group)
			}
			if n := len(keysOf(snap.Select(leader...))); n != 1 {
				return fmt.Errorf("%d leaders in a snapshot", n)
			}
			zones := 0
			for zone := range 3 {
				zones += len(keysOf(snap.Select(append(leader, gomap.Is("zone", fmt.Sprint("zone-", zone)))...)))
			}
			if zones != 1 {
				return fmt.Errorf("the leader of a snapshot is in %d zones", zones)
			}
			return nil
		}
		reading.Go(func() {
			for {
				if err := ask(); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
}

// A snapshot may be asked by an index that was added after it was taken.
func TestSelectByLateIndex(t *testing.T) {
	f := &fleet{Rand: seeded(t)}
	s := newMachines(t)
	must(t, s.SetAll("machines", f.batch(500, 1000)))
	snap, err := s.Snapshot("machines")
	must(t, err)
	must(t, s.SetAll("machines", f.batch(500, 1000)))
	even := func(m machine) bool { return m.Serial%2 == 0 }
	must(t, s.AddIndex("machines", "parity", func(_ string, m machine) ([]string, error) {
		return []string{map[bool]string{true: "even", false: "odd"}[even(m)]}, nil
	}))
	inZone := func(m machine) bool { return m.Zone == "zone-2" && even(m) }
	where := []gomap.Condition{gomap.Is("zone", "zone-2"), gomap.Is("parity", "even")}
	found, err := snap.Select(where...)
	if got, want := serials(t, found, err), filtered(snap.All(), inZone); !maps.Equal(got, want) {
		t.Errorf("an older snapshot has %d objects, want %d", len(got), len(want))
	}
	now, err := s.Snapshot("machines")
	must(t, err)
	found, err = s.Select("machines", where...)
	if got, want := serials(t, found, err), filtered(now.All(), inZone); !maps.Equal(got, want) {
		t.Errorf("the store has %d objects, want %d", len(got), len(want))
	}
}

func TestSelectMisuse(t *testing.T) {
	f := &fleet{Rand: seeded(t)}
	s := newMachines(t)
	must(t, s.SetAll("machines", f.batch(100, 300)))
	snap, err := s.Snapshot("machines")
	must(t, err)
	none := gomap.Is("zone", "none")
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", what, err, want)
		}
	}
	for range 2 {
		_, err = s.Select("machines", none, gomap.Is("zoen", "zone-1"))
		check("unknown index", err, gomap.ErrIndexNotFound)
		_, err = s.Select("machines", gomap.In("zoen"))
		check("unknown index without values", err, gomap.ErrIndexNotFound)
		_, err = snap.Select(none, gomap.Is("zoen", "zone-1"))
		check("unknown index of a snapshot", err, gomap.ErrIndexNotFound)
		_, err = s.Select("machine", none)
		check("unknown kind", err, gomap.ErrIndexNotFound)
		_, err = s.Select("", none)
		check("no kind", err, store.ErrKindRequired)

		// The second time, the snapshot is too old for the indexes.
		for range 30 {
			must(t, s.Replace("machines", map[string]machine{"m": f.machine()}))
			must(t, s.SetAll("machines", f.batch(100, 300)))
		}
	}
	nothing, err := s.Select("machine")
	wantKeys(t, "all of an unknown kind", keysOf(nothing, err))
	must(t, s.Close())
	_, err = s.Select("machines", none)
	check("closed", err, store.ErrClosed)
	wantKeys(t, "a snapshot of a closed store", keysOf(snap.Select(none)))
}
