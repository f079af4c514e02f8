package gomap

import (
	"fmt"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/store"
)

func wantKinds(t *testing.T, s *MemStore[int], what string, want int) {
	t.Helper()
	if n := len(s.kinds.all()); n != want {
		t.Errorf("%s: the store has %d tables, want %d", what, n, want)
	}
}

// A kind that is left empty is forgotten as soon as nobody uses it, and not before.
func TestEmptyKindsAreForgotten(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{ValidateFns: map[string]store.ValidateFunc[int]{
		"strict": func(n int) error { return fmt.Errorf("%d is wrong", n) },
	}})
	defer s.Close()
	for i := range 100 {
		kind := fmt.Sprint("kind-", i)
		if _, err := s.Set(kind, "a", 1); err != nil {
			t.Fatal(err)
		}
	}
	wantKinds(t, s, "filled", 100)
	for i := range 100 {
		if _, _, err := s.Delete(fmt.Sprint("kind-", i), "a"); err != nil {
			t.Fatal(err)
		}
	}
	wantKinds(t, s, "emptied", 0)

	for what, use := range map[string]func() error{
		"a Set that is refused": func() error {
			if _, err := s.Set("strict", "a", 1); err == nil {
				return fmt.Errorf("a wrong value was written")
			}
			return nil
		},
		"a Delete of nothing": func() error {
			_, _, err := s.Delete("numbers", "a")
			return err
		},
		"a SetFn of nothing": func() error {
			if _, err := s.SetFn("numbers", "a", func(int) (int, error) { return 1, nil }); err == nil {
				return fmt.Errorf("there was something")
			}
			return nil
		},
		"a Compute that keeps": func() error {
			_, _, err := s.Compute("numbers", "a", func(int, bool) (int, store.Op, error) { return 1, store.OpKeep, nil })
			return err
		},
		"a Replace by nothing": func() error { return s.Replace("numbers", nil) },
		"a cursor": func() error {
			c, err := s.Cursor("numbers")
			if err != nil {
				return err
			}
			wantKinds(t, s, "with a cursor", 1)
			c.Close()
			return nil
		},
		"a cursor of a key": func() error {
			c, err := s.Cursor("numbers", store.WithKey[int]("a"))
			if err != nil {
				return err
			}
			wantKinds(t, s, "with a cursor of a key", 1)
			c.Close()
			return nil
		},
		"a snapshot": func() error {
			if _, err := s.Set("numbers", "a", 1); err != nil {
				return err
			}
			snap, err := s.Snapshot("numbers")
			if err != nil {
				return err
			}
			if _, _, err := s.Delete("numbers", "a"); err != nil {
				return err
			}
			wantKinds(t, s, "with a snapshot", 1)
			snap.Close()
			return nil
		},
		"an index": func() error {
			if err := s.AddIndex("numbers", "all", func(string, int) ([]string, error) { return []string{"x"}, nil }); err != nil {
				return err
			}
			wantKinds(t, s, "with an index", 1)
			return s.DropIndex("numbers", "all")
		},
	} {
		if err := use(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		wantKinds(t, s, "after "+what, 0)
	}
}

// A snapshot of a kind that was forgotten leads on to what the kind has later.
func TestSnapshotOfAForgottenKind(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	setNumber(t, s, "a", 1)
	if _, _, err := s.Delete("numbers", "a"); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot("numbers")
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for i := range 1000 {
		setNumber(t, s, fmt.Sprint(i%10), i)
	}
	c, err := snap.Cursor()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := newTold[int](t)
	r.read(c)
	r.wantStore(s, "numbers")
}

// Kinds that come and go lose no write, and no watcher misses one.
func TestKindsComeAndGo(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	const workers, rounds = 4, 500
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			key := fmt.Sprint(w)
			for i := range rounds {
				setNumber(t, s, key, i)
				if n, ok, err := s.Get("numbers", key); !ok || n != i || err != nil {
					t.Errorf("round %d: got %d, %t, %v", i, n, ok, err)
					return
				}
				if existed, n, err := s.Delete("numbers", key); !existed || n != i || err != nil {
					t.Errorf("round %d: deleted %d, %t, %v", i, n, existed, err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for range rounds {
			c, err := s.Cursor("numbers", store.WithInitialReplay[int]())
			if err != nil {
				t.Error(err)
				return
			}
			r := newTold[int](t)
			r.read(c)
			setNumber(t, s, "seen", 1)
			r.read(c)
			if r.has["seen"] != 1 {
				t.Error("a cursor was not told of a write that followed it")
				return
			}
			c.Close()
			if _, _, err := s.Delete("numbers", "seen"); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	wantKinds(t, s, "at the end", 0)
}

// A loop sees what is there when it begins, though the kind had no table, or another one,
// when the loop was asked for.
func TestAllOfAKindToCome(t *testing.T) {
	s := NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	all, err := s.All("numbers")
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		setNumber(t, s, "a", round)
		n := 0
		for range all {
			n++
		}
		if n != 1 {
			t.Errorf("round %d: a loop over one key yields %d", round, n)
		}
		if _, _, err := s.Delete("numbers", "a"); err != nil {
			t.Fatal(err)
		}
	}
}
