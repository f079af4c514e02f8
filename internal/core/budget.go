package core

import (
	"fmt"
	"math"
	"sync"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
)

// Values of a budget. Others are in bytes.
const (
	// DefaultBudget is 64 MiB.
	DefaultBudget int64 = 64 << 20
	// AllPacked keeps no object decoded.
	AllPacked = gomap.NoBudget
	// Plain packs nothing.
	Plain int64 = math.MaxInt64
)

// Budget is what decoded objects may take beside the packed ones, in all the informers
// that share it.
type Budget = gomap.Budget[any]

// NewBudget returns a budget of so many bytes; 0 is [DefaultBudget].
func NewBudget(bytes int64) *Budget {
	if bytes == 0 {
		bytes = DefaultBudget
	}
	return gomap.NewBudget[any](bytes)
}

// CommonBudget returns the budget of all informers in the process that have none of their
// own.
var CommonBudget = sync.OnceValue(func() *Budget { return NewBudget(DefaultBudget) })

// StorageOf returns the storage of what has a budget of so many bytes: 0 is the common one,
// Plain is none.
func StorageOf(bytes int64, c codec.Compression) (Storage, error) {
	switch {
	case bytes < 0 && bytes != AllPacked:
		return Storage{}, fmt.Errorf("%w: Budget %d: pass bytes, AllPacked or Plain", ErrInvalidOption, bytes)
	case c != "" && c != codec.S2 && c != codec.Zstd:
		return Storage{}, fmt.Errorf("%w: Compression %q: pass codec.S2 or codec.Zstd", ErrInvalidOption, c)
	case bytes == Plain && c != "":
		return Storage{}, fmt.Errorf("%w: Compression %q: nothing is packed with the Budget Plain", ErrInvalidOption, c)
	case bytes == Plain:
		return Storage{}, nil
	case bytes == 0:
		return Storage{Budget: CommonBudget(), Compression: c}, nil
	}
	return Storage{Budget: NewBudget(bytes), Compression: c}, nil
}
