package core

import (
	"iter"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// Objects is an object store: where an informer has its objects, as they are or packed. Its
// reads take no lock that a writer could hold for long, and each is of one revision. Loops
// yield in no particular order, without decoding.
type Objects interface {
	Get(key string) (Value, bool)
	// RevisionAndCount returns the revision of the newest change and how many objects there
	// are then.
	RevisionAndCount() (revision uint64, objects int)
	All() iter.Seq2[string, Value]
	// Sorted returns everything in the order of the keys.
	Sorted() []store.KeyValue[Value]
	// ByIndex returns a gomap.ErrIndexNotFound for an index that there is not, and so does
	// Select.
	ByIndex(name, value string) (iter.Seq2[string, Value], error)
	Select(where ...gomap.Condition) (iter.Seq2[string, Value], error)
	IndexValues(name string) ([]string, error)
	Snapshot() Snapshot
	Cursor(opts ...store.WatchOption[any]) (Cursor, error)
	Stats() Stats
	// IsPacked tells whether objects are packed, so that to open them takes long.
	IsPacked() bool

	// Open returns the object of a value in a form. It may be shared with other readers. The
	// error is a [*gomap.DecodeError], an [ErrNarrow] for a form that is wider than what is
	// there, or what the conversion failed with.
	Open(v Value, f Form) (any, error)
	// Glance is Open for who reads many: what it decodes is kept only where there is room.
	Glance(v Value, f Form) (any, error)
	// Copy is Open of an object that is the caller's own.
	Copy(v Value, f Form) (any, error)

	// AddIndex adds an index, also of what is there.
	AddIndex(name string, ix Index) error
	Set(key string, obj Item) error
	// Delete removes a key, if it is there. The change shows the final state, unless that is
	// the zero Item.
	Delete(key string, final Item) error
	Replace(objects map[string]Item) error
	// arrived returns an object that came decoded, from a source, as it is to be written.
	arrived(obj any) Item
	// pack packs an item, where objects are packed. A write does so by itself.
	pack(item Item) (Item, error)
	// prefer sets the form in which packed objects are decoded first.
	prefer(f Form)
	// setTransform sets what is applied to an object that is made in another form than it
	// came in: what came is transformed.
	setTransform(transform func(any) (any, error))
	// cool gives back what the store has of a budget: nothing new comes.
	cool()
}

// Item is an object that is to be written.
type Item struct {
	object any          // or
	packed codec.Packed // not nil: it is packed
}

// ItemOf returns an object as an item.
func ItemOf(obj any) Item { return Item{object: obj} }

func (i Item) isZero() bool { return i.object == nil && i.packed == nil }

// Index says what an index is by: one of its fields is set.
type Index struct {
	// Func returns the values of an object in Form.
	Func func(obj any) ([]string, error)
	Form Form
	// Single is Func with exactly one value, which takes less.
	Single func(obj any) string
	// Key returns the values of a key. Nothing is decoded for it.
	Key func(key string) []string
	// Labels are an index by labels, as gomap.LabelIndex makes it. Packed objects are only
	// scanned for it.
	Labels bool
	// Field is a path of which packed objects are scanned.
	Field wire.Field
}

// Change is an event whose objects are decoded when somebody looks at them.
type Change = store.Event[Value]

// Cursor reads the changes of an object store; see [gomap.Cursor].
type Cursor interface {
	gomap.Reader[Change]
	// Each takes what there is to be read, until take returns false. It is Changes without
	// the allocations of an iterator.
	Each(take func(Change) bool)
	// Revision returns the revision up to which the reader was led.
	Revision() uint64
}

// Snapshot is everything at one revision, until it is closed.
type Snapshot struct {
	Revision uint64
	All      iter.Seq2[string, Value]
	Close    func()
}

// Stats are figures of an object store at one moment.
type Stats struct {
	// Objects is how many objects there are.
	Objects int
	// Packed is how many of them are held packed: all or none.
	Packed int
	// PackedBytes is what the packed objects take, and DictionaryBytes what they
	// share: what they are packed with.
	PackedBytes, DictionaryBytes int64
	// Decoded is how many objects are kept decoded beside that, and DecodedBytes an
	// estimate of what they take, which keeps to the budget.
	Decoded      int
	DecodedBytes int64
	// Decodes is how many times an object was decoded so far.
	Decodes uint64
}

// Plus returns the sums.
func (s Stats) Plus(other Stats) Stats {
	return Stats{
		Objects:         s.Objects + other.Objects,
		Packed:          s.Packed + other.Packed,
		PackedBytes:     s.PackedBytes + other.PackedBytes,
		DictionaryBytes: s.DictionaryBytes + other.DictionaryBytes,
		Decoded:         s.Decoded + other.Decoded,
		DecodedBytes:    s.DecodedBytes + other.DecodedBytes,
		Decodes:         s.Decodes + other.Decodes,
	}
}

// tables is what the stores of gomap have for values of any type that they hold as V.
type tables[V any] interface {
	RevisionAndCount(kind string) (revision uint64, keys int, err error)
	All(kind string) (iter.Seq2[string, V], error)
	Page(kind, after, prefix string, limit int) (gomap.Page[V], error)
	Snapshot(kind string) (*gomap.Snapshot[V], error)
	ByIndex(kind, name, value string) (iter.Seq2[string, V], error)
	Select(kind string, where ...gomap.Condition) (iter.Seq2[string, V], error)
	IndexValues(kind, name string) ([]string, error)
	Cursor(kind string, opts ...store.WatchOption[any]) (*gomap.Cursor[V], error)
}

// objects is what plain and packed object stores have in common. A store that is closed
// shows nothing.
type objects[V any] struct {
	name   string // the kind in which the store has them
	tables tables[V]
	value  func(V) Value
}

func (o objects[V]) RevisionAndCount() (revision uint64, count int) {
	revision, count, _ = o.tables.RevisionAndCount(o.name)
	return revision, count
}

func (o objects[V]) All() iter.Seq2[string, Value] {
	all, err := o.tables.All(o.name)
	if err != nil {
		return func(func(string, Value) bool) {}
	}
	return o.values(all)
}

func (o objects[V]) values(all iter.Seq2[string, V]) iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for key, v := range all {
			if !yield(key, o.value(v)) {
				return
			}
		}
	}
}

