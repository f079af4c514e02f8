package wire

import (
	"errors"
	"io"
	"slices"
)

// jsonStream reads the values of one object in JSON from a connection. It only finds where values end: whether they
// are JSON is for others to check. Its errors are a readError, or say what is wrong with the bytes.
type jsonStream struct {
	in  io.Reader
	b   []byte // what was read and is still needed
	i   int    // where the next token begins
	eof error  // what ended the connection; nil while it goes on
}

// fill reads more, and forgets what is before from, which becomes 0.
func (s *jsonStream) fill(from int) error {
	if s.eof != nil {
		return s.eof
	}
	s.b = append(s.b[:0], s.b[from:]...)
	s.i -= from
	s.b = slices.Grow(s.b, readBuffer/2)
	n, err := s.in.Read(s.b[len(s.b):cap(s.b)])
	s.b = s.b[:len(s.b)+n]
	if n > 0 {
		err = nil // comes again
	}
	s.eof = err
	return err
}

// token passes over space, and returns the byte that a token begins with.
func (s *jsonStream) token() (byte, error) {
	for {
		for ; s.i < len(s.b); s.i++ {
			switch s.b[s.i] {
			case ' ', '\t', '\n', '\r':
			default:
				return s.b[s.i], nil
			}
		}
		if err := s.fill(s.i); err != nil {
			return 0, tooEarly(err)
		}
	}
}

// accept passes over a byte.
func (s *jsonStream) accept(c byte) error {
	got, err := s.token()
	if err == nil && got != c {
		err = errJSON
	}
	s.i++
	return err
}

// value returns the bytes of the next value, which are valid until the next call.
func (s *jsonStream) value() ([]byte, error) {
	if _, err := s.token(); err != nil {
		return nil, err
	}
	var end ending
	at := s.i
	for {
		n := end.find(s.b[at:])
		if n >= 0 {
			begin := s.i
			if s.i = at + n; s.i == begin {
				return nil, errJSON
			}
			return s.b[begin:s.i], nil
		}
		at = len(s.b) - s.i
		if err := s.fill(s.i); err != nil {
			return nil, tooEarly(err)
		}
	}
}

// ending finds the end of a value.
type ending struct {
	depth             int
	inText, isEscaped bool
}

// find returns where in b, or -1 if it is not there. The next call continues behind b.
func (e *ending) find(b []byte) int {
	for i, c := range b {
		switch {
		case e.isEscaped:
			e.isEscaped = false
		case e.inText:
			switch c {
			case '\\':
				e.isEscaped = true
			case '"':
				if e.inText = false; e.depth == 0 {
					return i + 1
				}
			}
		case c == '"':
			e.inText = true
		case c == '{', c == '[':
			e.depth++
		case c == '}', c == ']':
			if e.depth == 0 {
				return i // of a number or a literal
			}
			if e.depth--; e.depth == 0 {
				return i + 1
			}
		case e.depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			return i
		}
	}
	return -1
}

// members reads an object to the end of the stream. f has to read the value of the key.
func (s *jsonStream) members(f func(key string) error) error {
	err := s.accept('{')
	if err != nil {
		return err
	}
	for c, err := s.token(); c != '}' || err != nil; c, err = s.token() {
		if err != nil {
			return err
		}
		key, err := s.key()
		if err == nil {
			err = f(key)
		}
		if err == nil {
			err = s.comma('}')
		}
		if err != nil {
			return err
		}
	}
	s.i++
	return s.end()
}

// end checks that nothing but space is left.
func (s *jsonStream) end() error {
	_, err := s.token()
	switch {
	case err == nil:
		return errJSON
	case errors.Is(s.eof, io.EOF):
		return nil
	}
	return err
}

// key reads a key and the colon behind it.
func (s *jsonStream) key() (string, error) {
	raw, err := s.value()
	if err != nil {
		return "", err
	}
	if raw[0] != '"' {
		return "", errJSON
	}
	if err := scanValue(raw); err != nil {
		return "", err
	}
	return string(unquote(raw)), s.accept(':')
}

// comma passes over a comma with another value behind it, or stays before the end.
func (s *jsonStream) comma(end byte) error {
	switch c, err := s.token(); {
	case err != nil:
		return err
	case c == end:
		return nil
	case c != ',':
		return errJSON
	}
	s.i++
	if c, err := s.token(); err != nil || c != end {
		return err
	}
	return errJSON
}

// elements reads an array, or null, and calls f with each element.
func (s *jsonStream) elements(f func(raw []byte) error) error {
	c, err := s.token()
	if err != nil {
		return err
	}
	if c != '[' {
		raw, err := s.value()
		if err == nil {
			err = takeNull(raw)
		}
		return err
	}
	s.i++
	for c, err := s.token(); c != ']' || err != nil; c, err = s.token() {
		if err != nil {
			return err
		}
		raw, err := s.value()
		if err == nil {
			err = f(raw)
		}
		if err == nil {
			err = s.comma(']')
		}
		if err != nil {
			return err
		}
	}
	s.i++
	return nil
}

// scanValue checks that b is one value in JSON.
func scanValue(b []byte) error {
	p := parser{b: b}
	if err := p.value(nil, nil, 0); err != nil {
		return err
	}
	if p.i != len(b) {
		return errJSON
	}
	return nil
}
