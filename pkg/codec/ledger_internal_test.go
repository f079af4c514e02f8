package codec

import (
	"runtime"
	"testing"
	"weak"
)

// A sample counts once: for the block that it came with, and for the dictionary when the block is gone.
func TestLedgerCountsSamplesOnce(t *testing.T) {
	l := newLedger()
	owner := &block{data: "sample"}
	d := &dictionary{workload: 1, sample: owner.data}
	l.add(d, owner)
	if count, bytes := l.size(); count != 1 || bytes != d.restSize()-len(d.sample) {
		t.Errorf("%d dictionaries take %d bytes beside the block, want one of %d", count, bytes, d.restSize()-len(d.sample))
	}
	alone := &dictionary{plain: make([]byte, 100)}
	l.add(alone, nil)
	if count, bytes := l.size(); count != 2 || bytes != d.restSize()-len(d.sample)+alone.restSize() {
		t.Errorf("%d dictionaries take %d bytes", count, bytes)
	}
	runtime.KeepAlive(owner)
	runtime.KeepAlive(d)
	runtime.KeepAlive(alone)
}

// Whichever of a dictionary and the block with its sample goes first, nothing of both is counted in the end.
func TestLedgerForgets(t *testing.T) {
	for name, blockFirst := range map[string]bool{"block first": true, "dictionary first": false} {
		l := newLedger()
		d := &dictionary{workload: 1}
		e := &entry{workload: 1, dict: weak.Make(d), bytes: 10}
		l.count, l.bytes = 1, 10
		l.adopt(1, d)
		if blockFirst {
			l.inherit(e, 6)
			if _, bytes := l.size(); bytes != 16 {
				t.Errorf("%s: %d bytes with the sample, want 16", name, bytes)
			}
			l.forget(e)
		} else {
			l.forget(e)
			l.inherit(e, 6)
		}
		if count, bytes := l.size(); count != 0 || bytes != 0 || len(l.current) != 0 {
			t.Errorf("%s: %d dictionaries of %d bytes for %d workloads are left", name, count, bytes, len(l.current))
		}
	}
}

// A dictionary that goes when its workload has another one leaves that in place.
func TestLedgerKeepsSuccessor(t *testing.T) {
	l := newLedger()
	before, after := &dictionary{workload: 1}, &dictionary{workload: 1}
	l.adopt(1, before)
	l.adopt(1, after)
	l.forget(&entry{workload: 1, dict: weak.Make(before)})
	if l.find(1) != after {
		t.Error("the workload has lost its dictionary")
	}
	runtime.KeepAlive(after)
}
