// Package store is the contract of a typed, watchable, in-memory store.
//
// A [Store] holds values of one Go type T, sorted into kinds ("users",
// "pods"); inside a kind a value has a key. The package holds the interfaces,
// the [Event] that a watch delivers, the options and the errors. It holds no
// implementation: see package gomap for the store, and package storetest for
// the suite that any implementation has to pass.
//
// # Values
//
// A store hands out the values it holds; it does not copy what they point to.
// When T contains pointers, slices or maps, whoever reads a value shares it
// with every other reader and has to treat it as immutable: change a copy, then
// Set the copy. That holds inside SetFn and Compute, too: who changes a map of the value
// that the function is given changes what others read, and as the value that it returns
// is then equal to the one that is there, the write is no change.
//
// # Revisions
//
// Every write that changes something gets a revision: one uint64 sequence a
// store, growing with each change, never reused. A batch ([Writer].SetAll,
// [Writer].Replace) becomes visible at once, though each of its changes has a
// revision of its own.
//
// # Errors
//
// Every method reports misuse with one of this package's errors, testable with
// [errors.Is]: [ErrKindRequired], [ErrKeyRequired], [ErrKeyNotFound],
// [ErrFuncRequired], [ErrInvalidOp], [ErrInvalidOption], [ErrClosed]. A value that a
// [ValidateFunc] rejects is reported as a [*ValidationError]. A write that
// returns an error has changed nothing.
package store
