package codec

// Stats are figures of a [Packer]. How many values are alive, and what they take, is known to who holds them:
// see the methods of [Packed].
type Stats struct {
	// Values is how many values were packed, WireBytes what they were in wire form, and PackedBytes what they
	// became, since the Packer was made.
	Values, WireBytes, PackedBytes uint64
	// Renewals is how many times a dictionary was replaced by a better one.
	Renewals uint64
	// Dictionaries is how many dictionaries there are, and DictionaryBytes what they take beside the values: a
	// sample counts as soon as it is no longer a value. One that nobody needs counts until the garbage collector
	// has freed it.
	Dictionaries, DictionaryBytes int
	// ReadyBytes is what is spent to have dictionaries ready for use. See [PackerOptions].
	ReadyBytes int
}

// Stats returns the figures of this moment.
func (p *Packer) Stats() Stats {
	s := Stats{
		Values: p.values.Load(), WireBytes: p.wireBytes.Load(), PackedBytes: p.packedBytes.Load(), Renewals: p.renewals.Load(),
		ReadyBytes: p.cache.bytes() + p.engine.sharedSize(),
	}
	s.Dictionaries, s.DictionaryBytes = p.ledger.size()
	return s
}
