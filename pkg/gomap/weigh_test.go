package gomap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Types like those of a Pod, as they are built by a decoder.
type (
	podLike struct {
		Kind, APIVersion string
		Meta             metaLike
		Spec             specLike
		Status           statusLike
	}
	metaLike struct {
		Name, GenerateName, Namespace, SelfLink, UID, ResourceVersion string

		Generation    int64
		Created       time.Time
		Deleted       *time.Time
		Grace         *int64
		Labels        map[string]string
		Annotations   map[string]string
		Owners        []ownerLike
		Finalizers    []string
		ManagedFields []managedLike
	}
	ownerLike struct {
		APIVersion, Kind, Name, UID string
		Controller, Block           *bool
	}
	managedLike struct {
		Manager, Operation, APIVersion string
		Time                           *time.Time
		Type                           string
		Fields                         *struct{ Raw json.RawMessage }
		Subresource                    string
	}
	specLike struct {
		Volumes         []volumeLike
		Containers      []containerLike
		Policy          string
		Grace, Priority *int64
		Links           *bool
		NodeSelector    map[string]string
		Tolerations     []tolerationLike
		Node            string
	}
	volumeLike struct {
		Name      string
		ConfigMap *sourceLike
		Secret    *sourceLike
		Others    [26]*sourceLike
	}
	sourceLike struct {
		Name  string
		Items []string
		Mode  *int32
		Maybe *bool
	}
	containerLike struct {
		Name, Image string
		Args        []string
		Ports       []portLike
		Env         []envLike
		Limits      map[string]quantityLike
		Requests    map[string]quantityLike
		Mounts      []mountLike
		Liveness    *probeLike
		Readiness   *probeLike
		Path, Pull  string
		Security    *securityLike
		TTY         bool
	}
	portLike struct {
		Name        string
		Port, Owner int32
		Protocol    string
	}
	envLike struct {
		Name, Value string
		From        *sourceLike
	}
	mountLike struct {
		Name     string
		ReadOnly bool
		Path     string
		Sub      string
		Mode     *string
	}
	probeLike struct {
		HTTP                *portLike
		Delay, Every, Fails int32
		Grace               *int64
	}
	securityLike struct {
		User                *int64
		NonRoot, Escalation *bool
	}
	tolerationLike struct {
		Key, Operator, Value, Effect string
		Seconds                      *int64
	}
	statusLike struct {
		Phase      string
		Conditions []conditionLike
		IP         string
		IPs        []struct{ IP string }
		Started    *time.Time
		Containers []containerStatusLike
	}
	conditionLike struct {
		Type, Status    string
		Probed, Changed time.Time
		Reason, Message string
	}
	containerStatusLike struct {
		Name, Image, ImageID, ID string
		Ready                    bool
		Started                  *bool
		State                    struct {
			Running *struct{ At time.Time }
			Waiting *struct{ Reason, Message string }
		}
	}
	// quantityLike has what is behind it in fields that are not exported.
	quantityLike struct {
		n      [3]int64
		text   string
		Format string
	}
)

// Quantities are written as one text.
func (q quantityLike) MarshalText() ([]byte, error) { return []byte(q.text), nil }

func (q *quantityLike) UnmarshalText(text []byte) error {
	q.n[0], q.text, q.Format = int64(len(text)), string(text), "DecimalSI"
	return nil
}

