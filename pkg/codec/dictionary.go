package codec

import (
	"sync/atomic"
	"unsafe"
)

// dictionary is a sample of what values look like, with which others are compressed.
//
// At rest, the sample of a workload is itself packed with the common dictionary. Most often it is the very
// block that the workload's first value became, so that a workload costs little more than its values, even if
// it has but two. To be used, a dictionary is made warm: unpacked, with a coder. The cache bounds how many are.
//
// A dictionary lives as long as a block or another dictionary refers to it, or it is among those that were made
// or used last. Nobody has to say that it is no longer needed: the garbage collector finds out, and the ledger
// is told.
type dictionary struct {
	engine   engine
	cache    *cache
	workload uint64      // hash of its name; 0: the dictionary is common to all
	base     *dictionary // what sample is packed with; nil if the dictionary is plain
	sample   string      // packed, else empty
	plain    []byte      // not packed, else nil

	warm atomic.Pointer[warm] // nil while the dictionary is at rest
	used atomic.Bool          // since the cache last looked

	slot, cost int // the cache's

	trend trend // guarded by the Packer's lock
}

// warm is a dictionary that is ready to be used.
type warm struct {
	coder   coder
	encodes atomic.Bool
}

// restSize returns the bytes that the dictionary takes at rest.
func (d *dictionary) restSize() int {
	return int(unsafe.Sizeof(*d)) + len(d.sample) + cap(d.plain)
}

// ready returns the dictionary's coder. It takes no lock if the dictionary is warm.
func (d *dictionary) ready() (*warm, error) {
	if !d.used.Load() {
		d.used.Store(true)
	}
	if w := d.warm.Load(); w != nil {
		return w, nil
	}
	content := d.plain
	if d.base != nil {
		wire, err := d.base.unpack(nil, d.sample)
		if err != nil {
			return nil, err
		}
		content = sampleOf(wire)
	}
	return d.cache.admit(d, &warm{coder: d.engine.prepare(content)}, len(content)-len(d.plain)), nil
}

// unpack appends what data decodes to.
func (d *dictionary) unpack(dst []byte, data string) ([]byte, error) {
	w, err := d.ready()
	if err != nil {
		return nil, err
	}
	n, err := d.engine.wireLen(bytesOf(data))
	switch {
	case err != nil:
		return nil, errDamaged(err.Error())
	case n > maxBlock:
		return nil, errDamaged("it says that it is too large")
	}
	wire, err := w.coder.decode(dst, bytesOf(data), n)
	if err != nil {
		return nil, errDamaged(err.Error())
	}
	return wire, nil
}

// pack compresses wire into a buffer of the pool, which the caller gives back. It returns nil if that is not
// possible or does not make it smaller.
func (d *dictionary) pack(wire []byte, buf *buffer) []byte {
	if d == nil || len(wire) == 0 || len(wire) > maxBlock {
		return nil
	}
	w, err := d.ready()
	if err != nil {
		return nil
	}
	data := w.coder.encode(buf.sized(d.engine.maxLen(len(wire))), wire)
	if w.encodes.CompareAndSwap(false, true) {
		d.cache.grow(d, w, d.engine.encoderSize())
	}
	if len(data) >= len(wire) {
		return nil
	}
	return data
}
