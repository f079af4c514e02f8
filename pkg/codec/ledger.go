package codec

import (
	"runtime"
	"sync"
	"weak"
)

// ledger knows which dictionary each workload has, and how many dictionaries there are. It keeps none of them
// alive, and learns from the runtime when one is gone. For that to happen, nothing that it refers to may refer
// to a dictionary.
type ledger struct {
	mu      sync.Mutex
	current map[uint64]weak.Pointer[dictionary] // by the hash of the workload
	count   int
	bytes   int // at rest
}

func newLedger() *ledger {
	return &ledger{current: make(map[uint64]weak.Pointer[dictionary])}
}

// entry is what the ledger has to know about a dictionary that is gone.
type entry struct {
	workload uint64
	dict     weak.Pointer[dictionary]
	bytes    int
	gone     bool
}

// add counts a new dictionary. owner is the block whose data is the dictionary's sample, or nil: the sample counts
// for the dictionary only when the block is gone.
func (l *ledger) add(d *dictionary, owner *block) {
	e := &entry{workload: d.workload, dict: weak.Make(d), bytes: d.restSize()}
	if owner != nil {
		e.bytes -= len(d.sample)
		runtime.AddCleanup(owner, func(sample int) { l.inherit(e, sample) }, len(d.sample))
	}
	l.mu.Lock()
	l.count++
	l.bytes += e.bytes
	l.mu.Unlock()
	runtime.AddCleanup(d, l.forget, e)
}

// inherit makes a sample count for the dictionary.
func (l *ledger) inherit(e *entry, sample int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !e.gone {
		e.bytes += sample
		l.bytes += sample
	}
}

func (l *ledger) forget(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.gone = true
	l.count--
	l.bytes -= e.bytes
	if l.current[e.workload] == e.dict {
		delete(l.current, e.workload)
	}
}

// find returns a workload's dictionary, or nil.
func (l *ledger) find(workload uint64) *dictionary {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current[workload].Value()
}

// adopt makes a dictionary that of a workload.
func (l *ledger) adopt(workload uint64, d *dictionary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current[workload] = weak.Make(d)
}

func (l *ledger) size() (count, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count, l.bytes
}
