package codec

import (
	"cmp"
	"slices"

	"github.com/klauspost/compress/s2"
)

// Compression is how values are compressed. It prints as its name.
type Compression string

const (
	// S2 is fast: a Pod of 8 KB takes some 4 us to pack and 1 us to unpack. The default.
	S2 Compression = "s2"
	// Zstd makes blocks a third smaller, and takes about ten times as long.
	Zstd Compression = "zstd"
)

const (
	// maxContent is how much of a dictionary S2 can use, in bytes.
	maxContent = s2.MaxDictSize
	// maxBlock is the largest value that is compressed, in bytes. Damaged data cannot make a reader allocate
	// more than that.
	maxBlock = 16 << 20
)

// engine is a way to compress with a dictionary. It is safe for concurrent use.
type engine interface {
	// prepare makes what is needed to work with a dictionary. It may retain content.
	prepare(content []byte) coder
	// wireLen returns the length of what data decodes to.
	wireLen(data []byte) (int, error)
	// maxLen is the length that dst needs to encode n bytes.
	maxLen(n int) int
	// encoderSize is what a coder takes in memory more once it has encoded, in bytes.
	encoderSize() int
	// sharedSize is what encoders take that are no coder's own, in bytes.
	sharedSize() int
}

// coder works with one dictionary. It is safe for concurrent use.
type coder interface {
	// encode returns src in compressed form; it may use dst's memory.
	encode(dst, src []byte) []byte
	// decode appends to dst what data decodes to, which is n bytes. It takes no lock.
	decode(dst, data []byte, n int) ([]byte, error)
}

// newEngine returns an engine, and what is left for coders of the bytes that may be spent to be ready.
func newEngine(c Compression, ready int) (e engine, left int) {
	if c != Zstd {
		return s2Engine{}, cmp.Or(max(ready, 0), 2<<20)
	}
	ready = cmp.Or(max(ready, 0), 3<<20)
	return newZstdEngine(ready / 4 * 3), ready / 4
}

type s2Engine struct{}

// An s2.Dict makes a table of 32 KB when it first encodes.
func (s2Engine) encoderSize() int { return 32<<10 + 256 }

func (s2Engine) sharedSize() int { return 0 }

func (s2Engine) maxLen(n int) int { return s2.MaxEncodedLen(n) }

func (s2Engine) wireLen(data []byte) (int, error) { return s2.DecodedLen(data) }

func (s2Engine) prepare(content []byte) coder { return s2Coder{s2.MakeDict(content, nil)} }

type s2Coder struct{ dict *s2.Dict }

func (c s2Coder) encode(dst, src []byte) []byte { return c.dict.Encode(dst, src) }

func (c s2Coder) decode(dst, data []byte, n int) ([]byte, error) {
	dst = slices.Grow(dst, n)
	wire, err := c.dict.Decode(dst[len(dst):len(dst)+n], data)
	if err != nil {
		return nil, err
	}
	return dst[:len(dst)+len(wire)], nil
}
