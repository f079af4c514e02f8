package main

// Store is a store that holds the first state of all objects, read and written in the way its documentation
// tells to.
type Store[T any] interface {
	// Get returns object i of [Versions.Lookups].
	Get(i int) T
	// Set writes an object.
	Set(obj T)
	// Find reads all objects that an index has under a value, and returns the last.
	Find(index, value string) T
	// All reads all objects, and returns the last.
	All() T
	// Close ends what the store has started.
	Close()
}

// remover is a store from which objects can be taken out.
type remover[T any] interface {
	Store[T]
	Remove(obj T)
}

// must ends the benchmark where a store refuses to work: its figure would mean nothing.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
