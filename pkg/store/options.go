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
	// EndOnLag asks for an end with ErrWatchLagged where changes would be skipped.
	EndOnLag bool
	// BufferSize is the channel's capacity, and how far a watcher may be behind
	// without missing a change.
	BufferSize int
	// EventTypes holds the types wanted; empty means all.
	EventTypes map[EventType]bool
	// Part is the part of the kind that is wanted; nil means all of it.
	Part *Part
}

// Part is a part of a kind: one key, or if Index is not empty, the objects that an
// index has under a value.
type Part struct {
	Key          string
	Index, Value string
}

// NewWatchConfig applies options to the defaults. It returns [ErrFuncRequired]
// for a nil option and [ErrInvalidOption] for a value out of range.
func NewWatchConfig[T any](opts ...WatchOption[T]) (WatchConfig, error) {
	cfg := WatchConfig{BufferSize: DefaultBufferSize}
	for _, opt := range opts {
		if opt == nil {
			return cfg, fmt.Errorf("watch option: %w", ErrFuncRequired)
		}
		opt(&cfg)
	}
	if cfg.BufferSize < 0 {
		return cfg, fmt.Errorf("%w: buffer size %d: pass zero or more", ErrInvalidOption, cfg.BufferSize)
	}
	if cfg.Part != nil && *cfg.Part == (Part{}) {
		return cfg, fmt.Errorf("%w: a watch of an empty key or index: name one, or leave the option out", ErrInvalidOption)
	}
	for t := range cfg.EventTypes {
		switch t {
		case EventTypeCreate, EventTypeUpdate, EventTypeDelete, EventTypeSync, EventTypeError:
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
// once, the types add up. The sync marker and the terminal error are not
// subject to it.
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
// how far the watcher may be behind without missing a change. Zero is an
// unbuffered channel. The default is [DefaultBufferSize].
func WithBufferSize[T any](size int) WatchOption[T] {
	return func(c *WatchConfig) { c.BufferSize = size }
}

// WithoutCoalescing makes the watch end with an event of EventTypeError and
// [ErrWatchLagged] where it would have to skip a change. It may be delivered
// late, but never a gap.
func WithoutCoalescing[T any]() WatchOption[T] {
	return func(c *WatchConfig) { c.EndOnLag = true }
}

// WithKey limits the watch to one key. A writer of other keys is not slowed by
// it, however many such watches there are. Given more than once, or together
// with [WithIndexValue], the last one counts.
func WithKey[T any](key string) WatchOption[T] {
	return func(c *WatchConfig) { c.Part = &Part{Key: key} }
}

// WithIndexValue limits the watch to the objects that an index of the kind has
// under a value. An object that comes to be among them is a create, one that is no
// longer among them a delete, with its last state there. A store without that
// index, or without indexes, refuses the watch with an error.
func WithIndexValue[T any](index, value string) WatchOption[T] {
	return func(c *WatchConfig) { c.Part = &Part{Index: index, Value: value} }
}
