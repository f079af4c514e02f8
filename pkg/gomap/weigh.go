package gomap

import (
	"math/bits"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"
)

// scale estimates what decoded values take in memory. It weighs some of them, and
// goes by the proportion to the length of the wire form for the others, as far as
// values of about the same length agree in it. It is not safe for concurrent use.
type scale struct {
	proportions [bits.UintSize + 1]proportion // by the bits of a length
}

// proportion is that of the weight of values to their length.
type proportion struct {
	sized int
	ratio float64 // a moving mean
	off   float64 // by which part a weight was off it, at worst and lately
}

const (
	weighOne  = 31       // one of so many is weighed: a prime, as values may take turns
	weighOver = 16       // how many count in the mean, roughly
	weighFar  = 1. / 4   // is too far off, and all are weighed
	weighFade = 31. / 32 // is left of what is off, with each that is not
)

// size returns the bytes that value takes, whose wire form has a length. A length of 1
// says nothing; what is returned is then the mean of values weighed lately.
func (s *scale) size(length int, value any) int64 {
	length = max(length, 1)
	p := &s.proportions[bits.Len(uint(length))]
	p.sized++
	said := p.ratio * float64(length)
	if p.sized > 1 && p.off < weighFar && p.sized%weighOne != 0 {
		return int64(said)
	}
	bytes := weigh(reflect.ValueOf(value))
	weight, off := float64(bytes), 1.
	if p.sized > 1 {
		off = min(max(said, weight)/max(min(said, weight), 1)-1, 1)
	}
	p.off = max(off, p.off*weighFade)
	p.ratio += (weight/float64(length) - p.ratio) / float64(min(p.sized, weighOver))
	if length == 1 {
		return int64(p.ratio)
	}
	return bytes
}

// weigh returns the bytes of the heap that a value keeps, and its own if it is not a
// pointer: each allocation that is reachable once, as large as the allocator makes it.
// Of what is behind fields that are not exported only texts and slices of plain values
// count.
func weigh(v reflect.Value) int64 {
	if !v.IsValid() {
		return 0
	}
	w := weighing{seen: visitedPool.Get().(*visited), tiny: tinyBlock}
	l := layoutOf(v.Type())
	if !l.direct {
		w.bytes += l.size
	}
	w.follow(v, l)
	for len(w.later) > 0 {
		last := len(w.later) - 1
		next := w.later[last]
		w.later = w.later[:last]
		w.follow(next, layoutOf(next.Type()))
	}
	w.seen.reset()
	visitedPool.Put(w.seen)
	return int64(w.bytes)
}

// weighing adds up what a value keeps.
type weighing struct {
	seen  *visited
	bytes uintptr
	tiny  uintptr         // taken of the block that small allocations share
	depth int             // of follow
	later []reflect.Value // what is too deep
}

// maxDepth spares the stack what is long rather than deep, such as a list.
const maxDepth = 1000

// met adds an allocation, and tells whether it is new. What has the same address as
// something larger is a part of it.
func (w *weighing) met(at unsafe.Pointer, size uintptr, pointers bool) bool {
	if at == nil || size == 0 {
		return false
	}
	before, isNew := w.seen.visit(uintptr(at), size)
	switch {
	case !isNew:
		return false
	case before > 0:
		w.bytes += rounded(size, pointers) - rounded(before, pointers)
	default:
		w.allocate(size, pointers)
	}
	return true
}

func (w *weighing) allocate(size uintptr, pointers bool) {
	if size >= tinyBlock || pointers {
		w.bytes += rounded(size, pointers)
		return
	}
	align := uintptr(1) << min(bits.TrailingZeros(uint(size)), 3)
	if w.tiny = (w.tiny + align - 1) &^ (align - 1); w.tiny+size > tinyBlock {
		w.tiny = 0
		w.bytes += tinyBlock
	}
	w.tiny += size
}

// follow adds what is behind a value.
func (w *weighing) follow(v reflect.Value, l *layout) {
	if !l.behind {
		return
	}
	switch v.Kind() {
	case reflect.String:
		w.text(v.String())
		return
	case reflect.Struct:
		for _, f := range l.fields {
			w.follow(v.Field(f.index), f.layout)
		}
		return
	case reflect.Array:
		for i := range v.Len() {
			w.follow(v.Index(i), l.elem(v.Type()))
		}
		return
	case reflect.Slice:
		if elem := l.elem(v.Type()); !elem.behind {
			w.met(v.UnsafePointer(), uintptr(v.Cap())*elem.size, elem.pointers)
			return
		}
	default:
	}
	if w.depth == maxDepth {
		own := reflect.New(v.Type()).Elem() // v may be where a map's next value will be
		own.Set(v)
		w.later = append(w.later, own)
		return
	}
	w.depth++
	switch v.Kind() {
	case reflect.Pointer:
		if to := l.elem(v.Type()); w.met(v.UnsafePointer(), to.size, to.pointers) {
			w.follow(v.Elem(), to)
		}
	case reflect.Slice:
		w.slice(v, l.elem(v.Type()))
	case reflect.Map:
		w.table(v, l.key(v.Type()), l.elem(v.Type()))
	case reflect.Interface:
		w.boxed(v.Interface())
	default:
	}
	w.depth--
}

