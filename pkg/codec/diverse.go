package codec

import (
	"slices"

	"github.com/klauspost/compress/s2"
)

// diverse chooses values that stand for all of them, of so many bytes in all: the first one, and then, time and
// again, the one that is packed worst by those that are chosen. So each kind of value gets its sample before any
// gets a second one, however many values there are of it.
//
// It packs every value with every one that it chooses, with S2 whatever the compression: what values have in
// common does not depend on it.
func diverse(values [][]byte, limit int) [][]byte {
	least := make([]int, len(values)) // the size to which the best of those chosen packs each value
	for i, v := range values {
		least[i] = len(v)
	}
	var chosen [][]byte
	var buf buffer
	for next := 0; next < len(values) && least[next] > 0; next = slices.Index(least, slices.Max(least)) {
		least[next] = 0
		sample := values[next]
		if len(sample) > limit {
			continue
		}
		limit -= len(sample)
		chosen = append(chosen, sample)
		dict := s2.MakeDict(sampleOf(sample), nil)
		for i, v := range values {
			if dict != nil && least[i] > 0 {
				least[i] = min(least[i], len(dict.Encode(buf.sized(s2.MaxEncodedLen(len(v))), v)))
			}
		}
	}
	return chosen
}
