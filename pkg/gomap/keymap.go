package gomap

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// keymap finds elements by their keys, which are texts: the first field of each. It has one writer at a time, which the
// caller sees to, and any number of readers, which take no lock.
//
// It is a hash table that grows piece by piece (extendible hashing, Fagin et al.,
// 1979), so that no write pays for the whole of it. The first bits of a key's hash
// choose a segment from a directory. A segment that is full is replaced by a
// larger one or by two. Within a segment a key is in the bucket that other bits
// choose, or in one that follows. A bucket is a cache line: a word of tags, which
// are seven bits of the hash, and as many pointers.
//
// A slot that has a tag keeps it until its segment is replaced; a removed element
// leaves a slot without a pointer, which another may take. So a reader that
// probes while a writer puts or removes finds what was there when it began.
type keymap[E any] struct {
	seed      maphash.Seed
	directory atomic.Pointer[directory[E]]
	replaced  int // segments so far; the writer's
}

// spot is where the writer found a key's element. It is good until a segment is
// replaced.
type spot[E any] struct {
	slot     *atomic.Pointer[E]
	replaced int
}

// keyOf returns the key of an element, which is its first field. To call a method of a
// type parameter instead would take a tenth of the time of a Get.
func keyOf[E any](e *E) string { return *(*string)(unsafe.Pointer(e)) }

// directory has a power of two of places, in which a segment may appear more than
// once in succession.
type directory[E any] struct {
	shift    uint // of a hash, to get an index
	segments []atomic.Pointer[segment[E]]
}

type segment[E any] struct {
	depth   uint // how many bits of the hash its elements have in common
	used    int  // slots that have a tag
	live    int  // slots that have an element
	buckets []bucket[E]
}

const (
	slotsPerBucket = 7
	fullBucket     = 5   // on average: with more, many a key would be in the next bucket
	maxBuckets     = 512 // of a segment: replacing one takes a fraction of a millisecond
)

type bucket[E any] struct {
	tags  atomic.Uint64 // a byte a slot, 0 if the slot was never used
	slots [slotsPerBucket]atomic.Pointer[E]
}

const (
	eachTag  = 0x00_01_01_01_01_01_01_01
	eachUsed = eachTag << 7 // the bit that tells a tag from an unused slot
)

// tagOf returns the tag of a hash.
func tagOf(hash uint64) uint64 { return hash&0x7f | 0x80 }

// matches returns a word with a bit in the byte of each slot that has the tag, and
// perhaps of some that don't.
func matches(tags, tag uint64) uint64 {
	x := tags ^ tag*eachTag
	return (x - eachTag) &^ x & eachUsed
}

// slotOf returns the slot of the lowest bit of a word of matches.
func slotOf(matches uint64) int { return bits.TrailingZeros64(matches) / 8 }

func newKeymap[E any]() *keymap[E] {
	m := new(keymap[E])
	m.init()
	return m
}

func (m *keymap[E]) init() {
	m.seed = maphash.MakeSeed()
	d := &directory[E]{shift: 64, segments: make([]atomic.Pointer[segment[E]], 1)}
	d.segments[0].Store(&segment[E]{buckets: make([]bucket[E], 1)})
	m.directory.Store(d)
}

func (m *keymap[E]) segment(hash uint64) *segment[E] {
	d := m.directory.Load()
	return d.segments[hash>>d.shift].Load()
}

// get returns the element of a key, or nil. It may be called at any time.
func (m *keymap[E]) get(key string) *E {
	hash := maphash.Comparable(m.seed, key)
	buckets := m.segment(hash).buckets
	tag, mask := tagOf(hash), len(buckets)-1
	for i := int(hash >> 7 & (maxBuckets - 1)); ; i++ {
		b := &buckets[i&mask]
		tags := b.tags.Load()
		for found := matches(tags, tag); found != 0; found &= found - 1 {
			if e := b.slots[slotOf(found)].Load(); e != nil && keyOf(e) == key {
				return e
			}
		}
		if tags&eachUsed != eachUsed {
			return nil
		}
	}
}

// locate returns the element of a key, or nil, and where it is.
func (m *keymap[E]) locate(key string) (*E, spot[E]) {
	hash := maphash.Comparable(m.seed, key)
	if e, slot := find(m.segment(hash), hash, key); e != nil {
		return e, spot[E]{slot, m.replaced}
	}
	return nil, spot[E]{}
}

