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
// an object is found by [MemStore.ByIndex]. It runs once for every write, and once
// more when the values are others than before.
//
// # Following changes
//
// [MemStore.Watch] delivers changes over a channel. [MemStore.Cursor] is what it
// is made of: the same stream, read by the reader's own goroutine at its own
// pace. [MemStore.Snapshot] holds on to a kind as it was at one revision.
//
// # Packed values
//
// A [PackedStore] holds values that a codec packs, and those that are read often
// decoded beside that, within a budget in bytes. It is made of a MemStore of parcels:
// see packedstore.go, and hotset.go for what is kept decoded.
//
// # Structure
//
// A [MemStore] is a set of tables, one a kind. A table has a map from key to slot
// (keymap.go, slot.go), in which are the latest version of the object and behind it
// those that somebody still reads (version.go); the latest changes (log.go, over
// pages.go); and for each value of an index the slots under it (index.go). How a write
// becomes visible is written down above [table] in table.go; how old versions go, and
// how readers keep those that they still need, in compact.go. A cursor (cursor.go) reads
// the log or, if it has fallen behind that, a digest (digest.go).
package gomap
