package store

import "fmt"

// DefaultBufferSize is how many events a watcher may be behind, unless
// [WithBufferSize] says otherwise, before changes of a key may be coalesced.
const DefaultBufferSize = 128

// WatchOption sets one property of a watch.
type WatchOption[T any] func(*WatchConfig)

// WatchConfig is what the options of a watch amount to. It is for those who
// implement a store; see [NewWatchConfig].
type WatchConfig struct {
	// InitialReplay asks for the kind's content first.
	InitialReplay bool
	// SyncMarker asks for an event of EventTypeSync after the initial replay.
	SyncMarker bool
	// GapMarker asks for an event of EventTypeGap where changes are skipped.
	GapMarker bool
	// EndOnLag asks for an end with ErrWatchLagged where changes would be skipped.
	EndOnLag bool
	// BufferSize is the channel's capacity, and how many changes a watcher may be behind
	// without missing one.
	BufferSize int
	// Backlog is how many bytes of changes a watcher may be behind without missing one.
	Backlog int64
	// EventTypes holds the types wanted; empty means all.
	EventTypes map[EventType]bool
	// Part is the part of the kind that is wanted; nil means all of it.
	Part *Part

	mixed bool // parts were named in two ways
}

// Part is a part of a kind: one key, or if Index is not empty, the objects that an
// index has under a value.
type Part struct {
	Key          string
	Index, Value string
}

// NewWatchConfig applies options to the defaults. Nil options are ignored. It returns
// [ErrInvalidOption] for a value out of range, and for options that contradict one another.
func NewWatchConfig[T any](opts ...WatchOption[T]) (WatchConfig, error) {
	cfg := WatchConfig{BufferSize: DefaultBufferSize}
	for _, opt := range opts {
		if opt != nil {
			opt(&cfg)
		}
	}
	if cfg.BufferSize < 0 {
		return cfg, fmt.Errorf("%w: buffer size %d: pass zero or more", ErrInvalidOption, cfg.BufferSize)
	}
	if cfg.Backlog < 0 {
		return cfg, fmt.Errorf("%w: backlog of %d bytes: pass zero or more", ErrInvalidOption, cfg.Backlog)
	}
	if cfg.mixed {
		return cfg, fmt.Errorf("%w: a watch of a key and of an index value: leave one of them out", ErrInvalidOption)
	}
	if cfg.Part != nil && cfg.Part.Key == "" && cfg.Part.Index == "" {
		return cfg, fmt.Errorf("%w: a watch of an empty key or index: name one, or leave the option out", ErrInvalidOption)
	}
	for t := range cfg.EventTypes {
		switch t {
		case EventTypeCreate, EventTypeUpdate, EventTypeDelete, EventTypeSync, EventTypeGap, EventTypeError:
		default:
			return cfg, fmt.Errorf("%w: unknown event type %q", ErrInvalidOption, t)
		}
	}
	return cfg, nil
}

// Wants tells whether events of a type are to be delivered.
func (c *WatchConfig) Wants(t EventType) bool {
	switch t {
	case EventTypeSync:
		return c.SyncMarker
	case EventTypeGap:
		return c.GapMarker
	case EventTypeError:
		return true
	default:
		return len(c.EventTypes) == 0 || c.EventTypes[t]
	}
}

// WithInitialReplay makes the watch begin with the kind's content, as events of
// EventTypeCreate.
func WithInitialReplay[T any]() WatchOption[T] {
	return func(c *WatchConfig) { c.InitialReplay = true }
}

// WithSyncMarker makes the watch deliver one event of EventTypeSync when the
// initial replay is complete; without a replay, at once.
func WithSyncMarker[T any]() WatchOption[T] {
	return func(c *WatchConfig) { c.SyncMarker = true }
}

// WithEventTypes limits the watch to events of the given types. Given more than
// once, the types add up. The markers and the terminal error are not subject to it.
func WithEventTypes[T any](types ...EventType) WatchOption[T] {
	return func(c *WatchConfig) {
		if c.EventTypes == nil {
			c.EventTypes = make(map[EventType]bool, len(types))
		}
		for _, t := range types {
			c.EventTypes[t] = true
		}
	}
}

// WithBufferSize sets the capacity of the watch's channel, in events; it is also
// how many changes the watcher may be behind without missing one. Zero is an
// unbuffered channel. The default is [DefaultBufferSize]. A store may give the channel
// less than a very large size; what is beyond it waits in the store.
func WithBufferSize[T any](size int) WatchOption[T] {
	return func(c *WatchConfig) { c.BufferSize = size }
}

// WithBacklog lets the watcher be further behind than its buffer without missing a
// change, as long as the changes that it has not seen take no more than about so many
// bytes. The store keeps them for all watchers together, so that the largest backlog is
// what they cost. The default is none.
func WithBacklog[T any](bytes int64) WatchOption[T] {
	return func(c *WatchConfig) { c.Backlog = bytes }
}

// WithGapMarker makes the watch deliver an event of EventTypeGap where it skips changes.
func WithGapMarker[T any]() WatchOption[T] {
	return func(c *WatchConfig) { c.GapMarker = true }
}

// WithoutCoalescing makes the watch end with an event of EventTypeError and
// [ErrWatchLagged] where it would have to skip a change: when the watcher wants its next
// event, is more than its buffer and its backlog behind, and the store has let one of
// those changes go. A store lets them go some time after the watcher has fallen so far
// behind, so that the end may come late, but never a gap.
func WithoutCoalescing[T any]() WatchOption[T] {
	return func(c *WatchConfig) { c.EndOnLag = true }
}

// WithKey limits the watch to one key. A writer of other keys is not slowed by
// it, however many such watches there are. Given more than once, the last one counts. It
// cannot be given together with [WithIndexValue].
func WithKey[T any](key string) WatchOption[T] {
	return func(c *WatchConfig) { c.setPart(Part{Key: key}) }
}

// WithIndexValue limits the watch to the objects that an index of the kind has
// under a value. An object that comes to be among them is a create, one that is no
// longer among them a delete, with its last state there. A store without that
// index, or without indexes, refuses the watch with an error. Given more than once, the
// last one counts. It cannot be given together with [WithKey].
func WithIndexValue[T any](index, value string) WatchOption[T] {
	return func(c *WatchConfig) { c.setPart(Part{Index: index, Value: value}) }
}

func (c *WatchConfig) setPart(p Part) {
	c.mixed = c.mixed || c.Part != nil && (c.Part.Index == "") != (p.Index == "")
	c.Part = &p
}
