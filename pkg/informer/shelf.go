package informer

import (
	"iter"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/informer/wire"
	"github.com/larder-dev/larder/pkg/store"
)

// shelf is where an informer keeps its objects: as they are, or packed. Its reads
// return nothing once the informer's store is closed, which no informer does.
type shelf[T Object] interface {
	get(key string) (T, bool)
	copyOf(key string) (T, bool)
	list() []T
	len() int
	all() iter.Seq2[string, T]
	byIndex(name, value string) (iter.Seq2[string, T], error)
	addIndex(name string, fn IndexFunc[T]) error
	addField(name string, fn SingleValueFunc[T]) error
	addPaths(paths map[string]wire.Field) error
	watch(opts ...store.WatchOption[T]) (<-chan *store.Event[T], func(), error)
	follow(opts ...store.WatchOption[T]) (follower[T], error)
	// revision returns that of the newest change.
	revision() uint64
	view() view[T]
	stats() Stats

	set(key string, obj item[T]) error
	delete(key string) error
	replace(objects map[string]item[T]) error
}

// item is an object that is to be put on a shelf, or the bytes of one.
type item[T Object] struct {
	obj    T
	packed codec.Packed // nil: it is obj
}

// follower is a cursor over the changes of a shelf.
type follower[T Object] interface {
	Ready() <-chan struct{}
	Revision() uint64
	Close()
	// each takes what there is to be read, until take returns false. It is no iterator:
	// that would cost an allocation or two each time a handler wakes.
	each(take func(change[T]) bool)
}

// change is an event whose objects are decoded when somebody looks at them.
type change[T Object] struct {
	eventType store.EventType
	key       string
	revision  uint64
	object    sight[T]
	old       sight[T]
}

// sight is an object, or a parcel with one.
type sight[T Object] struct {
	obj    T
	parcel *gomap.Parcel[T] // nil: it is obj
}

// same tells whether two sights are of one and the same parcel.
func (s sight[T]) same(other sight[T]) bool { return s.parcel != nil && s.parcel == other.parcel }

// see returns the object.
func (s sight[T]) see() (T, error) {
	if s.parcel == nil {
		return s.obj, nil
	}
	return s.parcel.Value()
}

// view is all objects at one revision, until it is closed.
type view[T Object] struct {
	revision uint64
	objects  iter.Seq2[string, sight[T]]
	close    func()
}

// viewOf is what a snapshot shows.
func viewOf[T Object, V any](s *gomap.Snapshot[V], show func(V) sight[T]) view[T] {
	return view[T]{revision: s.Revision(), close: s.Close, objects: func(yield func(string, sight[T]) bool) {
		for key, value := range s.All() {
			if !yield(key, show(value)) {
				return
			}
		}
	}}
}

// none is what a store shows that is closed.
func none[T any](func(string, T) bool) {}

// changeOf returns what an event shows.
func changeOf[T Object, V any](e *store.Event[V], show func(V) sight[T]) change[T] {
	return change[T]{eventType: e.EventType, key: e.Name, revision: e.Revision, object: show(e.Object), old: show(e.Old)}
}

// Stats are the figures of an informer's cache at one moment.
type Stats struct {
	// Objects is how many objects there are.
	Objects int
	// Packed is how many of them are held packed: all or none.
	Packed int
	// PackedBytes is what the packed objects take, and DictionaryBytes what they
	// share: what they are packed with.
	PackedBytes, DictionaryBytes int64
	// Decoded is how many objects are kept decoded beside that, and DecodedBytes an
	// estimate of what they take, which keeps to Options.Budget.
	Decoded      int
	DecodedBytes int64
	// Decodes is how many times an object was decoded so far.
	Decodes uint64
}

func (s Stats) plus(other Stats) Stats {
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
