package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// readBuffer is how much of a list is read at once, in bytes. Most objects fit.
const readBuffer = 64 << 10

// listReader reads a list object by object, and packs each before it reads the next. What goes wrong with the
// connection is returned as it is, and what is wrong with the bytes as a MalformedError.
type listReader struct {
	kind *Kind
	meta Meta
	list *List
}

// readList reads a list from r to its end.
func (k *Kind) readList(r io.Reader) (*List, error) {
	l := &listReader{kind: k, list: &List{Items: []*Object{}}}
	in := bufio.NewReaderSize(r, readBuffer)
	begin, err := in.Peek(len(magic))
	switch {
	case len(begin) == 0:
		err = tooEarly(err)
	case begin[0] == '{':
		err = l.readJSON(&jsonStream{in: in})
	case !bytes.Equal(begin, magic):
		err = errUnknownForm
	case k.root == nil:
		err = errNoProtobuf
	default:
		err = l.readProtobuf(&stream{in: in, left: unlimited, open: true})
	}
	if err != nil {
		return nil, l.failure(err)
	}
	return l.list, nil
}

// failure returns an error as the caller of the list is to see it.
func (l *listReader) failure(err error) error {
	switch e := err.(type) { //nolint:errorlint // nothing here wraps these
	case *MalformedError, *TransformError:
		return err
	case readError:
		return e.error
	default:
		return l.kind.malformed(err)
	}
}

// A readError is an error of the connection.
type readError struct{ error }

// tooEarly returns the error of a connection that ends within a list.
func tooEarly(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return readError{err}
}

// add packs an object of the list.
func (l *listReader) add(bare []byte, isJSON bool) error {
	o, err := l.kind.object(bare, form{isJSON: isJSON, isItem: true}, &l.meta)
	if err == nil {
		l.list.Items = append(l.list.Items, o)
	}
	return err
}

// is checks what the list says that it is. A kind of custom resources may call its lists as it likes.
func (l *listReader) is(apiVersion, kind string) error {
	sent := l.kind.sent
	if apiVersion != sent.apiVersion || kind == "" || kind == "Status" || kind == sent.kind {
		return errAnotherKind([]byte(apiVersion), []byte(kind))
	}
	l.list.APIVersion, l.list.Kind = apiVersion, kind
	return nil
}

// readProtobuf reads a list in an envelope. Both are passed over field by field, as the list may be large.
func (l *listReader) readProtobuf(s *stream) error {
	if _, err := s.bytes(len(magic)); err != nil {
		return err
	}
	var v envelope
	var e entry
	hasList := false
	for {
		more, err := s.next(&e)
		switch {
		case err != nil:
			return err
		case !more && !hasList:
			return errNoList
		case !more:
			return l.is(string(v.apiVersion), string(v.kind))
		case e.number == 2 && e.wire == wireBytes:
			if hasList {
				return errNoList
			}
			hasList = true
			rest := s.left - e.value
			s.left, s.open = e.value, false
			err = l.readItems(s)
			s.left, s.open = rest, true
		default:
			if e.body, err = s.body(&e); err == nil {
				e.body = bytes.Clone(e.body) // v keeps it
				err = v.take(&e)
			}
		}
		if err != nil {
			return err
		}
	}
}

// readItems reads the list that is in the envelope.
func (l *listReader) readItems(s *stream) error {
	var e entry
	for {
		more, err := s.next(&e)
		if !more || err != nil {
			return err
		}
		if e.number <= 2 && e.wire != wireBytes {
			return errWireType
		}
		body, err := s.body(&e)
		if err != nil {
			return err
		}
		switch e.number {
		case 1:
			err = l.list.ListMeta.Unmarshal(body)
		case 2:
			err = l.add(body, false)
		}
		if err != nil {
			return err
		}
	}
}

// readJSON reads a list in JSON.
func (l *listReader) readJSON(s *jsonStream) error {
	var said struct {
		Kind, APIVersion string
	}
	hasList := false
	err := s.members(func(key string) error {
		if key == "items" {
			if hasList {
				return errJSONTwice
			}
			hasList = true
			return s.elements(func(raw []byte) error { return l.add(raw, true) })
		}
		raw, err := s.value()
		if err == nil {
			err = scanValue(raw)
		}
		if err != nil {
			return err
		}
		switch key {
		case "kind":
			return json.Unmarshal(raw, &said.Kind)
		case "apiVersion":
			return json.Unmarshal(raw, &said.APIVersion)
		case "metadata":
			return json.Unmarshal(raw, &l.list.ListMeta)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !hasList:
		return errNoList
	}
	return l.is(said.APIVersion, said.Kind)
}
