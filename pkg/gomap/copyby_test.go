package gomap_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
)

// Many goroutines read copies, which they change, and shared values, which they look at, while others write, in two
// stores with one budget, at budgets that make values come and go; in the end one of the stores leaves the budget.
// Whatever is read is what was written under its key, whole: no two of them ever have the same memory. The race
// detector looks for that too.
func TestCopyByModel(t *testing.T) {
	const keys, writers, copiers, readers, rounds = 40, 2, 3, 2, 1500
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, bytes := range []int64{gomap.NoBudget, 3000, 15000, 0} {
		budget := gomap.NewBudget[*note](bytes)
		stores := []*gomap.PackedStore[*note]{
			newPacked(t, gomap.PackedOptions[*note]{Shared: budget}), newPacked(t, gomap.PackedOptions[*note]{Shared: budget}),
		}
		check := func(how, key string, v *note) {
			if v.Name != key || v.Text != strings.Repeat("y", v.N%100) {
				t.Errorf("%s of %s has %+v", how, key, v)
			}
		}
		var running sync.WaitGroup
		begin := func(n int, who string, do func(r *rand.Rand, s *gomap.PackedStore[*note], key string) error) {
			for i := range n {
				r := rand.New(rand.NewPCG(seed, uint64(len(who)*100+i)))
				running.Go(func() {
					for range rounds {
						key := fmt.Sprintf("k%d", min(r.IntN(keys), r.IntN(keys)))
						if err := do(r, stores[r.IntN(len(stores))], key); err != nil {
							t.Errorf("%s: %v", who, err)
						}
					}
				})
			}
		}
		begin(writers, "write", func(r *rand.Rand, s *gomap.PackedStore[*note], key string) (err error) {
			n := r.IntN(1000)
			value := &note{Name: key, N: n, Text: strings.Repeat("y", n%100)}
			switch r.IntN(6) {
			case 0:
				_, _, err = s.Delete("notes", key)
			case 1:
				data, _ := json.Marshal(value)
				_, err = s.SetPacked("notes", key, jsonPacked(data))
			default:
				_, err = s.Set("notes", key, value)
			}
			*value = note{Name: "the writer's"}
			return err
		})
		var kept sync.Map // parcels that somebody keeps: of any version
		begin(copiers, "copy", func(r *rand.Rand, s *gomap.PackedStore[*note], key string) error {
			p, ok, err := s.GetParcel("notes", key)
			if err != nil || !ok {
				return err
			}
			if r.IntN(10) == 0 {
				kept.Store(p, key)
			}
			v, err := p.CopyBy(func(v *note) *note { return new(*v) })
			if err != nil {
				return err
			}
			check("a copy", key, v)
			*v = note{Name: "the copier's", N: r.IntN(1000)}
			return nil
		})
		begin(readers, "read", func(_ *rand.Rand, s *gomap.PackedStore[*note], key string) error {
			v, ok, err := s.Get("notes", key)
			if err == nil && ok {
				check("a value", key, v)
			}
			return err
		})
		running.Wait()

		limit := bytes
		if bytes == 0 {
			limit = gomap.DefaultBudget
		}
		if n := budget.Bytes(); n > max(limit, 0) || n != decoded(t, stores...) {
			t.Errorf("budget %d: %d bytes are taken, and the stores have %d", bytes, n, decoded(t, stores...))
		}
		begin(copiers, "late copy", func(_ *rand.Rand, s *gomap.PackedStore[*note], key string) error {
			p, ok, err := s.GetParcel("notes", key)
			if err == nil && ok {
				_, err = p.CopyBy(func(v *note) *note { return new(*v) })
			}
			return err
		})
		running.Go(stores[0].Cool)
		running.Wait()
		for p, key := range kept.Range {
			v, err := p.(*gomap.Parcel[*note]).CopyBy(func(v *note) *note { return new(*v) })
			noError(t, err)
			check("a copy of what was kept", key.(string), v)
		}
		if n, other := budget.Bytes(), decoded(t, stores[1]); n != other || decoded(t, stores[0]) != 0 {
			t.Errorf("budget %d: %d bytes are taken after the one store has left, %d by the other", bytes, n, other)
		}
	}
}
