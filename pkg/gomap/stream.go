package gomap

import "sync/atomic"

// stream is what cursors read one by one: the latest changes of a kind or of a part of
// it, and the cursors that are told of the next.
type stream[T any] struct {
	kind string
	end  atomic.Pointer[error] // why there will be no more changes, or nil
	done <-chan struct{}       // closed with the store

	// deserted is called when the last cursor has left.
	deserted func()

	_   apart
	log log[T]
	hub hub[T]

	weight weight[T]
}

// finish lets no more changes come, for a reason. The first reason counts. It does not block.
func (s *stream[T]) finish(err error) {
	s.end.CompareAndSwap(nil, &err)
	s.hub.wakeAll()
}

// ended returns the reason why there will be no more changes, or nil.
func (s *stream[T]) ended() error {
	if err := s.end.Load(); err != nil {
		return *err
	}
	return nil
}

// spare returns the revision up to which the log may be cut off if it keeps so many
// records, 0 if there is none: what a cursor is to be told one by one has to stay, too.
func (s *stream[T]) spare(w view[T], keep int) uint64 {
	pages := min((w.length-keep)>>logShift, w.pages()-1)
	if pages <= 0 {
		return 0
	}
	floor := w.last(pages - 1)
	for c := range s.hub.all() {
		pos := c.pos.Load()
		if pos >= floor || pos < w.block.low {
			continue
		}
		if n := w.unread(pos); n <= c.config.BufferSize || c.config.Backlog > 0 && s.weight.of(n, w) <= c.config.Backlog {
			floor = pos
		}
	}
	return floor
}

// weight estimates what the records of a log keep in memory. It is the writer's.
type weight[T any] struct {
	size  func(T) int64 // of a value, if that is known; else some values are weighed
	scale *scale        // made when it is needed
	next  uint64        // the revision from which on another value counts
	mean  int64
}

const (
	recordWeight = 96 // bytes of a record and its version
	weighOneIn   = 64 // records
)

// of returns an estimate for the last n records of a log.
func (e *weight[T]) of(n int, w view[T]) int64 {
	if w.rev >= e.next {
		e.next = w.rev + weighOneIn
		page := w.page(w.pages() - 1)
		value := page[len(page)-1].version.value
		if e.scale == nil {
			e.scale = new(scale)
		}
		if e.size == nil {
			e.mean = e.scale.size(1, value)
		} else if size := e.size(value); e.mean == 0 {
			e.mean = size
		} else {
			e.mean += (size - e.mean) / 8
		}
	}
	return int64(n) * (e.mean + recordWeight)
}
