package codec_test

import (
	"bytes"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/larder-dev/larder/pkg/codec"
)

// packedSeeds adds the packed data of some Pods, whole and cut, and returns a value with a dictionary to damage.
func packedSeeds(f *testing.F, compression codec.Compression) codec.Packed {
	f.Helper()
	c := newCluster(1, 1)
	p := codec.NewPacker(codec.PackerOptions{Compression: compression})
	var packed codec.Packed
	for _, pod := range c.send(f, c.turns(4)) {
		packed = p.Pack(pod.wire, pod.workload)
		data := codec.Data(packed)
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff\x0f"))
	return packed
}

// unpackAny unpacks data that was packed by nobody. It may be taken for something, if the hash agrees, but then
// always for the same; and the error for all else can be told.
func unpackAny(t *testing.T, template codec.Packed, data []byte) {
	t.Helper()
	damaged := codec.Damage(template, data)
	if _, err := codec.Unpack(nil, damaged); err != nil && !errors.Is(err, codec.ErrCorrupt) {
		t.Fatalf("%v is not ErrCorrupt", err)
	}
	readable, err := codec.Rehash(damaged)
	if err != nil {
		return
	}
	first, err := codec.Unpack(nil, readable)
	if err != nil {
		t.Fatal(err)
	}
	second, err := codec.Unpack([]byte("x"), readable)
	if err != nil || !bytes.Equal(first, second[1:]) || readable.Len() != len(first) {
		t.Fatalf("unpacked %d bytes, then %d; Len is %d; %v", len(first), len(second)-1, readable.Len(), err)
	}
}

func FuzzUnpackS2(f *testing.F) {
	template := packedSeeds(f, codec.S2)
	f.Fuzz(func(t *testing.T, data []byte) { unpackAny(t, template, data) })
}

func FuzzUnpackZstd(f *testing.F) {
	template := packedSeeds(f, codec.Zstd)
	f.Fuzz(func(t *testing.T, data []byte) { unpackAny(t, template, data) })
}

// Whatever is packed comes back, next to whatever was packed before it.
func FuzzPack(f *testing.F) {
	f.Add([]byte("one"), []byte("another"), "w")
	f.Add(bytes.Repeat([]byte("sample "), 40), bytes.Repeat([]byte("samples "), 40), "")
	f.Fuzz(func(t *testing.T, first, second []byte, workload string) {
		for _, compression := range compressions {
			p := codec.NewPacker(codec.PackerOptions{Compression: compression})
			a, b, again := p.Pack(first, workload), p.Pack(second, workload), p.Pack(first, workload)
			checkWire(t, a, first)
			checkWire(t, b, second)
			checkWire(t, again, first)
			if !codec.Equal(a, again) {
				t.Error("the same bytes are not equal")
			}
		}
	})
}

// decodeAny decodes bytes that need not be an object. What can be decoded can be encoded, and is then stable.
func decodeAny[T any](t *testing.T, c *codec.Codec[T], wire []byte) {
	t.Helper()
	value, err := c.Decode(c.Packer().Pack(wire, ""))
	if err != nil {
		if _, ok := errors.AsType[*codec.DecodeError](err); !ok {
			t.Fatalf("%v is not a DecodeError", err)
		}
		return
	}
	once, err := c.Encode(value)
	if err != nil {
		return // such as a number of JSON that is none of Go's
	}
	value, err = c.Decode(once)
	if err != nil {
		t.Fatal(err)
	}
	if twice, err := c.Encode(value); err != nil || !codec.Equal(once, twice) {
		t.Fatalf("an object changed when it was packed: %v", err)
	}
}

func FuzzDecodePod(f *testing.F) {
	c := newCodec[*corev1.Pod](f, codec.S2)
	cluster := newCluster(1, 1)
	f.Add(cluster.send(f, cluster.turns(1))[0].wire)
	f.Add([]byte("k8s\x00\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x00"))
	f.Add([]byte(`{"metadata":{"name":"a"}}`))
	f.Fuzz(func(t *testing.T, wire []byte) { decodeAny(t, c, wire) })
}

func FuzzDecodeUnstructured(f *testing.F) {
	c := newCodec[*unstructured.Unstructured](f, codec.S2)
	f.Add([]byte(`{"a":[1,1.0,-0.0,1e400,"\ud800",{"b":null}]}`))
	f.Fuzz(func(t *testing.T, wire []byte) { decodeAny(t, c, wire) })
}
