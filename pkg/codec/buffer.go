package codec

import "sync"

// buffer is memory to work in, taken from a pool.
type buffer struct{ b []byte }

// keepBuffer is the largest buffer that goes back to the pool, in bytes.
const keepBuffer = 256 << 10

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func getBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) free() {
	if cap(b.b) <= keepBuffer {
		buffers.Put(b)
	}
}

// sized returns n bytes of any content.
func (b *buffer) sized(n int) []byte {
	if cap(b.b) < n {
		b.b = make([]byte, n, n+n/4)
	}
	return b.b[:n]
}
