package gomap

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What weigh says of a tree is what the heap grows by, within a third.
func TestWeigh(t *testing.T) {
	type leaf struct {
		Name  string
		Notes map[string]string
		More  []*leaf
		Any   any
	}
	var grow func(depth int) *leaf
	grow = func(depth int) *leaf {
		l := &leaf{Name: strings.Repeat("n", 20), Notes: map[string]string{}, Any: strings.Clone("anything")}
		for i := range 10 {
			l.Notes[strings.Repeat("k", i+1)] = strings.Repeat("v", 30)
		}
		if depth > 0 {
			for range 3 {
				l.More = append(l.More, grow(depth-1))
			}
		}
		return l
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	tree := grow(6)
	took := float64(heap() - before)
	weighed := float64(weigh(reflect.ValueOf(tree), 0))
	t.Logf("weighed %.0f, the heap grew by %.0f", weighed, took)
	if weighed < took*2/3 || weighed > took*4/3 {
		t.Errorf("weighed %.0f bytes, the heap grew by %.0f", weighed, took)
	}
}

// What a value shares with the whole process is not its own.
func TestWeighLocation(t *testing.T) {
	type event struct{ At time.Time }
	plain, local := &event{}, &event{At: time.Now()}
	if a, b := weigh(reflect.ValueOf(plain), 0), weigh(reflect.ValueOf(local), 0); a != b {
		t.Errorf("a time weighs %d bytes with a location, %d without", b, a)
	}
}

// A value that goes round in circles is weighed in the end.
func TestWeighCircle(t *testing.T) {
	type ring struct{ Next *ring }
	r := new(ring)
	r.Next = r
	if got := weigh(reflect.ValueOf(r), 0); got <= 0 || got > 1000 {
		t.Errorf("a circle weighs %d", got)
	}
}
