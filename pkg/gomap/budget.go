package gomap

// Budget is what the decoded values of several stores may take together. Give it to each
// as [PackedOptions].Shared: the values that are read most are kept, whichever store they
// are of.
type Budget[T any] struct{ hot *hotset[T] }

// NewBudget returns a budget of so many bytes. Zero is [DefaultBudget]; [NoBudget] keeps no
// value decoded.
func NewBudget[T any](bytes int64) *Budget[T] {
	if bytes == 0 {
		bytes = DefaultBudget
	}
	return &Budget[T]{hot: &hotset[T]{budget: bytes}}
}

// Bytes returns what the values that are kept take at present, an estimate.
func (b *Budget[T]) Bytes() int64 {
	b.hot.mu.Lock()
	defer b.hot.mu.Unlock()
	return b.hot.bytes
}
