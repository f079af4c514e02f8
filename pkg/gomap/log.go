package gomap

// record is one change in a log.
type record[T any] struct {
	version *version[T]
	old     *version[T] // that the key held before, or nil
}

func (r record[T]) stamp() uint64 { return r.version.rev() }

// log is the latest changes of a kind. What is published with each is the number of
// keys that are then held. It is cut off by whole pages and never swept, so that all
// pages but the last are full.
type log[T any] struct {
	pages[record[T]]
}

// logShift gives the log pages of 64 records.
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

// unread returns how many records are after a revision.
func (w view[T]) unread(rev uint64) int {
	r := w.after(rev)
	return w.length - (min(r.page<<logShift, w.length) - len(r.rest))
}
