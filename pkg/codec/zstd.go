package codec

import (
	"errors"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdWindow is enough for a value that reaches back to the beginning of its dictionary. An encoder's memory
	// grows with it.
	zstdWindow = 2 * maxContent
	// zstdEncoderSize is what an encoder takes in memory, in bytes.
	zstdEncoderSize = 850 << 10
)

// zstdEngine shares decoders and encoders between dictionaries. A decoder is told its dictionary with each
// value. An encoder has large tables of the dictionary it was last used with: whoever has the same one gets
// it first.
type zstdEngine struct {
	decoders sync.Pool
	limit    int // of idle encoders

	mu   sync.Mutex
	idle []*zstdEncoder // the one that was used last is at the end
}

type zstdEncoder struct {
	*zstd.Encoder
	coder *zstdCoder // whose dictionary it has
}

// newZstdEngine returns an engine that spends so many bytes on encoders, but has at least one.
func newZstdEngine(encoderBytes int) *zstdEngine {
	return &zstdEngine{
		limit: max(1, encoderBytes/zstdEncoderSize),
		decoders: sync.Pool{New: func() any {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxBlock))
			if err != nil {
				panic(err) // the options are constants
			}
			return d
		}},
	}
}

func (*zstdEngine) encoderSize() int { return 0 }

func (e *zstdEngine) sharedSize() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.idle) * zstdEncoderSize
}

func (*zstdEngine) maxLen(n int) int { return n + n/128 + 64 }

func (*zstdEngine) wireLen(data []byte) (int, error) {
	var h zstd.Header
	if err := h.Decode(data); err != nil {
		return 0, err
	}
	if !h.HasFCS || h.FrameContentSize > maxBlock {
		return 0, errors.New("the frame does not tell its size")
	}
	return int(h.FrameContentSize), nil
}

func (e *zstdEngine) prepare(content []byte) coder {
	return &zstdCoder{engine: e, content: content}
}

// take returns an encoder that has the coder's dictionary.
func (e *zstdEngine) take(c *zstdCoder) *zstdEncoder {
	e.mu.Lock()
	at := slices.IndexFunc(e.idle, func(enc *zstdEncoder) bool { return enc.coder == c })
	if at < 0 && len(e.idle) >= e.limit {
		at = 0
	}
	var enc *zstdEncoder
	if at >= 0 {
		enc = e.idle[at]
		e.idle = slices.Delete(e.idle, at, at+1)
	}
	e.mu.Unlock()

	if enc == nil {
		return &zstdEncoder{Encoder: newZstdEncoder(c.content), coder: c}
	}
	if enc.coder != c {
		if err := enc.ResetWithOptions(nil, zstd.WithEncoderDictRaw(0, c.content)); err != nil {
			panic(err) // only a dictionary of gigabytes is refused
		}
		enc.coder = c
	}
	return enc
}

func (e *zstdEngine) giveBack(enc *zstdEncoder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.idle) == e.limit {
		e.idle = slices.Delete(e.idle, 0, 1)
	}
	e.idle = append(e.idle, enc)
}

func newZstdEncoder(content []byte) *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(0, content), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(zstdWindow), zstd.WithSingleSegment(true), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // the options are constants
	}
	return enc
}

type zstdCoder struct {
	engine  *zstdEngine
	content []byte
}

func (c *zstdCoder) encode(dst, src []byte) []byte {
	enc := c.engine.take(c)
	defer c.engine.giveBack(enc)
	return enc.EncodeAll(src, dst[:0])
}

func (c *zstdCoder) decode(dst, data []byte, n int) ([]byte, error) {
	d := c.engine.decoders.Get().(*zstd.Decoder)
	defer c.engine.decoders.Put(d)
	if err := d.ResetWithOptions(nil, zstd.WithDecoderDictRaw(0, c.content)); err != nil {
		return nil, err
	}
	return d.DecodeAll(data, slices.Grow(dst, n))
}
