package clientgo

import (
	"context"
	"iter"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

// shelf is where an indexer has its objects: as they are, or packed. What it has it
// yields with the objects opened, or by keys alone; of changes it shows sights, which are
// opened when a handler is to have the objects.
//
// Every write counts, also of an object that is there already: what is an update is
// for the handlers to decide.
type shelf interface {
	get(key string) (obj any, ok bool, err error)
	head() (revision uint64, size int)
	all() content
	view() view
	byIndex(name, value string) (content, error)
	choose(where []gomap.Condition) (content, error)
	indexValues(name string) ([]string, error)
	follow() (follower, error)
	stats() informer.Stats

	set(key string, obj any) error
	replace(objects map[string]any) error
	// delete removes a key, if it is there. The change then shows the final.
	delete(key string, last final) error
	addIndex(name string, fn gomap.IndexFunc[any]) error
}

// final is the state in which an object was deleted, where that is known. Without it a
// deletion shows the last state that there was.
type final struct{ obj any }

// content is some of what is on a shelf, in no particular order.
type content struct {
	keys    iter.Seq[string]
	objects iter.Seq2[string, any]
}

// view is all that is on a shelf at one revision, until it is closed.
type view struct {
	content
	revision uint64
	close    func()
}

// follower is a cursor over the changes of a shelf.
type follower interface {
	Ready() <-chan struct{}
	Revision() uint64
	Close()
	// each takes what there is to be read, until take returns false.
	each(take func(change) bool)
}

// change is an event that shows its objects.
type change = store.Event[sight]

// sight is an object, or a parcel with one.
type sight struct {
	obj    any
	parcel *gomap.Parcel[any] // nil: it is obj
}

// open returns the object, unless it cannot be decoded.
func (s sight) open(key string) (obj any, ok bool) {
	if s.parcel == nil {
		return s.obj, true
	}
	obj, err := s.parcel.Value()
	return decoded(key, obj, err)
}

// decoded returns what a decoding came to. A failure, which takes damaged memory or a type
// that does not understand its own JSON, is reported.
func decoded(key string, obj any, err error) (any, bool) {
	if err != nil {
		utilruntime.HandleErrorWithContext(context.Background(), err, "An object is left out", "key", fromName(key))
		return nil, false
	}
	return obj, true
}

// repeats tells whether two sights are known to be of equal objects that have a
// resourceVersion, which nobody has to open then to compare them.
func (s sight) repeats(prev sight) bool {
	if s.parcel == nil || prev.parcel == nil {
		return false
	}
	a, ok := s.parcel.Packed().(packed)
	b, also := prev.parcel.Packed().(packed)
	return ok && also && a.of == b.of && a.of.versioned && a.Hash() == b.Hash()
}

// kind is where a shelf has its objects in its store.
const kind = "objects"

// table is what a store has for values of any type that it holds as V.
type table[V any] interface {
	Get(kind, key string) (any, bool, error)
	RevisionAndCount(kind string) (revision uint64, keys int, err error)
	All(kind string) (iter.Seq2[string, V], error)
	Snapshot(kind string) (*gomap.Snapshot[V], error)
	ByIndex(kind, name, value string) (iter.Seq2[string, V], error)
	Select(kind string, where ...gomap.Condition) (iter.Seq2[string, V], error)
	IndexValues(kind, name string) ([]string, error)
	Cursor(kind string, opts ...store.WatchOption[any]) (*gomap.Cursor[V], error)
	Set(kind, key string, obj any) (created bool, err error)
	Replace(kind string, objects map[string]any) error
	AddIndex(kind, name string, fn gomap.IndexFunc[any]) error
}

// shelfOf is what shelves have in common.
type shelfOf[V any] struct {
	table table[V]
	show  func(V) sight
	open  func(iter.Seq2[string, V]) iter.Seq2[string, any]
}

func (s shelfOf[V]) get(key string) (obj any, ok bool, err error) { return s.table.Get(kind, key) }

func (s shelfOf[V]) head() (revision uint64, size int) {
	revision, size, _ = s.table.RevisionAndCount(kind) // a store that is closed has an error, which no shelf is
	return revision, size
}

func (s shelfOf[V]) all() content {
	all, err := s.table.All(kind)
	if err != nil { // as above
		all = func(func(string, V) bool) {}
	}
	return s.content(all)
}

func (s shelfOf[V]) view() view {
	snapshot, err := s.table.Snapshot(kind)
	if err != nil { // as above
		return view{content: s.all(), close: func() {}}
	}
	return view{content: s.content(snapshot.All()), revision: snapshot.Revision(), close: snapshot.Close}
}

func (s shelfOf[V]) byIndex(name, value string) (content, error) {
	all, err := s.table.ByIndex(kind, name, value)
	return s.content(all), err
}

func (s shelfOf[V]) choose(where []gomap.Condition) (content, error) {
	all, err := s.table.Select(kind, where...)
	return s.content(all), err
}

func (s shelfOf[V]) content(all iter.Seq2[string, V]) content {
	keys := func(yield func(string) bool) {
		for key := range all {
			if !yield(fromName(key)) {
				return
			}
		}
	}
	return content{keys: keys, objects: s.open(all)}
}

func (s shelfOf[V]) indexValues(name string) ([]string, error) {
	return s.table.IndexValues(kind, name)
}

func (s shelfOf[V]) set(key string, obj any) error {
	_, err := s.table.Set(kind, key, obj)
	return err
}

func (s shelfOf[V]) replace(objects map[string]any) error { return s.table.Replace(kind, objects) }

func (s shelfOf[V]) addIndex(name string, fn gomap.IndexFunc[any]) error {
	return s.table.AddIndex(kind, name, fn)
}

// bufferSize is how many changes a handler may be behind before it is told of the
// latest state of an object instead of every one on the way. It is what the buffer
// of a handler has room for at first with client-go, where it grows.
const bufferSize = 1024

func (s shelfOf[V]) follow() (follower, error) {
	cursor, err := s.table.Cursor(kind, store.WithInitialReplay[any](), store.WithSyncMarker[any](), store.WithBufferSize[any](bufferSize))
	return followerOf[V]{cursor, s.show}, err
}

type followerOf[V any] struct {
	*gomap.Cursor[V]
	show func(V) sight
}

func (f followerOf[V]) each(take func(change) bool) {
	for e := range f.Changes() {
		c := change{EventType: e.EventType, Name: e.Name, Revision: e.Revision, Object: f.show(e.Object), Old: f.show(e.Old)}
		if !take(c) {
			return
		}
	}
}

// plainShelf has objects as they are.
type plainShelf struct {
	shelfOf[any]
	store *gomap.MemStore[any]
}

func newPlainShelf() plainShelf {
	s := gomap.NewMemStore(store.StoreOptions[any]{CompareFn: func(_, _ any) bool { return false }})
	return plainShelf{store: s, shelfOf: shelfOf[any]{
		table: s,
		show:  func(obj any) sight { return sight{obj: obj} },
		open:  func(all iter.Seq2[string, any]) iter.Seq2[string, any] { return all },
	}}
}

func (s plainShelf) delete(key string, last final) error {
	_, _, err := s.store.DeleteWithFinalState(kind, key, last)
	return err
}

func (s plainShelf) stats() informer.Stats {
	_, size := s.head()
	return informer.Stats{Objects: size}
}

// packedShelf has objects packed, and decoded beside that as far as a budget goes.
type packedShelf struct {
	shelfOf[*gomap.Parcel[any]]
	store   *gomap.PackedStore[any]
	packing *packing
}

func newPackedShelf(p *packing, budget int64) (packedShelf, error) {
	s, err := gomap.NewPackedStore(gomap.PackedOptions[any]{
		Codec: p, Budget: budget, ComparePacked: func(_, _ store.Packed) bool { return false },
	})
	return packedShelf{store: s, packing: p, shelfOf: shelfOf[*gomap.Parcel[any]]{
		table: s,
		show:  func(parcel *gomap.Parcel[any]) sight { return sight{parcel: parcel} },
		open:  unpacked,
	}}, err
}

// unpacked yields the objects of parcels.
func unpacked(parcels iter.Seq2[string, *gomap.Parcel[any]]) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for key, parcel := range parcels {
			obj, err := parcel.Peek()
			if obj, ok := decoded(key, obj, err); ok && !yield(key, obj) {
				return
			}
		}
	}
}

func (s packedShelf) delete(key string, last final) error {
	end, err := s.packing.Encode(last)
	if err != nil {
		return &gomap.EncodeError{Kind: kind, Name: key, Err: err}
	}
	_, err = s.store.DeletePacked(kind, key, end)
	return err
}

func (s packedShelf) stats() informer.Stats {
	figures, _ := s.store.Stats(kind)
	return informer.Stats{
		Objects:         figures.Objects,
		Packed:          figures.Objects,
		PackedBytes:     figures.PackedBytes,
		DictionaryBytes: s.packing.shared(),
		Decoded:         figures.Decoded,
		DecodedBytes:    figures.DecodedBytes,
		Decodes:         figures.Decodes,
	}
}