func (o objects[V]) Sorted() []store.KeyValue[Value] {
	page, _ := o.tables.Page(o.name, "", "", 0)
	sorted := make([]store.KeyValue[Value], len(page.Items))
	for i, item := range page.Items {
		sorted[i] = store.KeyValue[Value]{Key: item.Key, Value: o.value(item.Value)}
	}
	return sorted
}

func (o objects[V]) ByIndex(name, value string) (iter.Seq2[string, Value], error) {
	found, err := o.tables.ByIndex(o.name, name, value)
	if err != nil {
		return nil, err
	}
	return o.values(found), nil
}

func (o objects[V]) Select(where ...gomap.Condition) (iter.Seq2[string, Value], error) {
	found, err := o.tables.Select(o.name, where...)
	if err != nil {
		return nil, err
	}
	return o.values(found), nil
}

func (o objects[V]) IndexValues(name string) ([]string, error) {
	return o.tables.IndexValues(o.name, name)
}

func (o objects[V]) Snapshot() Snapshot {
	s, err := o.tables.Snapshot(o.name)
	if err != nil {
		return Snapshot{All: o.All(), Close: func() {}}
	}
	return Snapshot{Revision: s.Revision(), All: o.values(s.All()), Close: s.Close}
}

func (o objects[V]) Cursor(opts ...store.WatchOption[any]) (Cursor, error) {
	c, err := o.tables.Cursor(o.name, opts...)
	if err != nil {
		return nil, err
	}
	return cursor[V]{c, o.value}, nil
}

// cursor is a cursor of a store that shows values.
type cursor[V any] struct {
	*gomap.Cursor[V]
	value func(V) Value
}

func (c cursor[V]) Each(take func(Change) bool) {
	for e := range c.Cursor.Changes() {
		if !take(c.change(e)) {
			return
		}
	}
}

// Changes yields what Each takes.
func (c cursor[V]) Changes() iter.Seq[Change] { return c.Each }

func (c cursor[V]) change(e store.Event[V]) Change {
	return Change{
		Kind: e.Kind, Name: e.Name, EventType: e.EventType, Object: c.value(e.Object), Old: c.value(e.Old),
		Revision: e.Revision, Coalesced: e.Coalesced, Err: e.Err,
	}
}