func (w *weighing) text(s string) {
	w.met(unsafe.Pointer(unsafe.StringData(s)), uintptr(len(s)), false)
}

// slice adds one whose elements have something behind them.
func (w *weighing) slice(v reflect.Value, elem *layout) {
	if !w.met(v.UnsafePointer(), uintptr(v.Cap())*elem.size, elem.pointers) {
		return
	}
	if v.Cap() > v.Len() {
		v = v.Slice(0, v.Cap()) // what is in the rest is kept, too
	}
	for i := range v.Len() {
		w.follow(v.Index(i), elem)
	}
}

// boxed adds what an interface keeps. Pointers are in it as they are; other values
// have an allocation, but for those of which the runtime has one for all.
func (w *weighing) boxed(value any) {
	at := (*[2]unsafe.Pointer)(unsafe.Pointer(&value))[1]
	switch value := value.(type) { // what trees are made of takes no reflection
	case nil, bool:
		return
	case string:
		if value != "" && w.met(at, unsafe.Sizeof(value), true) {
			w.text(value)
		}
		return
	}
	v := reflect.ValueOf(value)
	l := layoutOf(v.Type())
	if l.direct || !sharedBox(v) && w.met(at, l.size, l.pointers) {
		w.follow(v, l)
	}
}

func sharedBox(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Uint8:
		return true
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int() >= 0 && v.Int() < 1<<8
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return v.Uint() < 1<<8
	case reflect.Float32, reflect.Float64, reflect.String, reflect.Slice:
		return v.IsZero()
	default:
		return false
	}
}

// table adds a map and what is in it.
func (w *weighing) table(v reflect.Value, key, elem *layout) {
	if !w.met(v.UnsafePointer(), mapHeader, true) || v.Len() == 0 {
		return
	}
	w.slots(v.Len(), key, elem)
	if !key.behind && !elem.behind {
		return
	}
	switch m := v.Interface().(type) { // these take no reflection
	case map[string]any:
		for k, e := range m {
			w.text(k)
			w.boxed(e)
		}
		return
	case map[string]string:
		for k, e := range m {
			w.text(k)
			w.text(e)
		}
		return
	}
	k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
	for entry := v.MapRange(); entry.Next(); {
		if key.behind {
			k.SetIterKey(entry)
			w.follow(k, key)
		}
		if elem.behind {
			e.SetIterValue(entry)
			w.follow(e, elem)
		}
	}
}

// How maps are laid out since Go 1.24: slots are in groups; a map that never had
// more than one of them is that group, others are tables, of a limited size.
const (
	groupSlots = 8
	groupHead  = 8   // bytes
	slotMax    = 128 // larger keys and elements have their own allocations
	tableSlots = 1024
	loadOf     = 7 // slots of
	loadAmong  = 8 // are in use when a table grows

	tableHeader = 16 + 2*wordSize
	mapHeader   = 16 + 4*wordSize
)

// slots adds what a map has for n entries.
func (w *weighing) slots(n int, key, elem *layout) {
	keySize, elemSize := w.slot(n, key), w.slot(n, elem)
	pointers := key.pointers || elem.pointers || keySize != key.size || elemSize != elem.size
	align := max(key.align, elem.align)
	slot := keySize + max(elemSize, 1) // nothing at the end takes a byte
	slot = (slot + align - 1) &^ (align - 1)
	group := groupHead + groupSlots*slot
	if n <= groupSlots {
		w.allocate(group, pointers)
		return
	}
	slots := uintptr(1) << bits.Len(uint((n*loadAmong+loadOf-1)/loadOf-1))
	tables := max(slots/tableSlots, 1)
	w.allocate(tables*wordSize, true)
	w.bytes += tables * (rounded(tableHeader, true) + rounded(slots/tables/groupSlots*group, pointers))
}

// slot returns what a key or an element takes in a slot, and adds what it takes
// elsewhere.
func (w *weighing) slot(n int, l *layout) uintptr {
	if l.size <= slotMax {
		return l.size
	}
	w.bytes += uintptr(n) * rounded(l.size, l.pointers)
	return wordSize
}

// layout is what there is to know of a type.
type layout struct {
	size, align uintptr
	pointers    bool // the garbage collector looks into it
	behind      bool // there may be something behind a value
	direct      bool // an interface holds the value itself
	fields      []layoutField

	keys, elems atomic.Pointer[layout]
}

// layoutField is a field that something may be behind.
type layoutField struct {
	index  int
	layout *layout
}

var layouts sync.Map // of *layout by reflect.Type

