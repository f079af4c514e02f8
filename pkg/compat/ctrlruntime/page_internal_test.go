package ctrlruntime

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A page is what sorting everything and cutting it would leave, in whatever order it is
// found.
func TestPage(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		var keys []string
		for i := range r.IntN(50) {
			keys = append(keys, fmt.Sprintf("n/%02d", i*2))
		}
		p := page{limit: int64(r.IntN(20))}
		if r.IntN(2) == 0 {
			p.after = fmt.Sprintf("n/%02d", r.IntN(100))
		}
		for _, i := range r.Perm(len(keys)) {
			if p.wants(keys[i]) {
				p.add(hit{key: keys[i]})
			}
		}
		want := slices.DeleteFunc(keys, func(key string) bool { return key <= p.after })
		rest := 0
		if n := int(p.limit); n > 0 && len(want) > n {
			want, rest = want[:n], len(want)-n
		}
		var got []string
		hits, more := p.content()
		for _, h := range hits {
			got = append(got, h.key)
		}
		if !slices.Equal(got, want) || more != int64(rest) {
			t.Fatalf("after %q, at most %d: got %v and %d more, want %v and %d", p.after, p.limit, got, more, want, rest)
		}
	}
}

// BenchmarkPage measures a page of 500 out of 100,000.
func BenchmarkPage(b *testing.B) {
	keys := make([]string, 100_000)
	for i, n := range rand.Perm(len(keys)) {
		keys[i] = fmt.Sprintf("namespace/%06d", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		p := page{limit: 500, after: "namespace/050000"}
		for _, key := range keys {
			if p.wants(key) {
				p.add(hit{key: key})
			}
		}
		if hits, _ := p.content(); len(hits) != 500 {
			b.Fatal(len(hits))
		}
	}
}
