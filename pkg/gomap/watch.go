package gomap

import (
	"errors"
	"sync"

	"github.com/larder-dev/larder/pkg/store"
)

// Watch implements [store.Watcher]. It is a goroutine that reads a [Cursor] into
// a channel; it ends, and the channel is closed, soon after cancel or Close.
// Close lets the consumer have what the channel has room for.
func (s *MemStore[T]) Watch(kind string, opts ...store.WatchOption[T]) (<-chan *store.Event[T], func(), error) {
	cursor, err := s.Cursor(kind, opts...)
	if err != nil {
		return nil, nil, err
	}
	events, cancel := pumpFrom(cursor, itself[T])
	return events, cancel, nil
}

func itself[T any](event store.Event[T]) *store.Event[T] { return new(event) }

// pumpFrom starts a pump and returns its channel and what ends it.
func pumpFrom[C, T any](cursor *Cursor[C], convert func(store.Event[C]) *store.Event[T]) (<-chan *store.Event[T], func()) {
	p := &pump[C, T]{
		cursor:    cursor,
		convert:   convert,
		events:    make(chan *store.Event[T], cursor.config.BufferSize),
		cancelled: make(chan struct{}),
	}
	go p.run()
	return p.events, sync.OnceFunc(func() { close(p.cancelled) })
}

// pump moves events from a cursor to a channel.
type pump[C, T any] struct {
	cursor    *Cursor[C]
	convert   func(store.Event[C]) *store.Event[T]
	events    chan *store.Event[T]
	cancelled chan struct{}
}

func (p *pump[C, T]) run() {
	defer close(p.events)
	defer p.cursor.Close()
	for {
		select {
		case <-p.cancelled:
			return
		case <-p.cursor.Ready():
		}
		for event := range p.cursor.Changes() {
			if e := p.convert(event); !p.send(e) || e.EventType == store.EventTypeError {
				return
			}
		}
		if err := p.cursor.Err(); err != nil {
			if !errors.Is(err, store.ErrClosed) {
				p.send(&store.Event[T]{Kind: p.cursor.table.kind, EventType: store.EventTypeError, Err: err})
			}
			return
		}
	}
}

// send waits until the event is sent, and returns false if it never will be.
func (p *pump[C, T]) send(event *store.Event[T]) bool {
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
	case <-p.cursor.table.store.done:
		return false
	}
}
