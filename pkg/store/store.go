package store

import "context"

// Store is a typed, watchable store. All methods are safe for concurrent use.
type Store[T any] interface {
	Reader[T]
	Writer[T]
	Watcher[T]

	// Close ends every watch and makes all later calls fail with [ErrClosed].
	// A second Close does nothing and returns nil.
	Close() error
}

// Reader reads. Each call sees one revision of its kind: all of a batch, or
// nothing of it. A kind that was never written to is an empty kind, not an
// error.
type Reader[T any] interface {
	// Get returns the value of a key. ok tells whether the key exists.
	Get(kind, key string) (value T, ok bool, err error)

	// List returns the values that pass all filters, by key, in a map of the
	// caller's own. The filters run outside any lock.
	List(kind string, filters ...FilterFunc[T]) (map[string]T, error)

	// Count returns the number of keys.
	Count(kind string) (int, error)

	// Keys returns the keys in lexical order, in a slice of the caller's own.
	Keys(kind string) ([]string, error)

	// Values returns the keys with their values, in the keys' lexical order, in
	// a slice of the caller's own.
	Values(kind string) ([]KeyValue[T], error)

	// GetAll returns every kind that has keys, in maps of the caller's own. Each
	// kind is seen at one revision, two kinds not necessarily at the same one.
	GetAll() (map[string]map[string]T, error)
}

// Writer writes. Writes to one kind take effect one after another, in the order
// of their revisions; a write is visible to every read that begins after it
// returned. No write waits for a reader or a watcher.
//
// A value that [CompareFunc] calls equal to the one present is not written: the
// old value stays, there is no event and no new revision.
//
// CompareFunc, ValidateFunc, index functions and the functions given to SetFn, Compute
// and DeleteIf run while the kind is locked for writing. From inside them the store may
// be read, watched and closed, and other kinds may be written to. A write to the same
// kind never returns, and so does adding or dropping one of its indexes. A panic in one
// of them goes to the caller of the write, which has then changed nothing.
type Writer[T any] interface {
	// Set writes one value. created tells whether the key is new.
	Set(kind, key string, value T) (created bool, err error)

	// SetFn replaces the value of an existing key by what fn returns for it; no
	// other write to the kind comes between. fn runs exactly once, and an error
	// that it returns is returned as it is. changed tells whether the value
	// differs afterwards. An absent key is [ErrKeyNotFound].
	SetFn(kind, key string, fn func(value T) (T, error)) (changed bool, err error)

	// Compute replaces, creates or deletes a value in one step: no other write to the
	// kind comes between. fn runs exactly once, with the key's value and whether it has
	// one, and says with its second result what to do: [OpSet] writes the first one,
	// [OpDelete] deletes the key, [OpKeep] does nothing. An error that fn returns is
	// returned as it is, and nothing is written. Compute returns the value that the key
	// has then, and whether it has one.
	Compute(kind, key string, fn func(value T, exists bool) (T, Op, error)) (value T, exists bool, err error)

	// SetAll merges: it writes the given values in one commit and leaves the
	// kind's other keys alone. Events are in key order. If one value is
	// rejected, none is written.
	SetAll(kind string, values map[string]T) error

	// Replace makes the kind equal to values in one commit; keys that are absent
	// from values are deleted. Events are in key order. If one value is
	// rejected, none is written.
	Replace(kind string, values map[string]T) error

	// Delete removes a key and returns the value it had. existed tells whether
	// there was one; deleting an absent key is no error.
	Delete(kind, key string) (existed bool, prev T, err error)

	// DeleteIf removes a key if cond says so of its value, in one step: no other write to
	// the kind comes between. cond runs once, or not at all if there is no such key.
	// deleted tells whether the key was removed, prev is the value that it had.
	DeleteIf(kind, key string, cond func(value T) bool) (deleted bool, prev T, err error)
}

// Op is what [Writer].Compute does.
type Op int

const (
	// OpKeep leaves the key as it is.
	OpKeep Op = iota
	// OpSet writes the value.
	OpSet
	// OpDelete removes the key. If there is none it does nothing.
	OpDelete
)

// Watcher delivers changes.
type Watcher[T any] interface {
	// Watch returns a channel of the kind's changes from now on, or with
	// [WithInitialReplay] of the kind's content and then its changes. It neither
	// waits for a writer nor needs the kind to exist. The caller has to call cancel when it
	// is done with the channel, also when the store may have been closed;
	// calling it again does nothing.
	//
	//  1. Order: events come in the order of their revisions.
	//  2. Replay comes before changes, is the kind's content at one revision, and
	//     does not count against the buffer. Its events are of EventTypeCreate.
	//  3. No write waits for a watcher, however slow.
	//  4. No silent gap. A watcher that is no more than its buffer behind gets
	//     every change with the exact previous value in [Event].Old. One that is
	//     further behind may get several changes of a key as one event, marked
	//     [Event].Coalesced, that takes it from the value it last saw (Old) to
	//     the latest (Object). A key it knew that went is always reported as a
	//     delete; one that came and went unseen may not be reported at all. The
	//     events always lead to the content of the store. [WithBacklog] lets a
	//     watcher be further behind before that happens, and [WithGapMarker] tells
	//     it where it did.
	//  5. The channel is closed exactly once: after cancel, after Close, or after
	//     an event of EventTypeError.
	//
	// An event of a write that began after cancel returned is not delivered.
	//
	// What a stalled watcher costs is bounded: for each key it knows at most the
	// value that it saw last, plus the buffer and the backlog, whatever the number of
	// writes.
	Watch(kind string, opts ...WatchOption[T]) (events <-chan *Event[T], cancel func(), err error)

	// WatchContext is Watch until ctx ends. If it has ended already, that is the error.
	WatchContext(ctx context.Context, kind string, opts ...WatchOption[T]) (events <-chan *Event[T], err error)
}

// KeyValue is a key with its value.
type KeyValue[T any] struct {
	Key   string
	Value T
}

// FilterFunc tells whether a value is wanted. It must not keep or change value.
type FilterFunc[T any] func(key string, value T) bool

// ValidateFunc returns an error for a value that must not be written.
type ValidateFunc[T any] func(value T) error

// CompareFunc tells whether writing next over prev would change nothing that
// matters. It is only asked when the key exists.
type CompareFunc[T any] func(prev, next T) bool

// StoreOptions configures a store. The zero value is good.
//
//nolint:revive // the name is part of the contract that programs are compiled against.
type StoreOptions[T any] struct {
	// CompareFn decides what is an update. Nil means [reflect.DeepEqual], which
	// is always right and, for large values, slow.
	CompareFn CompareFunc[T]

	// ValidateFns holds a kind's validation, by kind. A kind without one accepts
	// every value; a nil function counts as none.
	ValidateFns map[string]ValidateFunc[T]
}
