// Package gomap is an in-memory [store.Store] with lock-free reads, snapshots,
// secondary indexes and watches that never hold up a writer. It imports nothing
// but the standard library.
//
//	s := gomap.NewMemStore[User](store.StoreOptions[User]{})
//	defer s.Close()
//	s.Set("users", "alice", User{Name: "Alice"})
//	user, ok, err := s.Get("users", "alice")
//
// # Concurrency
//
// Reads take no lock: they neither wait for a writer nor hold one up. Writes to
// one kind take effect one after another; writes to different kinds do not
// affect each other. Every read sees a kind at one revision: all of a batch, or
// nothing of it.
//
// # Indexes
//
// [MemStore.AddIndex] adds a named function that computes the values under which
// an object is found by [MemStore.ByIndex]. It runs once for every write.
//
// # Following changes
//
// [MemStore.Watch] delivers changes over a channel. [MemStore.Cursor] is what it
// is made of: the same stream, read by the reader's own goroutine at its own
// pace. [MemStore.Snapshot] holds on to a kind as it was at one revision.
//
// # Structure
//
// A [MemStore] is a set of tables, one a kind. A table has a map from key to the
// newest version (keymap.go), a log of versions in the order of their revisions
// (log.go), and postings for its indexes (index.go). How a write becomes visible
// is written down above [table] in table.go; how old versions go, and how
// cursors keep those that they still need, in compact.go.
package gomap
