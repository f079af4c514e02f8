package wire

import (
	"encoding/binary"
	"slices"
)

// The fields of protobuf that lead to the managedFields of an object.
const (
	metadataField      = 1
	managedFieldsField = 17
)

// withoutManagedFields returns the bytes of an object, which were checked, without its managedFields. They are copied
// if there are any.
func withoutManagedFields(bare []byte, isJSON bool) []byte {
	if isJSON {
		return cutJSON(bare, "metadata", "managedFields")
	}
	var kept []byte
	var e entry
	from := 0 // where what is yet to be kept begins
	for i := 0; i < len(bare); {
		next, err := e.next(bare, i)
		if err != nil {
			return bare // it was checked
		}
		if e.number == metadataField { // of which there may be several, that count as one
			if metadata := cutEntries(e.body, managedFieldsField); len(metadata) < len(e.body) {
				kept = append(slices.Grow(kept, len(bare)-from), bare[from:i]...)
				kept = append(kept, metadataField<<3|wireBytes)
				kept = binary.AppendUvarint(kept, uint64(len(metadata)))
				kept = append(kept, metadata...)
				from = next
			}
		}
		i = next
	}
	if from == 0 {
		return bare
	}
	return append(kept, bare[from:]...)
}

// cutEntries returns a message without the fields of a number.
func cutEntries(message []byte, number int) []byte {
	var kept []byte
	var e entry
	from := 0 // where what is yet to be kept begins
	for i := 0; i < len(message); {
		next, err := e.next(message, i)
		if err != nil {
			return message
		}
		if e.number == number {
			kept = append(kept, message[from:i]...)
			from = next
		}
		i = next
	}
	if from == 0 {
		return message
	}
	return append(kept, message[from:]...)
}

// cutJSON returns an object without the member that a path leads to.
func cutJSON(b []byte, path ...string) []byte {
	p := parser{b: b}
	p.space()
	for depth, name := range path {
		begin, end, ok := p.find(name)
		if !ok {
			return b
		}
		if depth < len(path)-1 {
			continue // p is at the value
		}
		return slices.Concat(b[:begin], b[end:])
	}
	return b
}

// find looks for a member of the object at p, and leaves p at its value. begin and end are what has to be cut out for
// the object to lack it.
func (p *parser) find(name string) (begin, end int, ok bool) {
	if p.peek() != '{' {
		return 0, 0, false
	}
	p.i++
	comma := -1 // before the member
	for p.space(); p.peek() != '}'; p.space() {
		if p.peek() == ',' {
			comma = p.i
			p.i++
			p.space()
		}
		begin = p.i
		key, err := p.key()
		if err != nil {
			return 0, 0, false
		}
		at := p.i
		if err := p.value(nil, nil, 0); err != nil {
			return 0, 0, false
		}
		if string(key) != name {
			continue
		}
		end = p.i
		if comma >= 0 {
			begin = comma
		} else if p.space(); p.peek() == ',' {
			end = p.i + 1
		}
		p.i = at
		return begin, end, true
	}
	return 0, 0, false
}
