package wire

import (
	"bytes"
	"math"

	"k8s.io/apimachinery/pkg/runtime"
)

// The wire types of protobuf that objects use. Groups are not among them.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// maxDepth is how deep messages and JSON may be nested; encoding/json has the same limit.
const maxDepth = 10_000

// entry is one field as it is on the wire.
type entry struct {
	number int
	wire   int
	value  uint64 // of a varint, or the length of the body
	body   []byte // of bytes; aliases the message
}

// next reads the field that begins at i, and returns where the one after it begins. It is stricter than generated
// code, in that a length must be kept by what is inside it and a varint must fit 64 bits.
func (e *entry) next(b []byte, i int) (int, error) {
	tag, i := uvarint(b, i)
	if i < 0 {
		return 0, errVarint
	}
	if tag>>3 == 0 || tag>>3 > math.MaxInt32>>3 {
		return 0, errTag
	}
	e.number, e.wire = int(tag>>3), int(tag&7)
	e.body, e.value = nil, 0
	if e.wire <= wireBytes && e.wire != wireFixed64 {
		if e.value, i = uvarint(b, i); i < 0 {
			return 0, errVarint
		}
	}
	switch e.wire {
	case wireVarint:
	case wireBytes:
		if e.value > uint64(len(b)-i) {
			return 0, errLength
		}
		end := i + int(e.value)
		e.body = b[i:end]
		return end, nil
	case wireFixed64:
		i += 8
	case wireFixed32:
		i += 4
	default:
		return 0, errTag
	}
	if i > len(b) {
		return 0, errLength
	}
	return i, nil
}

// uvarint reads the varint at i, and returns the place behind it, or -1 if there is none.
func uvarint(b []byte, i int) (uint64, int) {
	if i < len(b) && b[i] < 0x80 {
		return uint64(b[i]), i + 1
	}
	return longUvarint(b, i)
}

// longUvarint is apart so that uvarint is inlined.
//
//go:noinline
func longUvarint(b []byte, i int) (v uint64, next int) {
	for shift := uint(0); shift < 64 && i < len(b); shift += 7 {
		c := b[i]
		i++
		if shift == 63 && c > 1 {
			return 0, -1
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, i
		}
	}
	return 0, -1
}

// magic begins an object in an envelope.
var magic = []byte("k8s\x00")

// envelope is a runtime.Unknown: what the bytes of an object are. Its fields alias the bytes.
type envelope struct {
	apiVersion, kind, raw []byte
}

// open reads the envelope that b, which begins with the magic, is.
func (v *envelope) open(b []byte) error {
	content, ok := bytes.CutPrefix(b, magic)
	if !ok {
		return errEnvelope
	}
	*v = envelope{}
	var e entry
	for i := 0; i < len(content); {
		var err error
		if i, err = e.next(content, i); err != nil {
			return err
		}
		if err := v.take(&e); err != nil {
			return err
		}
	}
	return nil
}

// take looks at a field of the envelope.
func (v *envelope) take(e *entry) error {
	if e.number >= 1 && e.number <= 4 && e.wire != wireBytes {
		return errWireType
	}
	switch e.number {
	case 1:
		return v.takeTypeMeta(e.body)
	case 2:
		v.raw = e.body
	case 3:
		if len(e.body) > 0 {
			return errEncoding
		}
	case 4:
		if len(e.body) > 0 && string(e.body) != runtime.ContentTypeProtobuf {
			return errEncoding
		}
	}
	return nil
}

func (v *envelope) takeTypeMeta(b []byte) error {
	var e entry
	for i := 0; i < len(b); {
		var err error
		if i, err = e.next(b, i); err != nil {
			return err
		}
		if e.number > 2 {
			continue
		}
		if e.wire != wireBytes {
			return errWireType
		}
		if e.number == 1 {
			v.apiVersion = e.body
		} else {
			v.kind = e.body
		}
	}
	return nil
}
