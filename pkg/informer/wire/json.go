package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// newJSONRoot returns the nodes of what is scanned from an object in JSON.
func newJSONRoot() *node {
	root := &node{}
	bit := uint32(1)
	add := func(n *node, name string, take func(*Meta, []byte) error) *node {
		child := n.below(name)
		child.take, child.bit = take, bit
		bit <<= 1
		return child
	}
	text := func(field func(*Meta) *[]byte) func(*Meta, []byte) error {
		return func(m *Meta, raw []byte) error { return takeText(field(m), raw) }
	}
	add(root, "apiVersion", text(func(m *Meta) *[]byte { return &m.apiVersion }))
	add(root, "kind", text(func(m *Meta) *[]byte { return &m.kind }))
	metadata := add(root, "metadata", takeObject)
	add(metadata, "name", text(func(m *Meta) *[]byte { return &m.Name }))
	add(metadata, "generateName", text(func(m *Meta) *[]byte { return &m.GenerateName }))
	add(metadata, "namespace", text(func(m *Meta) *[]byte { return &m.Namespace }))
	add(metadata, "uid", text(func(m *Meta) *[]byte { return &m.UID }))
	add(metadata, "resourceVersion", text(func(m *Meta) *[]byte { return &m.ResourceVersion }))
	add(metadata, "generation", takeGeneration)
	add(metadata, "creationTimestamp", func(m *Meta, raw []byte) error { return takeJSONTime(&m.CreationTimestamp, raw) })
	add(metadata, "deletionTimestamp", func(m *Meta, raw []byte) error { return takeJSONTime(&m.DeletionTimestamp, raw) })
	add(metadata, "labels", takeJSONLabels)
	add(metadata, "annotations", takeJSONAnnotations)
	add(metadata, "ownerReferences", takeJSONOwners)
	add(metadata, "managedFields", nil) // is there once, so that it can be cut out
	return root
}

var null = []byte("null")

// takeText sets the text that a JSON value is; null is none.
func takeText(text *[]byte, raw []byte) error {
	if bytes.Equal(raw, null) {
		return nil
	}
	if raw[0] != '"' {
		return errJSONType
	}
	*text = unquote(raw)
	return nil
}

func takeObject(_ *Meta, raw []byte) error {
	if raw[0] == '{' {
		return nil
	}
	return takeNull(raw)
}

// takeNull accepts null only.
func takeNull(raw []byte) error {
	if !bytes.Equal(raw, null) {
		return errJSONType
	}
	return nil
}

func takeGeneration(m *Meta, raw []byte) (err error) {
	if bytes.Equal(raw, null) {
		return nil
	}
	if m.Generation, err = strconv.ParseInt(string(raw), 10, 64); err != nil {
		return errJSONType
	}
	return nil
}

func takeJSONTime(t *time.Time, raw []byte) error {
	var text []byte
	if err := takeText(&text, raw); err != nil || text == nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errTimestamp
	}
	*t = at
	return nil
}

func takeJSONLabels(m *Meta, raw []byte) error {
	return eachMember(raw, func(key, value []byte) error {
		label := Label{Key: key, Value: []byte{}}
		if err := takeText(&label.Value, value); err != nil {
			return err
		}
		m.Labels = append(m.Labels, label)
		return nil
	})
}

func takeJSONAnnotations(m *Meta, raw []byte) error {
	return eachMember(raw, func(key, value []byte) error {
		var text []byte
		if err := takeText(&text, value); err != nil {
			return err
		}
		if string(key) == metav1.InitialEventsAnnotationKey {
			m.InitialEventsEnd = string(text) == "true"
		}
		return nil
	})
}

func takeJSONOwners(m *Meta, raw []byte) error {
	if raw[0] != '[' {
		return takeNull(raw)
	}
	p := parser{b: raw, i: 1}
	for p.space(); raw[p.i] != ']'; p.space() {
		if raw[p.i] == ',' {
			p.i++
			continue
		}
		owner, err := p.span(nil, nil, 0)
		if err != nil {
			return err
		}
		if err := takeJSONOwner(m, owner); err != nil {
			return err
		}
	}
	return nil
}

func takeJSONOwner(m *Meta, raw []byte) error {
	uid := []byte{} // not nil: it may be empty
	controller := false
	err := eachMember(raw, func(key, value []byte) error {
		switch string(key) {
		case "uid":
			return takeText(&uid, value)
		case "controller":
			controller = string(value) == "true"
		}
		return nil
	})
	if controller && m.Controller == nil {
		m.Controller = uid
	}
	return err
}

