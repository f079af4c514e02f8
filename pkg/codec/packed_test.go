package codec_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/larder-dev/larder/pkg/codec"
)

// Data that can be unpacked, but to another value, is damaged.
func TestOtherData(t *testing.T) {
	eachCompression(t, func(t *testing.T, c codec.Compression) {
		p := codec.NewPacker(codec.PackerOptions{Compression: c})
		sample := strings.Repeat("a sample of what comes ", 10)
		p.Pack([]byte(sample), "")
		one, other := p.Pack([]byte(sample+"one"), ""), p.Pack([]byte(sample+"another"), "")
		if _, err := codec.Unpack(nil, codec.Damage(one, codec.Data(other))); !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("another value: %v", err)
		}
	})
}

// What cannot be compressed takes no more than it is.
func TestIncompressible(t *testing.T) {
	eachCompression(t, func(t *testing.T, compression codec.Compression) {
		c := newCluster(newSeed(t), 1)
		p := codec.NewPacker(codec.PackerOptions{Compression: compression})
		overhead := p.Pack(nil, "").Size()
		p.Pack([]byte(c.hex(1000)), "")
		random := make([]byte, 1000)
		for i := range random {
			random[i] = byte(c.rand.Uint32())
		}
		packed := p.Pack(random, "w")
		if got := packed.Size() - overhead; got > len(random) {
			t.Errorf("%d random bytes take %d", len(random), got)
		}
		checkWire(t, packed, random)
	})
}

// The first value of a workload is a sample for the second, also if garbage was collected between them.
func TestFounderWaits(t *testing.T) {
	c := newCluster(newSeed(t), 1)
	p := codec.NewPacker(codec.PackerOptions{})
	common := c.hex(1000)
	p.Pack([]byte(common), "")
	wire := []byte(common + c.hex(1000))
	first := p.Pack(wire, "w")
	for range 3 {
		runtime.GC()
	}
	if second := p.Pack(wire, "w"); second.Size() > first.Size()/2 {
		t.Errorf("the first value takes %d bytes, and the same once more %d", first.Size(), second.Size())
	}
	runtime.KeepAlive(first)
}

// Workloads that come in turns are packed each with its own dictionary, though there is but one encoder for all.
func TestOneEncoder(t *testing.T) {
	c := newCluster(newSeed(t), 1)
	p := codec.NewPacker(codec.PackerOptions{Compression: codec.Zstd, ReadyBytes: 1})
	common := c.hex(1000)
	p.Pack([]byte(common), "")
	wires := [][]byte{[]byte(common + c.hex(1000)), []byte(common + c.hex(1000)), []byte(common + c.hex(1000))}
	for range 5 {
		for i, wire := range wires {
			checkWire(t, p.Pack(wire, fmt.Sprint(i)), wire)
		}
	}
}
