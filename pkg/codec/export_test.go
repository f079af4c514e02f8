package codec

// IsMessage tells whether the wire form of a type is protobuf.
var IsMessage = isMessage

// Damage returns p with other data.
func Damage(p Packed, data []byte) Packed {
	b := *p.(*block)
	b.data = string(data)
	return &b
}

// Data returns the packed data of p.
func Data(p Packed) []byte { return []byte(p.(*block).data) }

// Rehash returns p with the hash that its data calls for, if it can be unpacked.
func Rehash(p Packed) (Packed, error) {
	b := *p.(*block)
	wire, err := b.appendTo(nil)
	b.hash = Hash(wire)
	return &b, err
}