// eachMember calls f with the members of a valid object; null has none.
func eachMember(raw []byte, f func(key, value []byte) error) error {
	if raw[0] != '{' {
		return takeNull(raw)
	}
	p := parser{b: raw, i: 1}
	for p.space(); raw[p.i] != '}'; p.space() {
		if raw[p.i] == ',' {
			p.i++
			p.space()
		}
		key, err := p.key()
		if err != nil {
			return err
		}
		value, err := p.span(nil, nil, 0)
		if err != nil {
			return err
		}
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// unquote returns the text of a valid string. It aliases the string if nothing in it is escaped.
func unquote(raw []byte) []byte {
	if text := raw[1 : len(raw)-1]; bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return text
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return nil // it was valid
	}
	return []byte(text)
}

// scanJSON checks that b is one object in JSON, with nothing around it but space, and collects what is below the node.
func scanJSON(b []byte, meta *Meta, n *node) error {
	p := parser{b: b}
	p.space()
	if p.peek() != '{' {
		return errJSON
	}
	if err := p.value(meta, n, 0); err != nil {
		return err
	}
	if p.space(); p.i != len(b) {
		return errJSON
	}
	return nil
}

// parser reads JSON.
type parser struct {
	b []byte
	i int // where the next token begins
}

// peek returns the next byte, or 0 at the end, which is none of JSON's.
func (p *parser) peek() byte {
	if p.i < len(p.b) {
		return p.b[p.i]
	}
	return 0
}

func (p *parser) space() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// accept passes over a byte and the space around it.
func (p *parser) accept(c byte) error {
	p.space()
	if p.peek() != c {
		return errJSON
	}
	p.i++
	p.space()
	return nil
}

// span reads a value, and returns its bytes.
func (p *parser) span(meta *Meta, n *node, depth int) ([]byte, error) {
	begin := p.i
	if err := p.value(meta, n, depth); err != nil {
		return nil, err
	}
	return p.b[begin:p.i], nil
}

// value reads a value.
func (p *parser) value(meta *Meta, n *node, depth int) error {
	if depth >= maxDepth {
		return errDepth
	}
	switch p.peek() {
	case '{':
		return p.object(meta, n, depth+1)
	case '[':
		return p.array(meta, n, depth+1)
	case '"':
		begin := p.i
		if err := p.text(); err != nil {
			return err
		}
		if n != nil && len(n.fields) > 0 {
			meta.addValues(n.fields, unquote(p.b[begin:p.i]))
		}
		return nil
	case 't':
		return p.literal("true")
	case 'f':
		return p.literal("false")
	case 'n':
		return p.literal("null")
	default:
		return p.number()
	}
}

func (p *parser) object(meta *Meta, n *node, depth int) error {
	p.i++
	p.space()
	if p.peek() == '}' {
		p.i++
		return nil
	}
	for {
		raw, err := p.rawKey()
		if err != nil {
			return err
		}
		if err := p.member(meta, n.quoted(raw), depth); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			p.space()
		case '}':
			p.i++
			return nil
		default:
			return errJSON
		}
	}
}

// key reads the key of a member and the colon behind it.
func (p *parser) key() ([]byte, error) {
	raw, err := p.rawKey()
	if err != nil {
		return nil, err
	}
	return unquote(raw), nil
}

// rawKey is key for the key in its quotes.
func (p *parser) rawKey() ([]byte, error) {
	if p.peek() != '"' {
		return nil, errJSON
	}
	begin := p.i
	if err := p.text(); err != nil {
		return nil, err
	}
	end := p.i
	return p.b[begin:end], p.accept(':')
}

// member reads the value of a member whose key leads to a node.
func (p *parser) member(meta *Meta, n *node, depth int) error {
	if n == nil {
		return p.value(nil, nil, depth)
	}
	if meta.seen&n.bit != 0 {
		return errJSONTwice
	}
	meta.seen |= n.bit
	raw, err := p.span(meta, n, depth)
	if err != nil || n.take == nil {
		return err
	}
	return n.take(meta, raw)
}

func (p *parser) array(meta *Meta, n *node, depth int) error {
	p.i++
	p.space()
	if p.peek() == ']' {
		p.i++
		return nil
	}
	for {
		if err := p.value(meta, n, depth); err != nil {
			return err
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			p.space()
		case ']':
			p.i++
			return nil
		default:
			return errJSON
		}
	}
}

// text reads a string.
func (p *parser) text() error {
	for i := p.i + 1; i < len(p.b); i++ {
		switch c := p.b[i]; {
		case c == '"':
			p.i = i + 1
			return nil
		case c < ' ':
			return errJSON
		case c == '\\':
			n := escape(p.b[i+1:])
			if n == 0 {
				return errJSON
			}
			i += n
		}
	}
	return errJSON
}

// escape returns the length of what follows a backslash, or 0 if it is wrong.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(b) < 5 {
			return 0
		}
		for _, c := range b[1:5] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 5
	}
	return 0
}

func (p *parser) literal(text string) error {
	if !bytes.HasPrefix(p.b[p.i:], []byte(text)) {
		return errJSON
	}
	p.i += len(text)
	return nil
}

// number reads a number, or finds that there is no value.
func (p *parser) number() error {
	begin := p.i
	if p.peek() == '-' {
		p.i++
	}
	if p.peek() == '0' {
		p.i++
	} else if p.digits() == 0 {
		return errJSON
	}
	if p.peek() == '.' {
		p.i++
		if p.digits() == 0 {
			return errJSON
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.i++
		if c := p.peek(); c == '+' || c == '-' {
			p.i++
		}
		if p.digits() == 0 {
			return errJSON
		}
	} else if p.i-begin < 300 {
		return nil // fits a float64
	}
	if _, err := strconv.ParseFloat(string(p.b[begin:p.i]), 64); err != nil {
		return errJSON
	}
	return nil
}

func (p *parser) digits() int {
	begin := p.i
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.i++
	}
	return p.i - begin
}
