package codec

import (
	"math"
	"testing"
)

// due counts values of a ratio in percent, and returns after how many a trial is due; limit if after none.
func due(t *trend, percent, limit int) int {
	for n := range limit {
		if t.add(percent, 100) {
			return n + 1
		}
	}
	return limit
}

// A trial is due when the ratio has become worse, soon, or when the dictionary has served for long.
func TestTrendIsDue(t *testing.T) {
	steady := workloadTrend
	if n := due(&steady, 10, 100); n != workloadTrend.next {
		t.Errorf("due after %d values of the same ratio, want %d", n, workloadTrend.next)
	}
	changed := workloadTrend
	if n := due(&changed, 10, 20); n != 20 {
		t.Errorf("due after %d values of the same ratio", n)
	}
	if n := due(&changed, 50, 100); n > 3 {
		t.Errorf("due after %d values of a worse ratio", n)
	}
	changed.trial = new(trial)
	if n := due(&changed, 100, 1000); n != 1000 {
		t.Errorf("due after %d values during a trial", n)
	}
}

// Where rivals always lose, trials become rare, however much worse the ratio becomes.
func TestTrendLearnsFromLosing(t *testing.T) {
	tr := workloadTrend
	tr.next = math.MaxInt
	percent := 1
	due(&tr, percent, 20)
	for wait := 2 * workloadTrend.wait; wait < 1000; wait *= 2 {
		tr.begin(new(dictionary))
		tr.end()
		percent *= 2
		if n := due(&tr, percent, 10*wait); n < wait || n > wait+meanOver {
			t.Fatalf("due %d values after a trial, want some %d", n, wait)
		}
	}
}

// A dictionary that was succeeded rests; its successor begins with the ratio of the trial.
func TestTrendSucceeds(t *testing.T) {
	before := workloadTrend
	due(&before, 50, 20)
	before.begin(new(dictionary))
	before.trial.with, before.trial.wire = 30, 100
	after := before.succeed()
	if n := due(&before, 100, 10_000); n != 10_000 {
		t.Errorf("the one that was succeeded is due after %d values", n)
	}
	if after.trial != nil || after.mean != 0.3 || after.values != 20 {
		t.Errorf("the successor begins with %+v", after)
	}
	if n := due(&after, 30, 100); n != workloadTrend.next-20 {
		t.Errorf("the successor is due after %d values, want %d", n, workloadTrend.next-20)
	}
}

// A trial takes as many values as it was begun with, and is over with the last result.
func TestTrialTakes(t *testing.T) {
	tr := trend{values: 80, longest: 64}
	tr.begin(new(dictionary))
	const want = 80 / 8
	taken := 0
	for range 3 * want {
		if tr.trial.take() {
			taken++
		}
	}
	for n := range want {
		if over := tr.trial.add(1, 1, 1); over != (n == want-1) {
			t.Errorf("over %t after %d results of %d", over, n+1, want)
		}
	}
	var none *trial
	if taken != want || none.take() {
		t.Errorf("%d values are tried, want %d", taken, want)
	}
}

// A rival wins if it saves a twentieth, and what it takes itself.
func TestTrialIsWon(t *testing.T) {
	rival := &dictionary{plain: make([]byte, 10_000)}
	for _, test := range []struct {
		own, with, values int
		want              bool
	}{
		{4000, 3000, 1000, true},
		{4000, 3000, 4, false}, // 250 bytes for each of 32 values to come
		{4000, 3900, 100_000, false},
		{4000, 4000, 100_000, false},
		{4000, 5000, 100_000, false},
	} {
		tr := trial{rival: rival, values: 4, own: test.own, with: test.with}
		if got := tr.won(test.values); got != test.want {
			t.Errorf("%d bytes instead of %d, after %d values: won %t", test.with, test.own, test.values, got)
		}
	}
}
