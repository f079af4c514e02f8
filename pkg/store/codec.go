package store

// Packed is a value in the compact form that a [Codec] gave it. It is immutable, safe for concurrent use, and
// stays readable for as long as somebody holds it: what it shares with other values, such as a dictionary,
// lives at least as long.
//
// It is an alias, so that a codec need not import this package.
type Packed = interface {
	// Size returns the bytes of memory that it takes, without what it shares with others.
	Size() int
	// Len returns the bytes of the wire form that it was made from. A decoded Kubernetes object takes two to
	// four times as much.
	Len() int
	// Hash returns a hash of the wire form, comparable within one process: values with different hashes
	// differ, those with equal ones are equal but for a chance of 2^-64.
	Hash() uint64
}

// Codec packs values of T. It is safe for concurrent use.
type Codec[T any] interface {
	// Encode packs a value. It neither changes nor keeps the value.
	Encode(value T) (Packed, error)

	// Decode returns the value of a Packed that a codec of the same kind made, as a new copy that the caller
	// owns. Damaged data is an error, never a panic.
	Decode(packed Packed) (T, error)
}
