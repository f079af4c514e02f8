package gomap_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// wantPage compares a page with that of plain content.
func wantPage(t *testing.T, got gomap.Page[int], content map[string]int, prefix, after string, limit int) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(content))
	keys = slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) || key <= after })
	next := ""
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
		next = keys[limit-1]
	}
	var found []string
	for _, item := range got.Items {
		found = append(found, item.Key)
		if item.Value != content[item.Key] {
			t.Fatalf("prefix %q, after %q, limit %d: %s is %d, want %d", prefix, after, limit, item.Key, item.Value, content[item.Key])
		}
	}
	wantKeys(t, fmt.Sprintf("prefix %q, after %q, limit %d", prefix, after, limit), found, keys...)
	if got.Next != next {
		t.Fatalf("prefix %q, after %q, limit %d: next is %q, want %q", prefix, after, limit, got.Next, next)
	}
}

// A page is what sorting all keys gives, after any number of keys came and went, whether
// they did so one by one, all at once, or so many that the order is made anew.
func TestPageModel(t *testing.T) {
	r := seeded(t)
	s := gomap.NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	content := map[string]int{}
	var old *gomap.Snapshot[int]
	var oldContent map[string]int
	key := func() string { return fmt.Sprintf("ns-%d/%d", r.IntN(20), r.IntN(200)) }
	after := func() string {
		switch r.IntN(4) {
		case 0:
			return "" // from the beginning
		case 1:
			return "ns-1" + fmt.Sprint(r.IntN(10)) // not a key
		default:
			return key() // that may be there, or have been
		}
	}
	for round := range 150 {
		switch r.IntN(20) {
		case 0: // everything goes but a few
			content = map[string]int{key(): round, key(): round}
			must(t, s.Replace("things", content))
			content = maps.Clone(content)
		case 1, 2, 3: // many come
			batch := map[string]int{}
			for range 1000 {
				batch[key()] = round
			}
			must(t, s.SetAll("things", batch))
			maps.Copy(content, batch)
		default:
			for range r.IntN(80) {
				k := key()
				if r.IntN(2) == 0 {
					_, _, err := s.Delete("things", k)
					must(t, err)
					delete(content, k)
					continue
				}
				_, err := s.Set("things", k, round)
				must(t, err)
				content[k] = round
			}
		}
		now, err := s.Snapshot("things")
		must(t, err)
		for range 2 {
			prefix, after := []string{"", "ns-1", "ns-7/", "ns-19/1", "nz", "a"}[r.IntN(6)], after()
			limit := []int{-1, 0, 1, 2, 100, len(content)}[r.IntN(6)]
			page, err := s.Page("things", prefix, after, limit)
			must(t, err)
			wantPage(t, page, content, prefix, after, limit)
			if page.Revision != now.Revision() {
				t.Fatalf("page of revision %d, the kind is at %d", page.Revision, now.Revision())
			}
			if old != nil {
				wantPage(t, old.Page(prefix, after, limit), oldContent, prefix, after, limit)
			}
		}
		if round%40 == 0 {
			old, oldContent = now, maps.Clone(content)
		}
	}
}

// The prefix may be a key itself, and the key after may be it, before it or behind all of it.
func TestPageEdges(t *testing.T) {
	s := gomap.NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	content := map[string]int{"a": 1, "a/1": 2, "a/2": 3, "b": 4}
	must(t, s.SetAll("things", content))
	for _, prefix := range []string{"", "a", "a/", "a/2", "b", "c"} {
		for _, after := range []string{"", "A", "a", "a/", "a/1", "a/2", "a/3", "b", "z"} {
			for limit := range 5 {
				page, err := s.Page("things", prefix, after, limit)
				must(t, err)
				wantPage(t, page, content, prefix, after, limit)
			}
		}
	}

	page, err := s.Page("nothing", "", "", 10)
	must(t, err)
	if page.Items != nil || page.Next != "" || page.Revision != 0 {
		t.Errorf("page of an absent kind: %+v", page)
	}
	must(t, s.Replace("things", nil))
	page, err = s.Page("things", "", "", 10)
	must(t, err)
	wantPage(t, page, nil, "", "", 10)
	if _, err := s.Page("", "", "", 10); !errors.Is(err, store.ErrKindRequired) {
		t.Errorf("page of no kind: %v", err)
	}
	must(t, s.Close())
	if _, err := s.Page("things", "", "", 10); !errors.Is(err, store.ErrClosed) {
		t.Errorf("page of a closed store: %v", err)
	}
}

// Whoever reads page after page while others write sees every key that is there all the
// time exactly once, in order; and each page is of one revision: what a batch writes
// together is in a page together.
func TestPagesBesideWriters(t *testing.T) {
	const keys, pairs, walks = 2000, 20, 25
	r := seeded(t)
	s := gomap.NewMemStore(store.StoreOptions[int]{})
	defer s.Close()
	steady := map[string]int{}
	for i := range keys {
		steady[fmt.Sprintf("k%04d-steady", i)] = i
	}
	must(t, s.SetAll("things", steady))
	// Pairs stand next to each other; together they are there, with one value, or are not.
	pair := func(i, value int) map[string]int {
		at := i * keys / pairs
		return map[string]int{fmt.Sprintf("k%04d-pair-a", at): value, fmt.Sprintf("k%04d-pair-b", at): value}
	}
	for i := range pairs {
		must(t, s.SetAll("things", pair(i, 0)))
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	write := func(step func(n int) error) {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if err := step(n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	write(func(n int) error { return s.SetAll("things", pair(n%pairs, n)) })
	write(func(n int) error { // keys that come and go, between the others
		key := fmt.Sprintf("k%04d-passing", n*7%keys)
		if _, err := s.Set("things", key, n); err != nil || n%3 == 0 {
			return err
		}
		_, _, err := s.Delete("things", key)
		return err
	})

	var revision uint64
	for range walks {
		var seen []string
		halves := map[string]int{}
		for after := ""; ; {
			page, err := s.Page("things", "k", after, 1+r.IntN(300))
			must(t, err)
			if page.Revision < revision {
				t.Fatalf("a page of revision %d after one of %d", page.Revision, revision)
			}
			revision = page.Revision
			for i, item := range page.Items {
				if item.Key <= after {
					t.Fatalf("%s came after %s", item.Key, after)
				}
				after = item.Key
				name := item.Key[:len("k0000-")]
				switch item.Key[len(name):] {
				case "steady":
					seen = append(seen, item.Key)
				case "pair-a":
					halves[name] = -1 // the other half may be in the next page
					if i+1 < len(page.Items) {
						halves[name] = item.Value
					}
				case "pair-b":
					if a := halves[name]; i > 0 && a != item.Value {
						t.Fatalf("halves %d and %d in one page", a, item.Value)
					}
				}
			}
			if page.Next == "" {
				break
			}
			if page.Next != after {
				t.Fatalf("next is %q after %q", page.Next, after)
			}
		}
		wantKeys(t, "steady keys of a walk", seen, slices.Sorted(maps.Keys(steady))...)
	}
	close(done)
	wg.Wait()
}
