// Package gomap is an in-memory [store.Store] with lock-free reads, snapshots,
// secondary indexes and watches that never hold up a writer. It imports nothing
// but the standard library.
//
//	s := gomap.NewMemStore[User](store.StoreOptions[User]{})
//	defer s.Close()
//	s.Set("users", "alice", User{Name: "Alice"})
//	user, ok, err := s.Get("users", "alice")
//
// # Values
//
// The store hands out the values it holds. What they point to (slices, maps,
// pointers) is shared with every reader: treat it as immutable, also inside SetFn and
// Compute. There, a change in place is seen by others before the write, and is no write:
// the value that is returned equals the one that is there. Change a copy:
//
//	s.SetFn("users", "alice", func(u User) (User, error) {
//		u.Groups = append(slices.Clone(u.Groups), "admins")
//		return u, nil
//	})
//
// # Concurrency
//
// Reads take no lock: they neither wait for a writer nor hold one up. Writes to
// one kind take effect one after another; writes to different kinds do not
// affect each other. Every read sees a kind at one revision: all of a batch, or
// nothing of it.
//
// Functions that are given to the store (CompareFunc, ValidateFunc, index functions, what
// is passed to SetFn, Compute and DeleteIf) run while their kind is locked for writing.
// They may read it, watch it, close cursors and the store, and write to other kinds. What
// never returns inside them is a write to the same kind, AddIndex and DropIndex included.
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
// decoded beside that, within a budget in bytes: see packedstore.go, and hotset.go for
// what is kept decoded.
//
// # Structure
//
// Both stores are an engine (engine.go): a set of tables, one a kind (kinds.go). To
// understand a write takes five nouns:
//
//   - A version (version.go) is one value that a key had.
//   - The key map (keymap.go) has the latest version of each key. Get needs no more.
//   - A slot (slot.go) is where the content of the kind and its indexes (index.go) find
//     the latest version of a key.
//   - The log (log.go, over pages.go) has the latest changes.
//   - The history (history.go) is the log, the older versions that readers still need,
//     and how they say so.
//
// How a write becomes visible is written down above [table] in table.go. A cursor
// (cursor.go) begins with a replay (replay.go) and reads the log or, if it has fallen
// behind that, a digest (digest.go) of what became of each key; the hub (hub.go) wakes it.
// Cursors of a part of the kind have a stream of their own (parts.go).
package gomap
