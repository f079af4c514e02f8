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
