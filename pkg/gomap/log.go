package gomap

// record is one change in a log.
type record[T any] struct {
	slot    *slot[T]
	version *version[T]
	old     *version[T] // that the key held before, or nil
	rev     uint64
}

func (r record[T]) stamp() uint64 { return r.rev }

// log is the latest changes of a kind. What is published with each is the number of
// keys that are then held.
type log[T any] struct {
	pages[record[T]]
}

// logShift gives the log pages of 64 records: it is cut off by whole pages.
const logShift = 6

func (l *log[T]) init(rev uint64) { l.pages.init(logShift, rev) }

// view is the log as it was at one revision, and with it the kind.
type view[T any] struct {
	span[record[T]]
	keys int    // held
	rev  uint64 // the newest revision
}

func (l *log[T]) view() view[T] {
	w := l.pages.view()
	v := view[T]{span: w, keys: w.note, rev: w.block.low}
	if n := w.pages(); n > 0 {
		v.rev = w.last(n - 1)
	}
	return v
}
