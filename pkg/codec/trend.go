package codec

import "math"

// trend tells how well a dictionary does, and when it is time to try another one. There are two reasons: the
// ratio has become worse, as when a roll-out changes what the values look like; or the dictionary has served
// several times as many values as at the last trial, for the sample that it was made of may have been a poor
// one, such as a Pod before it ran.
type trend struct {
	values  int     // packed with the dictionary, and with those that it succeeded
	mean    float64 // of packed to wire size, over the last values
	settled float64 // mean at the end of the last trial; 0 before there was one
	next    int     // value at which a trial is due in any case
	factor  int     // by which next grows
	calm    int     // value before which a worse ratio is no reason
	wait    int     // values from a trial to calm; doubled whenever a rival loses
	longest int     // how many values a trial takes at most
	trial   *trial  // nil if there is none
}

const (
	meanOver = 16  // how many values count in the mean, roughly
	worse    = 1.3 // how much the mean has to grow to be worse
)

var (
	// A workload's values are alike: what is worse shows at once.
	workloadTrend = trend{next: 32, factor: 8, calm: 8, wait: 8, longest: shortestTrial}
	// The values that share a dictionary differ, but it soon needs more samples than the first. What it lacks in the
	// end is a sample of those that are rare: they have to come up in a trial.
	commonTrend = trend{next: 4, factor: 4, calm: 64, wait: 64, longest: 64}
)

// add counts a value, and tells whether a trial is due.
func (t *trend) add(packed, wire int) (due bool) {
	t.values++
	t.mean += (float64(packed)/float64(wire) - t.mean) / float64(min(t.values, meanOver))
	if t.trial != nil {
		return false
	}
	if t.settled == 0 && t.values >= t.calm {
		t.settled = t.mean
	}
	return t.values >= t.next || t.values >= t.calm && t.mean > worse*t.settled
}

// end ends a trial that the rival lost.
func (t *trend) end() {
	t.trial = nil
	t.settled = t.mean
	t.wait *= 2
	t.calm = t.values + t.wait
	for t.next <= t.values {
		t.next *= t.factor
	}
}

// succeed ends a trial that the rival won: it returns the rival's trend, and rests itself.
func (t *trend) succeed() trend {
	r := *t
	r.mean = float64(t.trial.with) / float64(t.trial.wire)
	r.wait /= 2
	r.end()
	t.trial, t.next, t.calm = nil, math.MaxInt, math.MaxInt
	return r
}

// begin begins a trial, which takes an eighth of the values that there were, within limits.
func (t *trend) begin(rival *dictionary) {
	t.trial = &trial{rival: rival, values: min(max(t.values/8, shortestTrial), t.longest)}
}

// shortestTrial is how many values a trial takes at least.
const shortestTrial = 4

// trial compares a dictionary with one that might take its place, on values that are packed with both.
type trial struct {
	rival           *dictionary // nil while it is made
	values          int         // that it takes
	taken, results  int
	own, with, wire int // bytes packed with the dictionary and with its rival, and in wire form
}

// take tells whether one more value has to be tried.
func (t *trial) take() bool {
	if t == nil || t.taken == t.values {
		return false
	}
	t.taken++
	return true
}

// add counts a result, and tells whether it was the last one.
func (t *trial) add(own, with, wire int) (over bool) {
	t.own += own
	t.with += with
	t.wire += wire
	t.results++
	return t.results == t.values
}

// payback is how many values to come a new dictionary may count on, for each one that came before it.
const payback = 8

// won tells whether the rival is worth having: it saves a twentieth, and as much as it takes itself.
func (t *trial) won(values int) bool {
	saved := t.own - t.with
	return saved*20 >= t.own && saved/t.values*values*payback >= t.rival.restSize()
}
