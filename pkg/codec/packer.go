package codec

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// PackerOptions configure a [Packer]. The zero value is good.
type PackerOptions struct {
	// Compression is S2 or Zstd. Default: S2.
	Compression Compression

	// ReadyBytes is how much memory, in bytes, is spent on dictionaries that are ready for use: unpacked, and
	// with the tables that encoders need, which take 32 KB a workload with S2 and 850 KB with Zstd. Where
	// values of more workloads than fit come in turns, packing takes up to ten times as long. Default: 2 MiB
	// with S2, 3 MiB with Zstd; it fills up only if there are as many workloads.
	ReadyBytes int
}

// A Packer packs bytes. It is meant for one kind of object: what it has seen of a kind it uses to pack the
// next value. All methods are safe for concurrent use; values are compressed outside of any lock.
type Packer struct {
	engine engine
	cache  cache
	ledger *ledger

	values, wireBytes, packedBytes, renewals atomic.Uint64

	// mu guards what follows and the trends of all dictionaries. It comes before the locks of cache and ledger.
	mu      sync.Mutex
	common  *dictionary       // nil before the first value
	recent  last[*block]      // packed with the common dictionary: its successor is made of them
	founded last[*dictionary] // of workloads: they wait here for a second value, which holds on to them
}

// NewPacker returns a Packer that has seen nothing yet.
func NewPacker(opts PackerOptions) *Packer {
	p := &Packer{
		ledger: newLedger(),
		recent: last[*block]{limit: 64}, founded: last[*dictionary]{limit: 1024},
	}
	p.engine, p.cache.budget = newEngine(opts.Compression, opts.ReadyBytes)
	return p
}

const (
	// minSample is the shortest value that is worth being a sample, in bytes.
	minSample = 64
	// maxSample is how much of one value the common dictionary takes, in bytes.
	maxSample = maxContent / 4
)

// Pack packs bytes in wire form, and copies what it keeps of them. workload names what the value has its
// siblings in common with, as [WorkloadOf] does; it is empty for a value without siblings. Packing fails never:
// what cannot be compressed is kept as it is.
func (p *Packer) Pack(wire []byte, workload string) Packed {
	buf := getBuffer()
	defer buf.free()

	c := p.choose(workload)
	b := &block{hash: Hash(wire)}
	if data := c.dict.pack(wire, buf); data != nil {
		b.dict, b.data = c.dict, string(data)
	} else {
		b.data = string(wire)
	}
	p.values.Add(1)
	p.wireBytes.Add(uint64(len(wire)))
	p.packedBytes.Add(uint64(b.Size()))
	if len(wire) >= minSample {
		p.learn(c, wire, b, buf)
	}
	return b
}

// choice is what a value is packed with.
type choice struct {
	dict     *dictionary // nil for the very first value
	trial    *trial      // in which the value takes part, or nil
	workload uint64      // hash of its name
	founds   bool        // the value is the first of its workload
}

func (p *Packer) choose(workload string) choice {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := choice{dict: p.common}
	if workload != "" {
		c.workload = maphash.String(seed, workload)
		if d := p.ledger.find(c.workload); d != nil {
			c.dict = d
		} else {
			c.founds = true
		}
	}
	if c.dict != nil && c.dict.trend.trial.take() {
		c.trial = c.dict.trend.trial
	}
	return c
}

// learn draws the conclusions from a value that was packed.
func (p *Packer) learn(c choice, wire []byte, b *block, buf *buffer) {
	with := len(wire)
	if c.trial != nil {
		if data := c.trial.rival.pack(wire, buf); data != nil {
			with = len(data)
		}
	}
	if !p.account(c, wire, b, with) {
		return
	}
	var rival *dictionary
	if c.dict.workload == 0 {
		rival = p.blend()
	} else {
		rival = p.sample(c.dict.workload, wire, buf)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if rival == nil {
		c.dict.trend.end()
		return
	}
	c.dict.trend.begin(rival)
}

// account is learn's part under the lock. with is the value's size if packed with the rival. It tells whether
// a new trial is due, which is then the caller's to begin.
func (p *Packer) account(c choice, wire []byte, b *block, with int) (due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.dict == nil {
		if p.common == nil {
			p.common = p.register(&dictionary{plain: sampleOf(wire), trend: commonTrend}, nil)
		}
		return false
	}
	if c.dict.workload == 0 {
		p.recent.add(b)
	}
	if c.founds && b.dict != nil && p.ledger.find(c.workload) == nil {
		d := p.register(&dictionary{workload: c.workload, base: b.dict, sample: b.data, trend: workloadTrend}, b)
		p.ledger.adopt(c.workload, d)
		p.founded.add(d)
	}
	t := &c.dict.trend
	if c.trial != nil && c.trial.add(len(b.data), with, len(wire)) {
		p.conclude(c.dict)
	}
	if !t.add(len(b.data), len(wire)) {
		return false
	}
	t.trial = new(trial) // nobody else begins one
	return true
}

// conclude ends a dictionary's trial.
func (p *Packer) conclude(d *dictionary) {
	t := &d.trend
	rival := t.trial.rival
	if !t.trial.won(t.values) {
		t.end()
		p.cache.drop(rival)
		return
	}
	p.renewals.Add(1)
	rival.trend = t.succeed()
	p.cache.drop(d)
	if d.workload == 0 {
		p.common = rival
	} else {
		p.ledger.adopt(d.workload, rival)
	}
}

// sample returns a dictionary of one value.
func (p *Packer) sample(workload uint64, wire []byte, buf *buffer) *dictionary {
	p.mu.Lock()
	base := p.common
	p.mu.Unlock()
	if data := base.pack(wire, buf); data != nil {
		return p.register(&dictionary{workload: workload, base: base, sample: string(data)}, nil)
	}
	return p.register(&dictionary{workload: workload, plain: sampleOf(wire)}, nil)
}

// blend returns a dictionary of values that were packed with the common one of late, or nil if there are too few.
func (p *Packer) blend() *dictionary {
	p.mu.Lock()
	blocks := p.recent.list()
	p.mu.Unlock()

	values := make([][]byte, 0, len(blocks)) // the newest first
	for _, b := range slices.Backward(blocks) {
		if wire, err := b.appendTo(nil); err == nil {
			values = append(values, wire[:min(len(wire), maxSample)])
		}
	}
	samples := diverse(values, maxContent)
	if len(samples) < 2 {
		return nil
	}
	slices.Reverse(samples) // the newest last, where it is nearest
	return p.register(&dictionary{plain: sampleOf(slices.Concat(samples...))}, nil)
}

// register makes a new dictionary one of the Packer's. owner is the block that it shares its sample with, or nil.
func (p *Packer) register(d *dictionary, owner *block) *dictionary {
	d.engine, d.cache = p.engine, &p.cache
	p.ledger.add(d, owner)
	return d
}

// sampleOf returns a copy of what a dictionary can hold of wire, in the form in which S2 need not copy it again.
func sampleOf(wire []byte) []byte {
	wire = wire[:min(len(wire), maxContent)]
	return append(make([]byte, 0, len(wire)+16), wire...)
}