// find returns the key's element and the slot that has it, or nil. By now the slot may
// have another.
func find[E any](s *segment[E], hash uint64, key string) (*E, *atomic.Pointer[E]) {
	tag, mask := tagOf(hash), len(s.buckets)-1
	for i := int(hash >> 7 & (maxBuckets - 1)); ; i++ {
		b := &s.buckets[i&mask]
		tags := b.tags.Load()
		for found := matches(tags, tag); found != 0; found &= found - 1 {
			slot := &b.slots[slotOf(found)]
			if e := slot.Load(); e != nil && keyOf(e) == key {
				return e, slot
			}
		}
		if tags&eachUsed != eachUsed {
			return nil, nil
		}
	}
}

// putAt is put for a key that was located.
func (m *keymap[E]) putAt(at spot[E], e *E) {
	if at.slot != nil && at.replaced == m.replaced {
		at.slot.Store(e)
		return
	}
	m.put(e)
}

// put sets the element of its key.
func (m *keymap[E]) put(e *E) {
	key := keyOf(e)
	hash := maphash.Comparable(m.seed, key)
	s := m.segment(hash)
	if _, slot := find(s, hash, key); slot != nil {
		slot.Store(e)
		return
	}
	for s.used >= len(s.buckets)*fullBucket {
		m.replace(s, hash)
		s = m.segment(hash)
	}
	s.add(hash, e)
}

// add puts an element into the first slot that has none.
func (s *segment[E]) add(hash uint64, e *E) {
	mask := len(s.buckets) - 1
	for i := int(hash >> 7 & (maxBuckets - 1)); ; i++ {
		b := &s.buckets[i&mask]
		for n := range b.slots {
			if b.slots[n].Load() != nil {
				continue
			}
			b.slots[n].Store(e)
			tags := b.tags.Load()
			if tags>>(8*n)&0xff == 0 {
				s.used++
			}
			b.tags.Store(tags&^(0xff<<(8*n)) | tagOf(hash)<<(8*n))
			s.live++
			return
		}
	}
}

// remove takes an element out, if it is the one that its key has.
func (m *keymap[E]) remove(e *E) {
	key := keyOf(e)
	hash := maphash.Comparable(m.seed, key)
	s := m.segment(hash)
	found, slot := find(s, hash, key)
	if found == nil || found != e {
		return
	}
	slot.Store(nil)
	s.live--
	if len(s.buckets) > 1 && s.live*4 < len(s.buckets)*slotsPerBucket {
		m.replace(s, hash)
	}
}

// replace puts another segment with room to grow in the place of one, or two if
// one would be too large. hash is of a key that belongs to it.
func (m *keymap[E]) replace(s *segment[E], hash uint64) {
	m.replaced++
	size := 1
	for size*fullBucket < s.live*2 {
		size *= 2
	}
	heirs := []*segment[E]{{depth: s.depth, buckets: make([]bucket[E], min(size, maxBuckets))}}
	if size > maxBuckets {
		heirs[0].depth++
		heirs = append(heirs, &segment[E]{depth: s.depth + 1, buckets: make([]bucket[E], maxBuckets)})
	}
	for e := range s.elements() {
		h := maphash.Comparable(m.seed, keyOf(e))
		heir := heirs[0]
		if len(heirs) == 2 && h<<s.depth>>63 == 1 {
			heir = heirs[1]
		}
		heir.add(h, e)
	}
	d := m.directory.Load()
	if len(heirs) == 2 && s.depth == 64-d.shift {
		d = d.double()
		m.directory.Store(d)
	}
	// The places of a segment are those whose index begins with its bits.
	places := 1 << (64 - d.shift - s.depth)
	first := int(hash>>d.shift) &^ (places - 1)
	for i := range places {
		d.segments[first+i].Store(heirs[i*len(heirs)/places])
	}
}

func (d *directory[E]) double() *directory[E] {
	doubled := &directory[E]{shift: d.shift - 1, segments: make([]atomic.Pointer[segment[E]], 2*len(d.segments))}
	for i := range doubled.segments {
		doubled.segments[i].Store(d.segments[i/2].Load())
	}
	return doubled
}

// elements yields the elements of a segment.
func (s *segment[E]) elements() iter.Seq[*E] {
	return func(yield func(*E) bool) {
		for i := range s.buckets {
			for n := range s.buckets[i].slots {
				if e := s.buckets[i].slots[n].Load(); e != nil && !yield(e) {
					return
				}
			}
		}
	}
}

// all yields the elements. One that comes or goes meanwhile may or may not be
// among them, and one that moves meanwhile may come twice.
func (m *keymap[E]) all() iter.Seq[*E] {
	return func(yield func(*E) bool) {
		var last *segment[E]
		d := m.directory.Load()
		for i := range d.segments {
			s := d.segments[i].Load()
			if s == last {
				continue
			}
			last = s
			for e := range s.elements() {
				if !yield(e) {
					return
				}
			}
		}
	}
}
