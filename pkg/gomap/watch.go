package gomap

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/larder-dev/larder/pkg/store"
)

// Watch implements [store.Watcher]. It is a goroutine that reads a [Cursor] into
// a channel; it ends, and the channel is closed, soon after cancel or Close.
// Close lets the consumer have what the channel has room for. Writes that begin after
// cancel has returned are not delivered.
func (s *engine[T]) Watch(kind string, opts ...store.WatchOption[T]) (<-chan *store.Event[T], func(), error) {
	return watch(func() (*Cursor[T], error) { return s.Cursor(kind, opts...) }, boxed[T])
}

// WatchContext implements [store.Watcher].
func (s *engine[T]) WatchContext(ctx context.Context, kind string, opts ...store.WatchOption[T]) (<-chan *store.Event[T], error) {
	return watchContext(ctx, func() (*Cursor[T], error) { return s.Cursor(kind, opts...) }, boxed[T])
}

func boxed[T any](event store.Event[T]) *store.Event[T] { return new(event) }

// watch starts a pump over a cursor and returns its channel and what ends it.
func watch[C, T any](begin func() (*Cursor[C], error), convert func(store.Event[C]) *store.Event[T]) (<-chan *store.Event[T], func(), error) {
	cancelled := make(chan struct{})
	events, err := start(begin, convert, cancelled)
	if err != nil {
		return nil, nil, err
	}
	return events, sync.OnceFunc(func() { close(cancelled) }), nil
}

// watchContext is watch until a context ends.
func watchContext[C, T any](ctx context.Context, begin func() (*Cursor[C], error), convert func(store.Event[C]) *store.Event[T]) (<-chan *store.Event[T], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return start(begin, convert, ctx.Done())
}

func start[C, T any](begin func() (*Cursor[C], error), convert func(store.Event[C]) *store.Event[T], cancelled <-chan struct{}) (<-chan *store.Event[T], error) {
	cursor, err := begin()
	if err != nil {
		return nil, err
	}
	return pumpFrom(cursor, cursor.config.BufferSize, convert, cancelled), nil
}

// Reader is what changes are read from: a [Cursor], or what shows those of one in another
// way.
type Reader[E any] interface {
	Ready() <-chan struct{}
	Changes() iter.Seq[E]
	Err() error
	Kind() string
	// Done returns a channel that is closed when the store is.
	Done() <-chan struct{}
	Close()
}

// WatchFrom is a Watch that reads from r, and closes it in the end. convert makes events of
// what is read; an error event is the last. The channel has room for buffer events.
func WatchFrom[E, T any](r Reader[E], buffer int, convert func(E) *store.Event[T]) (events <-chan *store.Event[T], cancel func()) {
	cancelled := make(chan struct{})
	return pumpFrom(r, buffer, convert, cancelled), sync.OnceFunc(func() { close(cancelled) })
}

func pumpFrom[E, T any](r Reader[E], buffer int, convert func(E) *store.Event[T], cancelled <-chan struct{}) <-chan *store.Event[T] {
	p := &pump[E, T]{
		reader:    r,
		convert:   convert,
		events:    make(chan *store.Event[T], min(buffer, maxChannel)),
		cancelled: cancelled,
	}
	go p.run()
	return p.events
}

// maxChannel bounds a watch's channel, which takes its memory at once. What is beyond it
// waits in the log.
const maxChannel = 1 << 16

// pump moves events from a reader to a channel.
type pump[E, T any] struct {
	reader    Reader[E]
	convert   func(E) *store.Event[T]
	events    chan *store.Event[T]
	cancelled <-chan struct{}
}

func (p *pump[E, T]) run() {
	defer close(p.events)
	defer p.reader.Close()
	for {
		select {
		case <-p.cancelled:
			return
		case <-p.reader.Ready():
		}
		for event := range p.reader.Changes() {
			if p.isCancelled() {
				return
			}
			if e := p.convert(event); !p.send(e) || e.EventType == store.EventTypeError {
				return
			}
		}
		if err := p.reader.Err(); err != nil {
			if !errors.Is(err, store.ErrClosed) {
				p.send(&store.Event[T]{Kind: p.reader.Kind(), EventType: store.EventTypeError, Err: err})
			}
			return
		}
	}
}

func (p *pump[E, T]) isCancelled() bool {
	select {
	case <-p.cancelled:
		return true
	default:
		return false
	}
}

// send waits until the event is sent, and returns false if it never will be.
func (p *pump[E, T]) send(event *store.Event[T]) bool {
	// After Close, what there is room for is still sent.
	select {
	case p.events <- event:
		return true
	default:
	}
	select {
	case p.events <- event:
		return true
	case <-p.cancelled:
		return false
	case <-p.reader.Done():
		return false
	}
}
