package store

// EventType tells what an [Event] reports. It prints as its plain word.
type EventType string

const (
	// EventTypeCreate reports a key that the watcher did not have. The events of
	// an initial replay are of this type.
	EventTypeCreate EventType = "create"
	// EventTypeUpdate reports a new value of a key.
	EventTypeUpdate EventType = "update"
	// EventTypeDelete reports that a key is gone.
	EventTypeDelete EventType = "delete"
	// EventTypeSync ends the initial replay of a watcher that asked for the
	// marker with [WithSyncMarker]. Name and Object are zero; Revision is the
	// revision that the replay showed.
	EventTypeSync EventType = "sync"
	// EventTypeGap tells a watcher that asked for the marker with [WithGapMarker] that
	// it fell behind by more than its buffer and its backlog. There were changes that it
	// will not be told of: keys that came and went, and what a key had been between the
	// value that the watcher saw last and the next. The events that follow lead to the
	// content of the store. Name and Object are zero.
	EventTypeGap EventType = "gap"
	// EventTypeError is the last event of a watch that could not go on; Err says
	// why. The channel is closed after it. [WithEventTypes] does not hide it.
	EventTypeError EventType = "error"
)

// Event is one change of one key, as a watcher gets it. Events are shared
// neither between watchers nor with the store, but the values in them are:
// treat Object and Old as immutable.
type Event[T any] struct {
	// Kind is the kind that is watched.
	Kind string
	// Name is the key.
	Name string
	// EventType tells what happened.
	EventType EventType
	// Object is the value after the change; for a delete, the last value before it.
	Object T
	// Old is, for an update, the value that this watcher saw before; for a
	// delete, the same as Object; else the zero value.
	Old T
	// Revision is the store's revision of the change.
	Revision uint64
	// Coalesced marks an event that stands for more than one change of its key,
	// because the watcher was further behind than its buffer.
	Coalesced bool
	// Err is the reason in an event of EventTypeError, else nil.
	Err error
}
