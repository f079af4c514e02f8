package main

import (
	"bytes"
	"os"
	"testing"
)

// The chart of the documentation is the one that the benchmark draws, and shows what it is there to show: a neighbour
// that is noisy keeps the other waiting without fairness, and does not with it.
func TestNoisyNeighbour(t *testing.T) {
	for _, test := range []struct {
		name  string
		queue queue
		worst func(ms int) bool
	}{
		{"in order of arrival", larderQueue(), func(ms int) bool { return ms > 5_000 }},
		{"fair", fairQueue(), func(ms int) bool { return ms <= 2 }},
	} {
		worst := 0
		waits := noisyNeighbour.run(test.queue)
		for _, w := range waits {
			worst = max(worst, w.took)
		}
		if !test.worst(worst) || len(waits) < 250 {
			t.Errorf("%s: of %d items one waited for %d ms", test.name, len(waits), worst)
		}
	}
	drawn := noisyNeighbour.draw()
	if os.Getenv("UPDATE_CHART") != "" {
		if err := os.WriteFile(chart, drawn, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if file, err := os.ReadFile(chart); err != nil || !bytes.Equal(file, drawn) {
		t.Errorf("%s is another chart (%v): run UPDATE_CHART=1 go test -run NoisyNeighbour .", chart, err)
	}
}