func text(r *rand.Rand, length int) string {
	b := make([]byte, length)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

func texts(r *rand.Rand, n, length int) map[string]string {
	m := map[string]string{}
	for range n {
		m[text(r, 8+r.IntN(30))] = text(r, 1+r.IntN(length))
	}
	return m
}

func newPodLike(r *rand.Rand) *podLike {
	at := time.Unix(1_790_000_000, 0)
	p := &podLike{
		Meta: metaLike{
			Name: text(r, 40), GenerateName: text(r, 34), Namespace: text(r, 12), UID: text(r, 36), ResourceVersion: text(r, 7), Generation: 1,
			Created: at, Labels: texts(r, 7, 40), Annotations: texts(r, 3, 64),
			Owners: []ownerLike{{"apps/v1", "ReplicaSet", text(r, 34), text(r, 36), new(true), new(true)}},
		},
		Spec:   specLike{Policy: "Always", Grace: new(int64(30)), Priority: new(int64(0)), Links: new(true), Node: text(r, 37)},
		Status: statusLike{Phase: "Running", IP: "10.1.2.3", IPs: []struct{ IP string }{{"10.1.2.3"}}, Started: &at},
	}
	for range 2 {
		fields := &struct{ Raw json.RawMessage }{json.RawMessage(`"` + text(r, 600) + `"`)}
		p.Meta.ManagedFields = append(p.Meta.ManagedFields, managedLike{"kubelet", "Update", "v1", &at, "FieldsV1", fields, "status"})
		p.Spec.Tolerations = append(p.Spec.Tolerations, tolerationLike{text(r, 30), "Exists", "", "NoExecute", new(int64(300))})
		p.Spec.Volumes = append(p.Spec.Volumes, volumeLike{Name: text(r, 9), ConfigMap: &sourceLike{Name: text(r, 20), Mode: new(int32(420))}})
	}
	for range 5 {
		p.Status.Conditions = append(p.Status.Conditions, conditionLike{Type: text(r, 12), Status: "True", Changed: at})
	}
	for range 1 + r.IntN(3) {
		c := containerLike{
			Name: text(r, 9), Image: text(r, 50), Args: []string{text(r, 30), text(r, 14)}, Ports: []portLike{{"http", 8080, 0, "TCP"}},
			Limits: map[string]quantityLike{"memory": {text: "64Mi"}}, Requests: map[string]quantityLike{"memory": {text: "64Mi"}, "cpu": {text: "50m"}},
			Liveness: &probeLike{HTTP: &portLike{Name: "http"}, Every: 5}, Readiness: &probeLike{HTTP: &portLike{Name: "http"}, Every: 5},
			Path: "/dev/termination-log", Pull: "IfNotPresent", Security: &securityLike{new(int64(1000)), new(true), new(false)},
		}
		for range 6 + r.IntN(10) {
			c.Env = append(c.Env, envLike{Name: text(r, 16), Value: text(r, 60)})
		}
		for range 3 {
			c.Mounts = append(c.Mounts, mountLike{Name: text(r, 8), ReadOnly: true, Path: text(r, 25)})
		}
		p.Spec.Containers = append(p.Spec.Containers, c)
		status := containerStatusLike{Name: c.Name, Image: c.Image, ImageID: text(r, 100), ID: text(r, 77), Ready: true, Started: new(true)}
		status.State.Running = &struct{ At time.Time }{at}
		p.Status.Containers = append(p.Status.Containers, status)
	}
	return p
}

// decoded returns what makes values as a decoder does: of the wire form of one.
func decoded[T any](t testing.TB, value any) func() any {
	t.Helper()
	wire, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return func() any {
		var v T
		d := json.NewDecoder(bytes.NewReader(wire))
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// filled returns what makes maps with n entries.
func filled[K comparable, V any](n int, key func(int) K, value func(int) V) func() any {
	return func() any {
		m := map[K]V{}
		for i := range n {
			m[key(i)] = value(i)
		}
		return m
	}
}

// boxes is not inlined: the compiler would have constants for all.
//
//go:noinline
func boxes(n int) any {
	type pair struct{ A, B string }
	return []any{int64(n), float64(n), int8(n), uint16(n / 1000), [3]int{n}, pair{A: "a"[:n/1000]}, &pair{}, []string(nil), "a"[:n/1000], n > 7}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// sharesBlocks tells whether the allocator puts small things together, as it does without the
// race detector.
func sharesBlocks() bool {
	var last uintptr
	near := 0
	for range 100 {
		at := reflect.ValueOf(new(bool)).Pointer()
		if at == last+1 {
			near++
		}
		last = at
	}
	return near > 50
}

// What weigh says of a value is what the heap grows by with it, or within a factor.
func TestWeigh(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	name := func(i int) string { return fmt.Sprintf("name-of-an-entry-%d", i) }
	number := func(i int) int { return i }
	pod := newPodLike(r)
	type node struct {
		Next *node
		Name string
	}
	type big struct {
		Names [50]string
		Next  *big
	}
	for _, test := range []struct {
		name string
		make func() any
	}{
		{"pod", decoded[*podLike](t, pod)},
		{"pod, as a tree", decoded[map[string]any](t, pod)},
		{"pods", decoded[[]podLike](t, []*podLike{pod, newPodLike(r), newPodLike(r)})},
		{"config of one text", decoded[*struct{ Data map[string]string }](t, map[string]any{"Data": texts(r, 1, 50_000)})},
		{"config of many texts", decoded[*struct{ Data map[string]string }](t, map[string]any{"Data": texts(r, 100, 100)})},
		{"secret", decoded[*struct{ Data map[string][]byte }](t, map[string]any{"Data": map[string][]byte{"tls.crt": make([]byte, 1500), "tls.key": make([]byte, 1700)}})},
		{"nearly empty", decoded[*podLike](t, map[string]any{"Kind": "Pod"})},
		{"tree of numbers", decoded[any](t, map[string]any{"a": []float64{1, 2, 3, 0, 0}, "b": []any{true, nil, 1.5, "", "x"}})},
		{"list of short texts", decoded[[]string](t, strings.Fields(strings.Repeat("a bb ccc dddd eeeeeeeee ffffffffffffff ", 20)))},
		{"pointers to small things, numbers", decoded[[]*int32](t, make([]int32, 100))},
		{"pointers to small things, switches", decoded[[]*bool](t, make([]bool, 100))},
		{"bytes", func() any { return make([]byte, 33_000) }},
		{"structs with a header", func() any { return &big{Next: new(big)} }},
		{"room to grow", func() any { return make([]string, 1, 300) }},
		{"boxes", func() any { return boxes(1000) }},
		{"list", func() any {
			var last *node
			for i := range 3000 {
				last = &node{last, name(i)}
			}
			return last
		}},
		{"shared", func() any {
			shared := &node{Name: strings.Repeat("name", 30)}
			return []any{shared, shared, shared.Name, shared.Name[:50], map[string]*node{shared.Name: shared}}
		}},
		{"no entries", filled(0, name, name)},
		{"1 entry", filled(1, name, name)},
		{"8 entries", filled(8, name, name)},
		{"9 entries", filled(9, name, name)},
		{"14 entries", filled(14, name, name)},
		{"15 entries", filled(15, name, name)},
		{"500 entries", filled(500, name, name)},
		{"897 entries", filled(897, name, name)},
		{"6000 entries", filled(6000, name, name)},
		{"numbers", filled(100, number, number)},
		{"a set", filled(100, name, func(int) struct{} { return struct{}{} })},
		{"large keys and elements", filled(20, func(i int) [20]int { return [20]int{i} }, func(int) [40]string { return [40]string{} })},
		{"bytes by number", filled(5, number, func(int) bool { return true })},
	} {
		if strings.Contains(test.name, "small things") && !sharesBlocks() {
			continue
		}
		values := make([]any, 0, 2000)
		before := heap()
		for range min(cap(values), 5_000_000/int(weigh(reflect.ValueOf(test.make())))) {
			values = append(values, test.make())
		}
		took := heap() - before
		weighed := int64(0)
		for _, value := range values {
			weighed += weigh(reflect.ValueOf(value))
		}
		ratio := float64(weighed) / float64(took)
		t.Logf("%-34s %5d × %7d bytes, weighed %.3f of it", test.name, len(values), took/int64(len(values)), ratio)
		if ratio < 1/1.3 || ratio > 1.3 {
			t.Errorf("%s: weighed %d, the heap grew by %d", test.name, weighed, took)
		}
	}
}

// An estimate is as good, if not for each value then for many, whichever of them are
// kept; and values that are alike are weighed now and then only.
func TestScale(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var s scale
	var said, weighed [2]float64
	for i := range 4000 {
		kind := min(r.IntN(4), 1)
		length := 100 + r.IntN(10_000)
		value := make([]byte, length*(1+5*kind)) // one kind takes six times as much as the other
		size := s.size(length, value)
		if i > 1000 {
			said[kind] += float64(size)
			weighed[kind] += float64(weigh(reflect.ValueOf(value)))
		}
	}
	for kind := range said {
		if ratio := said[kind] / weighed[kind]; ratio < 1/1.3 || ratio > 1.3 {
			t.Errorf("kind %d: said %.0f, weighed %.0f", kind, said[kind], weighed[kind])
		}
	}

	s = scale{}
	weighs := 0
	for range 3100 {
		length := 5000 + r.IntN(3000)
		if s.size(length, make([]byte, 2*length)) == weigh(reflect.ValueOf(make([]byte, 2*length))) {
			weighs++
		}
	}
	if weighs > 300 { // an estimate may happen to be right
		t.Errorf("%d of 3100 values were weighed, which were all alike", weighs)
	}

	// Without a length it is the mean.
	for i := range 2000 {
		size := float64(s.size(1, make([]byte, 1024*(1+i%2*2))))
		if mean := 2048.; i > 100 && (size < mean/1.3 || size > mean*1.3) {
			t.Fatalf("said %.0f, the mean is %.0f", size, mean)
		}
	}
}

// What a value shares with the whole process is not its own, but plain values that it
// does not show are.
func TestWeighHidden(t *testing.T) {
	type event struct{ At time.Time }
	if a, b := weigh(reflect.ValueOf(&event{})), weigh(reflect.ValueOf(&event{At: time.Now()})); a != b {
		t.Errorf("a time weighs %d bytes with a location, %d without", b, a)
	}
	type shared struct{ All [1000]int }
	type inner struct{ Names []string }
	type outer struct {
		inner

		text   string
		bytes  []byte
		in     struct{ words [1][]uint64 }
		pool   *shared
		lookup map[string]*shared
		any    any
		list   []*shared
	}
	pool := new(shared)
	o := &outer{pool: pool, lookup: map[string]*shared{"": pool}, any: pool, list: []*shared{pool}}
	empty := weigh(reflect.ValueOf(o))
	if want := rounded(reflect.TypeFor[outer]().Size(), true); empty != int64(want) {
		t.Errorf("it weighs %d bytes, want %d", empty, want)
	}
	o.Names, o.text, o.bytes, o.in.words[0] = make([]string, 2), strings.Repeat("a", 100), make([]byte, 200), make([]uint64, 40)
	names := 2 * reflect.TypeFor[string]().Size()
	if got, want := weigh(reflect.ValueOf(o))-empty, int64(rounded(names, true))+112+208+320; got != want {
		t.Errorf("what is in it weighs %d bytes, want %d", got, want)
	}
}

// What is there once weighs once, by how many ways it may be reached; a part weighs
// nothing beside the whole.
func TestWeighShared(t *testing.T) {
	type ring struct {
		Next, Same *ring
		Any        any
		Ring       map[string]*ring
		Rings      []*ring
	}
	one := new(ring)
	alone := weigh(reflect.ValueOf(one))
	one.Next, one.Same, one.Any = one, one, one
	if got := weigh(reflect.ValueOf(one)); got != alone {
		t.Errorf("a circle weighs %d, want %d", got, alone)
	}
	one.Ring, one.Rings = map[string]*ring{"": one}, []*ring{one, one}
	rings := weigh(reflect.ValueOf(map[string]*ring{"": nil})) + weigh(reflect.ValueOf(&[]*ring{nil, nil})) -
		int64(rounded(reflect.TypeFor[[]*ring]().Size(), true))
	if got, want := weigh(reflect.ValueOf(one)), alone+rings; got != want {
		t.Errorf("circles weigh %d, want %d", got, want)
	}

	type whole struct {
		Head  struct{ Names [3]string }
		First *struct{ Names [3]string }
		Text  string
		Part  string
	}
	w := &whole{Text: strings.Repeat("a", 100)}
	want := weigh(reflect.ValueOf(w)) + weigh(reflect.ValueOf([]any{"box", "box", nil, nil})) - int64(2*len("box"))
	w.First, w.Part = &w.Head, w.Text[:10]
	if got := weigh(reflect.ValueOf([]any{w.First, w.Part, w, w.Text})); got < want-tinyBlock || got > want+tinyBlock {
		t.Errorf("a whole with its parts weighs %d, want %d", got, want)
	}
}

// However many ways there are through a value, each thing is looked at once.
func TestWeighWays(t *testing.T) {
	type fork struct {
		Left, Right *fork
		Parent      *fork
		Any         []any
		Map         map[string]*fork
	}
	type boxes struct{ Left, Right any }
	top := new(fork)
	var boxed any = boxes{"a", "b"}
	for range 200 {
		next := &fork{Left: top, Right: top, Any: []any{top, top}, Map: map[string]*fork{"a": top, "b": top}}
		top.Parent = next
		top = next
		boxed = boxes{boxed, boxed}
	}
	start := time.Now()
	bytes := weigh(reflect.ValueOf(top)) + weigh(reflect.ValueOf(boxed))
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if most := int64(201*(64+32+48+208) + 201*32 + 100); bytes > most {
		t.Errorf("it weighs %d bytes, of %d that there are", bytes, most)
	}
}

// What is deeper than the stack should be is weighed as well.
func TestWeighDeep(t *testing.T) {
	type chain struct {
		Map   map[int]chain
		Any   any
		Slice []chain
		Next  *chain
	}
	for way, link := range []func(c chain) chain{
		func(c chain) chain { return chain{Map: map[int]chain{0: {}, 1: c, 2: {}}} },
		func(c chain) chain { return chain{Any: c} },
		func(c chain) chain { return chain{Slice: []chain{{}, c, {}}} },
		func(c chain) chain { return chain{Next: &c} },
	} {
		grown := func(length int) int64 {
			var c chain
			for range length {
				c = link(c)
			}
			return weigh(reflect.ValueOf(&c))
		}
		one := grown(2) - grown(1)
		for _, length := range []int{10, maxDepth - 1, maxDepth, 5 * maxDepth} {
			if got, want := grown(length+1)-grown(1), int64(length)*one; got != want {
				t.Errorf("%d links of way %d weigh %d, want %d", length, way, got, want)
			}
		}
	}
}

func BenchmarkWeigh(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 0))
	pod := newPodLike(r)
	for _, test := range []struct {
		name string
		make func() any
	}{
		{"pod", decoded[*podLike](b, pod)},
		{"pod, as a tree", decoded[map[string]any](b, pod)},
		{"config", decoded[*struct{ Data map[string]string }](b, map[string]any{"Data": texts(r, 100, 100)})},
	} {
		b.Run(test.name, func(b *testing.B) {
			v := reflect.ValueOf(test.make())
			b.ReportAllocs()
			for b.Loop() {
				weigh(v)
			}
		})
		b.Run(test.name+"/decode", func(b *testing.B) {
			for b.Loop() {
				test.make()
			}
		})
	}
}
