package codec

import (
	"hash/maphash"
	"unsafe"
)

// Packed is a value in packed form; it is the same type as store.Packed. Only this package makes those that
// it can unpack. It is immutable, safe for concurrent use, and keeps the dictionary alive that it needs.
type Packed = interface {
	// Size returns the bytes of memory that it takes, without its dictionary.
	Size() int
	// Len returns the bytes of the wire form.
	Len() int
	// Hash returns the [Hash] of the wire form.
	Hash() uint64
}

// seed keeps those who choose the content of objects from choosing their hashes.
var seed = maphash.MakeSeed()

// Hash returns the hash by which packed values can be compared with bytes in wire form, and with each other:
// different hashes mean different bytes; for equal ones, the chance that the bytes differ is 2^-64. It is
// another one in every process.
func Hash(wire []byte) uint64 { return maphash.Bytes(seed, wire) }

// Equal tells by their hashes whether two packed values came from the same bytes. It decodes nothing.
func Equal(a, b Packed) bool { return a.Hash() == b.Hash() }

// block is what a Packed is.
type block struct {
	dict *dictionary // nil: data is the wire form as it is
	data string
	hash uint64
}

func (b *block) Size() int { return int(unsafe.Sizeof(*b)) + len(b.data) }

func (b *block) Hash() uint64 { return b.hash }

func (b *block) Len() int {
	if b.dict == nil {
		return len(b.data)
	}
	n, err := b.dict.engine.wireLen(bytesOf(b.data))
	if err != nil {
		return 0
	}
	return n
}

// Unpack appends the wire form of p to dst, which may be nil, and returns the extended slice. It takes no
// lock, unless p's dictionary was out of use and has to be unpacked first. It is [ErrForeign] for a Packed
// that this package did not make, and [ErrCorrupt] if its data is damaged.
func Unpack(dst []byte, p Packed) ([]byte, error) {
	b, ok := p.(*block)
	if !ok || b == nil {
		return dst, ErrForeign
	}
	wire, err := b.appendTo(dst)
	if err != nil {
		return dst, err
	}
	if Hash(wire[len(dst):]) != b.hash {
		return dst, errDamaged("its hash does not match")
	}
	return wire, nil
}

// appendTo is Unpack without the check of the hash.
func (b *block) appendTo(dst []byte) ([]byte, error) {
	if b.dict == nil {
		return append(dst, b.data...), nil
	}
	return b.dict.unpack(dst, b.data)
}

// bytesOf returns the bytes of s without copying them. They must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
