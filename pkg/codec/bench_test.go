package codec_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/larder-dev/larder/pkg/codec"
)

// What packing costs, beside what it saves. One run compares:
//
//	go test -run '^$' -bench . -benchmem ./pkg/codec

// Pods are packed in the order of a list; the metric is what one takes with its share of the dictionaries.
func BenchmarkPack(b *testing.B) {
	for _, compression := range compressions {
		for _, workloads := range []int{1, 500} {
			cluster := newCluster(1, workloads)
			pods := cluster.send(b, cluster.turns(20_000/workloads))
			b.Run(fmt.Sprintf("%s/workloads=%d", compression, workloads), func(b *testing.B) {
				var p *codec.Packer
				for i := 0; b.Loop(); i++ {
					if i%len(pods) == 0 {
						p = codec.NewPacker(codec.PackerOptions{Compression: compression})
					}
					p.Pack(pods[i%len(pods)].wire, pods[i%len(pods)].workload)
				}
				b.ReportMetric(heldBytes(b, compression, pods), "bytes/object")
			})
		}
	}
}

// A decoded Pod beside a copy of a decoded one.
func BenchmarkDecode(b *testing.B) {
	pods := newCluster(1, 20).pods(1000)
	for _, compression := range compressions {
		c := newCodec[*corev1.Pod](b, compression)
		packed := make([]codec.Packed, len(pods))
		for i, pod := range pods {
			var err error
			if packed[i], err = c.Encode(pod); err != nil {
				b.Fatal(err)
			}
		}
		b.Run("Unpack/"+string(compression), func(b *testing.B) {
			var wire []byte
			for i := 0; b.Loop(); i++ {
				var err error
				if wire, err = codec.Unpack(wire[:0], packed[i%len(packed)]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Decode/"+string(compression), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if _, err := c.Decode(packed[i%len(packed)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("Unmarshal", func(b *testing.B) {
		wires := make([][]byte, len(pods))
		for i, pod := range pods {
			wires[i] = wireOf(b, pod)
		}
		for i := 0; b.Loop(); i++ {
			if err := new(corev1.Pod).Unmarshal(wires[i%len(wires)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("DeepCopy", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if pods[i%len(pods)].DeepCopy() == nil {
				b.Fatal("no copy")
			}
		}
	})
}

// An object that is there as a Go value is encoded first.
func BenchmarkEncode(b *testing.B) {
	pods := newCluster(1, 20).pods(1000)
	for _, compression := range compressions {
		b.Run(string(compression), func(b *testing.B) {
			c := newCodec[*corev1.Pod](b, compression)
			for i := 0; b.Loop(); i++ {
				if _, err := c.Encode(pods[i%len(pods)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
