package wire

import (
	"reflect"
	"time"
	"unsafe"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rootOf returns the message of an API type, in which the fields of its metadata are known by what they mean.
func rootOf(t reflect.Type) (*message, error) {
	known := schemas{}
	m, err := known.of(t)
	if err != nil {
		return nil, err
	}
	objectMeta := known[reflect.TypeFor[metav1.ObjectMeta]()]
	if f := m.field(1); f == nil || f.sub == nil || f.sub != objectMeta {
		return nil, ErrType
	}
	root := m.clone()
	metadata := root.change(1)
	metadata.sub = metadata.sub.clone()
	for number, take := range metaFields {
		metadata.sub.change(number).take = take
	}
	return root, nil
}

// metaFields are what is scanned of an ObjectMeta.
var metaFields = map[int]func(*Meta, []byte, uint64) error{
	1:  func(m *Meta, b []byte, _ uint64) error { m.Name = b; return nil },
	2:  func(m *Meta, b []byte, _ uint64) error { m.GenerateName = b; return nil },
	3:  func(m *Meta, b []byte, _ uint64) error { m.Namespace = b; return nil },
	5:  func(m *Meta, b []byte, _ uint64) error { m.UID = b; return nil },
	6:  func(m *Meta, b []byte, _ uint64) error { m.ResourceVersion = b; return nil },
	7:  func(m *Meta, _ []byte, v uint64) error { m.Generation = int64(v); return nil },
	8:  func(m *Meta, b []byte, _ uint64) error { return takeTime(&m.CreationTimestamp, b) },
	9:  func(m *Meta, b []byte, _ uint64) error { return takeTime(&m.DeletionTimestamp, b) },
	11: takeLabel,
	12: takeAnnotation,
	13: takeOwner,
}

func takeTime(t *time.Time, b []byte) error {
	if len(b) == 0 {
		*t = time.Time{}
		return nil
	}
	var seconds int64
	var e entry
	for i := 0; i < len(b); {
		var err error
		if i, err = e.next(b, i); err != nil {
			return err
		}
		if e.number == 1 {
			seconds = int64(e.value)
		}
	}
	*t = time.Unix(seconds, 0)
	return nil
}

// pair reads the key and the value of a map's entry.
func pair(b []byte) (key, value []byte, err error) {
	var e entry
	for i := 0; i < len(b); {
		if i, err = e.next(b, i); err != nil {
			return nil, nil, err
		}
		switch e.number {
		case 1:
			key = e.body
		case 2:
			value = e.body
		}
	}
	return key, value, nil
}

func takeLabel(m *Meta, b []byte, _ uint64) error {
	key, value, err := pair(b)
	m.Labels = append(m.Labels, Label{key, value})
	return err
}

func takeAnnotation(m *Meta, b []byte, _ uint64) error {
	key, value, err := pair(b)
	if string(key) == metav1.InitialEventsAnnotationKey {
		m.InitialEventsEnd = string(value) == "true"
	}
	return err
}

func takeOwner(m *Meta, b []byte, _ uint64) error {
	uid := []byte{} // not nil: it may be empty
	controller := false
	var e entry
	for i := 0; i < len(b); {
		var err error
		if i, err = e.next(b, i); err != nil {
			return err
		}
		switch e.number {
		case 4:
			uid = e.body
		case 6:
			controller = e.value != 0
		}
	}
	if controller && m.Controller == nil {
		m.Controller = uid
	}
	return nil
}

// scan checks bytes against a message. Below the node it collects the values of fields, and what is taken goes to
// meta.
func (m *message) scan(b []byte, meta *Meta, n *node, depth int) error {
	if depth >= maxDepth {
		return errDepth
	}
	var e entry
	for i := 0; i < len(b); {
		var err error
		if i, err = e.next(b, i); err != nil {
			return err
		}
		f := m.field(e.number)
		if f == nil {
			meta.Newer = true
			continue
		}
		if err := f.scan(&e, meta, n.number(e.number), depth); err != nil {
			return err
		}
		if f.take != nil {
			if err := f.take(meta, e.body, e.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan checks one field.
func (f *field) scan(e *entry, meta *Meta, n *node, depth int) error {
	if e.wire != f.wire {
		if f.repeated && f.shape == shapeVarint && e.wire == wireBytes {
			return packed(e.body)
		}
		return errWireType
	}
	switch f.shape {
	case shapeString:
		if n != nil {
			meta.addValues(n.fields, e.body)
		}
	case shapeQuantity:
		_, err := resource.ParseQuantity(unsafe.String(unsafe.SliceData(e.body), len(e.body)))
		return err
	case shapeMessage:
		return f.sub.scan(e.body, meta, n, depth+1)
	case shapeMap:
		return f.scanPair(e.body, meta, n, depth+1)
	}
	return nil
}

// scanPair checks an entry of a map.
func (f *field) scanPair(b []byte, meta *Meta, n *node, depth int) error {
	var key []byte
	var value, e entry
	for i := 0; i < len(b); {
		var err error
		if i, err = e.next(b, i); err != nil {
			return err
		}
		switch {
		case e.number > 2:
		case e.number == 1 && e.wire != wireBytes:
			return errWireType
		case e.number == 1:
			key = e.body
		default:
			value = e
			err = f.value.scan(&e, meta, nil, depth)
		}
		if err != nil {
			return err
		}
	}
	if n = n.name(key); n == nil || value.number == 0 {
		return nil
	}
	return f.value.scan(&value, meta, n, depth) // once more, as the key may be behind the value
}

// packed checks varints that follow each other without tags.
func packed(b []byte) error {
	for i := 0; i < len(b); {
		if _, i = uvarint(b, i); i < 0 {
			return errVarint
		}
	}
	return nil
}
