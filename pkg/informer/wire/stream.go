package wire

import (
	"bufio"
	"io"
	"math"
	"slices"
)

// unlimited is how much is left in a message that ends with the connection, in bytes.
const unlimited = math.MaxInt64

// stream reads fields of protobuf from a connection. Its errors are a readError, or say what is wrong with the bytes.
type stream struct {
	in   *bufio.Reader
	left uint64 // bytes in the message that is being read
	open bool   // the message ends with the connection
	long []byte // for what does not fit in's buffer
}

// next reads the tag of the next field, and its value unless it is bytes: then e.value is their length, and they
// are to be read next. There is no more at the end of the message.
func (s *stream) next(e *entry) (more bool, err error) {
	if s.left == 0 {
		return false, nil
	}
	if _, err := s.in.Peek(1); err == io.EOF && s.open {
		return false, nil
	}
	tag, err := s.uvarint()
	if err != nil {
		return false, err
	}
	if tag>>3 == 0 || tag>>3 > math.MaxInt32>>3 {
		return false, errTag
	}
	*e = entry{number: int(tag >> 3), wire: int(tag & 7)}
	switch e.wire {
	case wireVarint:
		e.value, err = s.uvarint()
	case wireFixed64:
		_, err = s.bytes(8)
	case wireFixed32:
		_, err = s.bytes(4)
	case wireBytes:
		if e.value, err = s.uvarint(); err == nil && e.value > s.left {
			err = errLength
		}
	default:
		err = errTag
	}
	return err == nil, err
}

// body returns the bytes of a field that next has read, valid until the next call; nil if it has none.
func (s *stream) body(e *entry) ([]byte, error) {
	if e.wire != wireBytes {
		return nil, nil
	}
	return s.bytes(int(e.value)) // at most left, which fits
}

func (s *stream) uvarint() (v uint64, err error) {
	for shift := uint(0); shift < 64; shift += 7 {
		if s.left == 0 {
			return 0, errLength
		}
		c, err := s.in.ReadByte()
		if err != nil {
			return 0, tooEarly(err)
		}
		s.left--
		if shift == 63 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, nil
		}
	}
	return 0, errVarint
}

// bytes reads n bytes, which are valid until the next call. What has not arrived takes no memory.
func (s *stream) bytes(n int) ([]byte, error) {
	if uint64(n) > s.left {
		return nil, errLength
	}
	s.left -= uint64(n)
	if n <= s.in.Size() {
		b, err := s.in.Peek(n)
		if err != nil {
			return nil, tooEarly(err)
		}
		_, _ = s.in.Discard(n) // they are there
		return b, nil
	}
	s.long = s.long[:0]
	for len(s.long) < n {
		have := len(s.long)
		chunk := min(n-have, max(have, readBuffer))
		s.long = slices.Grow(s.long, chunk)[:have+chunk]
		if _, err := io.ReadFull(s.in, s.long[have:]); err != nil {
			return nil, tooEarly(err)
		}
	}
	return s.long, nil
}
