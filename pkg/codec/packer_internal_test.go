package codec

import (
	"runtime"
	"strings"
	"testing"
)

// decide has a Packer conclude a trial in which the rival packs to so many bytes where the dictionary takes 1000.
func decide(t *testing.T, with int) (p *Packer, d, rival *dictionary) {
	t.Helper()
	p = NewPacker(PackerOptions{})
	d = p.register(&dictionary{workload: 1, plain: sampleOf([]byte(strings.Repeat("sample ", 20))), trend: workloadTrend}, nil)
	rival = p.register(&dictionary{workload: 1, plain: sampleOf([]byte(strings.Repeat("rival ", 20)))}, nil)
	p.ledger.adopt(1, d)
	for _, d := range []*dictionary{d, rival} {
		if _, err := d.ready(); err != nil {
			t.Fatal(err)
		}
	}
	due(&d.trend, 50, 20)
	d.trend.begin(rival)
	for d.trend.trial.take() {
		d.trend.trial.add(1000, with, 2000)
	}
	p.conclude(d)
	return p, d, rival
}

// A rival that wins is the dictionary of its workload, and has the trend; the other one is no longer ready.
func TestRivalWins(t *testing.T) {
	p, d, rival := decide(t, 100)
	if p.ledger.find(1) != rival || p.Stats().Renewals != 1 {
		t.Error("the workload has not got the dictionary that won")
	}
	if rival.trend.values != 20 || rival.trend.trial != nil || d.trend.trial != nil {
		t.Errorf("the trend of the winner is %+v", rival.trend)
	}
	if d.warm.Load() != nil || rival.warm.Load() == nil {
		t.Error("not the winner is ready")
	}
}

// A rival that loses is let go of, and nothing else happens.
func TestRivalLoses(t *testing.T) {
	p, d, rival := decide(t, 1000)
	if p.ledger.find(1) != d || p.Stats().Renewals != 0 || d.trend.trial != nil {
		t.Error("the workload has another dictionary, or the trial goes on")
	}
	if d.warm.Load() == nil || rival.warm.Load() != nil {
		t.Error("not the winner is ready")
	}
}

// Of two values that are the first of their workload at a time, one is its dictionary.
func TestWorkloadIsFoundedOnce(t *testing.T) {
	p := NewPacker(PackerOptions{})
	wire := []byte(strings.Repeat("a value like any other ", 20))
	p.Pack(wire, "")
	var choices []choice
	for range 2 {
		choices = append(choices, p.choose("w"))
	}
	var first *dictionary
	for _, c := range choices {
		var buf buffer
		b := &block{dict: c.dict, data: string(c.dict.pack(wire, &buf))}
		p.learn(c, wire, b, &buf)
		if first == nil {
			first = p.ledger.find(c.workload)
		}
	}
	if got := p.ledger.find(choices[0].workload); got != first || p.Stats().Dictionaries != 2 {
		t.Errorf("%d dictionaries, want the common one and one of the workload", p.Stats().Dictionaries)
	}
	runtime.KeepAlive(first)
}
