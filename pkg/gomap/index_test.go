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

// pod is a value with something to index.
type pod struct {
	Node   string
	Labels []string
}

func byNode(_ string, p pod) ([]string, error) { return []string{p.Node}, nil }

func byLabel(_ string, p pod) ([]string, error) { return p.Labels, nil }

func newPods(t *testing.T) *gomap.MemStore[pod] {
	t.Helper()
	s := gomap.NewMemStore[pod](store.StoreOptions[pod]{})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keysOf returns the sorted keys of a sequence.
func keysOf[T any](seq iter.Seq2[string, T], err error) []string {
	if err != nil {
		return []string{err.Error()}
	}
	var keys []string
	for key := range seq {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func wantKeys(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func TestIndex(t *testing.T) {
	s := newPods(t)
	must(t, s.AddIndex("pods", "node", byNode))
	set := func(key string, p pod) {
		t.Helper()
		_, err := s.Set("pods", key, p)
		must(t, err)
	}
	set("a", pod{Node: "n1", Labels: []string{"x", "y", "x"}})
	set("b", pod{Node: "n1"})
	set("c", pod{Node: "n2", Labels: []string{"x"}})

	// An index that is added late covers what is there; repeated values count once.
	must(t, s.AddIndex("pods", "label", byLabel))
	wantKeys(t, "label x", keysOf(s.ByIndex("pods", "label", "x")), "a", "c")
	wantKeys(t, "label y", keysOf(s.ByIndex("pods", "label", "y")), "a")
	wantKeys(t, "node n1", keysOf(s.ByIndex("pods", "node", "n1")), "a", "b")
	wantKeys(t, "node unknown", keysOf(s.ByIndex("pods", "node", "n9")))

	set("a", pod{Node: "n2", Labels: []string{"y"}})
	_, _, err := s.Delete("pods", "c")
	must(t, err)
	set("d", pod{Node: "n3", Labels: []string{"y"}})
	wantKeys(t, "node n1 after a moved", keysOf(s.ByIndex("pods", "node", "n1")), "b")
	wantKeys(t, "node n2 after a came and c went", keysOf(s.ByIndex("pods", "node", "n2")), "a")
	wantKeys(t, "label x", keysOf(s.ByIndex("pods", "label", "x")))
	wantKeys(t, "label y", keysOf(s.ByIndex("pods", "label", "y")), "a", "d")

	values, err := s.IndexValues("pods", "node")
	must(t, err)
	wantKeys(t, "values of node", values, "n1", "n2", "n3")
	values, err = s.IndexValues("pods", "label")
	must(t, err)
	wantKeys(t, "values of label", values, "y")
}

func TestIndexMisuse(t *testing.T) {
	s := newPods(t)
	must(t, s.AddIndex("pods", "node", byNode))
	_, unknown := s.ByIndex("pods", "nod", "n1")
	_, unknownKind := s.ByIndex("podz", "node", "n1")
	_, unknownValues := s.IndexValues("pods", "nod")
	_, noKind := s.ByIndex("", "node", "n1")
	for what, is := range map[string][2]error{
		"unknown index":           {unknown, gomap.ErrIndexNotFound},
		"unknown index's kind":    {unknownKind, gomap.ErrIndexNotFound},
		"values of unknown index": {unknownValues, gomap.ErrIndexNotFound},
		"no kind":                 {noKind, store.ErrKindRequired},
		"added twice":             {s.AddIndex("pods", "node", byNode), gomap.ErrIndexExists},
		"no name":                 {s.AddIndex("pods", "", byNode), gomap.ErrIndexNameRequired},
		"no function":             {s.AddIndex("pods", "x", nil), store.ErrFuncRequired},
		"added without kind":      {s.AddIndex("", "x", byNode), store.ErrKindRequired},
	} {
		if !errors.Is(is[0], is[1]) {
			t.Errorf("%s: got error %v, want %v", what, is[0], is[1])
		}
	}
	must(t, s.Close())
	if err := s.AddIndex("pods", "x", byNode); !errors.Is(err, store.ErrClosed) {
		t.Errorf("added to a closed store: %v", err)
	}
	if _, err := s.ByIndex("pods", "node", "n1"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("read from a closed store: %v", err)
	}
}

// An index function that fails or panics rejects the write, and nothing of a
// batch is written.
func TestIndexFunctionFails(t *testing.T) {
	s := newPods(t)
	broken := errors.New("broken")
	must(t, s.AddIndex("pods", "node", func(_ string, p pod) ([]string, error) {
		switch p.Node {
		case "bad":
			return nil, broken
		case "worse":
			panic("worse")
		}
		return []string{p.Node}, nil
	}))
	good := pod{Node: "n1"}
	_, err := s.Set("pods", "good", good)
	must(t, err)
	_, setErr := s.Set("pods", "p", pod{Node: "bad"})
	_, panicErr := s.Set("pods", "p", pod{Node: "worse"})
	_, fnErr := s.SetFn("pods", "good", func(pod) (pod, error) { return pod{Node: "bad"}, nil })
	for what, err := range map[string]error{
		"Set":     setErr,
		"panic":   panicErr,
		"SetFn":   fnErr,
		"SetAll":  s.SetAll("pods", map[string]pod{"a": good, "p": {Node: "bad"}}),
		"Replace": s.Replace("pods", map[string]pod{"a": good, "p": {Node: "bad"}}),
	} {
		var indexErr *store.IndexError
		if !errors.As(err, &indexErr) || indexErr.Index != "node" || indexErr.Kind != "pods" {
			t.Errorf("%s: got error %v, want a *store.IndexError", what, err)
		}
	}
	if !errors.Is(setErr, broken) {
		t.Errorf("got error %v, want one that wraps the function's", setErr)
	}
	wantKeys(t, "pods", keysOf(s.All("pods")), "good")
	wantKeys(t, "node n1", keysOf(s.ByIndex("pods", "node", "n1")), "good")

	// Nor does an index stay that fails on what is there.
	if err := s.AddIndex("pods", "other", func(string, pod) ([]string, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("AddIndex: got error %v", err)
	}
	if _, err := s.ByIndex("pods", "other", "x"); !errors.Is(err, gomap.ErrIndexNotFound) {
		t.Errorf("ByIndex after a failed AddIndex: %v", err)
	}
}

// Every read by index is of one revision: while pods move between nodes, all in
// one batch, each node has all of them or none, and a snapshot has each pod on
// exactly one node.
func TestIndexReadsAreConsistent(t *testing.T) {
	s := newPods(t)
	must(t, s.AddIndex("pods", "node", byNode))
	const pods, nodes, moves = 50, 5, 2000
	move := func(n int) {
		values := make(map[string]pod, pods)
		for i := range pods {
			values[fmt.Sprint(i)] = pod{Node: fmt.Sprint(n % nodes)}
		}
		if err := s.SetAll("pods", values); err != nil {
			t.Errorf("SetAll: %v", err)
		}
	}
	move(0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := range moves {
			move(n + 1)
		}
	})
	for range 2 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if got := len(keysOf(s.ByIndex("pods", "node", fmt.Sprint(n%nodes)))); got != 0 && got != pods {
					t.Errorf("a node has %d of %d pods", got, pods)
					return
				}
				snap, err := s.Snapshot("pods")
				if err != nil {
					t.Errorf("Snapshot: %v", err)
					return
				}
				seen := 0
				for node := range nodes {
					seen += len(keysOf(snap.ByIndex("node", fmt.Sprint(node))))
				}
				if n%2 == 0 { // the others are left to the collector
					snap.Close()
				}
				if seen != pods {
					t.Errorf("a snapshot has %d pods on its nodes, want %d", seen, pods)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The index is compared with a scan after every one of many random operations.
func TestIndexModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := newPods(t)
	must(t, s.AddIndex("pods", "node", byNode))
	must(t, s.AddIndex("pods", "label", byLabel))
	name := func(n int) string { return fmt.Sprint(r.IntN(n)) }
	for range 5000 {
		switch r.IntN(10) {
		case 0, 1:
			_, _, err := s.Delete("pods", name(30))
			must(t, err)
		case 2:
			must(t, s.Replace("pods", map[string]pod{name(30): {Node: name(6)}, name(30): {Node: name(6)}}))
		default:
			_, err := s.Set("pods", name(30), pod{Node: name(6), Labels: []string{name(3), name(3)}})
			must(t, err)
		}
		node, label := name(6), name(3)
		all, err := s.List("pods")
		must(t, err)
		var onNode, labelled []string
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if all[key].Node == node {
				onNode = append(onNode, key)
			}
			if slices.Contains(all[key].Labels, label) {
				labelled = append(labelled, key)
			}
		}
		wantKeys(t, "node "+node, keysOf(s.ByIndex("pods", "node", node)), onNode...)
		wantKeys(t, "label "+label, keysOf(s.ByIndex("pods", "label", label)), labelled...)
	}
}

// A field is an index of one value an object; a write through it makes no slice.
func TestField(t *testing.T) {
	s := newPods(t)
	must(t, s.AddSingleValueIndex("pods", "node", func(_ string, p pod) string {
		if p.Node == "panic" {
			panic("no such node")
		}
		return p.Node
	}))
	set := func(key, node string) error {
		_, err := s.Set("pods", key, pod{Node: node})
		return err
	}
	must(t, set("a", "n1"))
	must(t, set("b", "n1"))
	must(t, set("b", "n2"))
	wantKeys(t, "node n1", keysOf(s.ByIndex("pods", "node", "n1")), "a")
	wantKeys(t, "node n2", keysOf(s.ByIndex("pods", "node", "n2")), "b")
	if err := set("c", "panic"); !isIndexError(err) {
		t.Fatalf("a function that panics: %v", err)
	}
	if err := s.AddSingleValueIndex("pods", "none", nil); !errors.Is(err, store.ErrFuncRequired) {
		t.Fatalf("no function: %v", err)
	}
}

// A write of a key that is there, under the same value of a field, allocates the new
// version and now and then a page.
func TestFieldAllocations(t *testing.T) {
	s := gomap.NewMemStore[int](store.StoreOptions[int]{CompareFn: func(a, b int) bool { return a == b }})
	defer s.Close()
	must(t, s.AddSingleValueIndex("numbers", "role", func(string, int) string { return "any" }))
	must(t, s.AddSingleValueIndex("numbers", "size", func(string, int) string { return "any" }))
	i := 0
	if allocs := testing.AllocsPerRun(10_000, func() { i++; _, _ = s.Set("numbers", "a", i) }); allocs > 3 {
		t.Errorf("%v allocations a write", allocs)
	}
}

func isIndexError(err error) bool {
	_, ok := errors.AsType[*store.IndexError](err)
	return ok
}
