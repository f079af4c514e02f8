package mirror

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Every set of labels that a selector matches has exactly one of the terms that
// the selector is filed under. So the indexes miss no match, and name none twice.
func TestTermsFindEveryMatchOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	matches := 0
	for range 20_000 {
		text := randomSelector(random)
		selector, err := parseSelector(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		set := randomLabels(random)
		if !selector.Matches(set) {
			continue
		}
		matches++
		has := labelTerms(set)
		common := 0
		for _, term := range selectorTerms(selector) {
			if slices.Contains(has, term) {
				common++
			}
		}
		if common != 1 {
			t.Fatalf("selector %q is filed under %q, of which labels %v, which match, have %d", text, selectorTerms(selector), set, common)
		}
	}
	if matches < 1000 {
		t.Fatalf("only %d selectors matched; the test says nothing", matches)
	}
}

func randomSelector(random *rand.Rand) string {
	var parts []string
	for range 1 + random.IntN(3) {
		key := fmt.Sprintf("k%d", random.IntN(3))
		a, b := random.IntN(4), random.IntN(4)
		parts = append(parts, []string{
			key, "!" + key,
			fmt.Sprintf("%s=%d", key, a), fmt.Sprintf("%s==%d", key, a), fmt.Sprintf("%s!=%d", key, a),
			fmt.Sprintf("%s in (%d,%d)", key, a, b), fmt.Sprintf("%s notin (%d,%d)", key, a, b),
			fmt.Sprintf("%s>%d", key, a), fmt.Sprintf("%s<%d", key, a),
		}[random.IntN(9)])
	}
	return strings.Join(parts, ",")
}

func randomLabels(random *rand.Rand) labels.Set {
	set := labels.Set{}
	for i := range 3 {
		if random.IntN(3) > 0 {
			set[fmt.Sprintf("k%d", i)] = fmt.Sprint(random.IntN(4))
		}
	}
	return set
}

// The terms that narrow down most are preferred, so that a look-up does not go
// through namespaces that cannot match.
func TestSelectorTerms(t *testing.T) {
	for text, want := range map[string][]string{
		"a":             {"a"},
		"a=1":           {"a=1"},
		"b,a in (1,2)":  {"a=1", "a=2"},
		"a!=1":          {"*"},
		"!a,b>3":        {"b"},
		"a notin (1),b": {"b"},
	} {
		selector, err := parseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		got := selectorTerms(selector)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q is filed under %q, want %q", text, got, want)
		}
	}
}

// What is no selector, or selects everything by mistake, is reported with what to do.
func TestParseSelectorRejects(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "kubernetes.io/metadata.name",
		"  ":               "kubernetes.io/metadata.name",
		"team in":          "no label selector",
		"team = red blue":  "no label selector",
		"-bad-/key-=value": "no label selector",
	} {
		_, err := parseSelector(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}