func layoutOf(t reflect.Type) *layout {
	if l, ok := layouts.Load(t); ok {
		return l.(*layout)
	}
	l, _ := layouts.LoadOrStore(t, newLayout(t, false))
	return l.(*layout)
}

func (l *layout) elem(t reflect.Type) *layout { return remembered(&l.elems, t.Elem) }

func (l *layout) key(t reflect.Type) *layout { return remembered(&l.keys, t.Key) }

func remembered(at *atomic.Pointer[layout], of func() reflect.Type) *layout {
	l := at.Load()
	if l == nil {
		l = layoutOf(of())
		at.Store(l)
	}
	return l
}

// newLayout returns the layout of a type, or of one in a field that is not exported.
// What is behind that may be everybody's, such as the location of a time, and not even
// for reading; but texts and plain values are the value's.
func newLayout(t reflect.Type, hidden bool) *layout {
	l := &layout{size: t.Size(), align: uintptr(t.Align())}
	switch t.Kind() {
	case reflect.String:
		l.pointers, l.behind = true, true
	case reflect.Slice:
		l.pointers, l.behind = true, !hidden || isFlat(t.Elem().Kind())
	case reflect.Interface:
		l.pointers, l.behind = true, !hidden
	case reflect.Pointer, reflect.Map:
		l.pointers, l.behind, l.direct = true, !hidden, true
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		l.pointers, l.direct = true, true
	case reflect.Array:
		elem := newLayout(t.Elem(), hidden)
		l.elems.Store(elem)
		l.pointers, l.behind = elem.pointers && t.Len() > 0, elem.behind
		l.direct = elem.direct && t.Len() == 1
	case reflect.Struct:
		for i := range t.NumField() {
			field := t.Field(i)
			// The exported fields of a struct that is embedded are this one's.
			shown := field.IsExported() || field.Anonymous && field.Type.Kind() == reflect.Struct
			of := newLayout(field.Type, hidden || !shown)
			l.pointers = l.pointers || of.pointers
			l.direct = of.direct && t.NumField() == 1
			if of.behind {
				l.behind = true
				l.fields = append(l.fields, layoutField{i, of})
			}
		}
	default:
	}
	return l
}

func isFlat(k reflect.Kind) bool { return k >= reflect.Bool && k <= reflect.Complex128 }

// How the allocator rounds: small allocations without pointers share blocks, others up
// to largestClass are as large as their class, and those beyond take pages.
const (
	wordSize     = unsafe.Sizeof(uintptr(0))
	tinyBlock    = 16
	heapPage     = 8192
	largestClass = 32768
	// Larger ones with pointers have a header that says where.
	plainPointers = wordSize * wordSize * 8
	pointerHeader = 8
)

// sizeClasses are those of Go's allocator, which hardly ever changes them.
var sizeClasses = [...]uint16{
	8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480,
	512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864,
	5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480,
	21760, 24576, 27264, 28672, 32768,
}

// classes has the class of each multiple of 8.
var classes = func() (classes [largestClass/8 + 1]uint16) {
	size := 0
	for _, class := range sizeClasses {
		for ; size <= int(class); size += 8 {
			classes[size/8] = class
		}
	}
	return classes
}()

// rounded returns how large the allocator makes an allocation.
func rounded(size uintptr, pointers bool) uintptr {
	if size > largestClass-pointerHeader {
		return (size + heapPage - 1) &^ (heapPage - 1)
	}
	if pointers && size > plainPointers {
		size += pointerHeader
	}
	return uintptr(classes[(size+7)/8])
}

// visited has the addresses that were met, and the size of the largest that was there.
// It is an open hash table that is used again.
type visited struct {
	slots []visit // as many as a power of two
	count int
}

type visit struct{ at, size uintptr }

const (
	leastVisited = 1 << 8
	mostVisited  = 1 << 12 // slots that are used again
)

var visitedPool = sync.Pool{New: func() any { return new(visited) }}

// visit tells whether nothing as large was at an address, and the size of what was.
func (s *visited) visit(at, size uintptr) (before uintptr, isNew bool) {
	if s.count*2 >= len(s.slots) {
		s.grow()
	}
	slot := s.find(at)
	before = slot.size
	if before >= size {
		return before, false
	}
	if before == 0 {
		s.count++
	}
	*slot = visit{at, size}
	return before, true
}

func (s *visited) find(at uintptr) *visit {
	mask := uint64(len(s.slots) - 1)
	for i := uint64(at) * 0x9e3779b97f4a7c15 >> 32; ; i++ {
		if slot := &s.slots[i&mask]; slot.at == at || slot.at == 0 {
			return slot
		}
	}
}

func (s *visited) grow() {
	old := s.slots
	s.slots = make([]visit, max(2*len(old), leastVisited))
	for _, v := range old {
		if v.at != 0 {
			*s.find(v.at) = v
		}
	}
}

func (s *visited) reset() {
	if len(s.slots) > mostVisited {
		s.slots = nil
	}
	clear(s.slots)
	s.count = 0
}
