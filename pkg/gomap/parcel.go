package gomap

import (
	"fmt"
	"sync/atomic"

	"github.com/larder-dev/larder/pkg/store"
)

// Parcel is a value as a [PackedStore] holds it: packed, and decoded beside that
// while it is hot. It is immutable and safe for concurrent use, and stays readable
// for as long as it is kept, also when its key has moved on.
type Parcel[T any] struct {
	packed store.Packed
	size   uint32 // of packed
	stored bool   // the store has had it; the writer's
	home   *home[T]
	slot   atomic.Pointer[resident[T]] // nil: decoded nowhere

	// replaced is the revision from which on the key has another value, 0 as long as it
	// has this one.
	replaced atomic.Uint64
}

// stale tells whether the key has another value by now.
func (p *Parcel[T]) stale() bool { return p.replaced.Load() != 0 }

// Packed returns the value in packed form.
func (p *Parcel[T]) Packed() store.Packed { return p.packed }

// Value returns the value. It is shared with other readers if the parcel is hot,
// so treat it as immutable. A value that is not hot is decoded, and becomes a
// candidate for being kept. An error is a [*DecodeError].
func (p *Parcel[T]) Value() (T, error) {
	if r := p.slot.Load(); r.readable() {
		r.touch()
		return r.value, nil
	}
	value, err := p.decode()
	if err != nil {
		return value, err
	}
	return p.home.hot.admit(p, value), nil
}

// Peek is [Parcel.Value] for who reads many: it does not count as a use, and what it
// decodes is kept only as long as the budget has room.
func (p *Parcel[T]) Peek() (T, error) {
	if r := p.slot.Load(); r.readable() {
		return r.value, nil
	}
	value, err := p.decode()
	if err != nil {
		return value, err
	}
	return p.home.hot.fill(p, value), nil
}

// decode decodes the value for readers who share it.
func (p *Parcel[T]) decode() (T, error) {
	value, err := p.Copy()
	if err == nil && p.home.onShare != nil {
		p.home.onShare(value)
	}
	return value, err
}

// CopyBy is [Parcel.Copy] for who has a quicker way to copy a value that is decoded: clone.
// It uses that where the value is hot, and makes the value hot if the budget has room or it
// was read not long ago.
func (p *Parcel[T]) CopyBy(clone func(T) T) (T, error) {
	if p.slot.Load() == nil && !p.home.hot.hasRoom() {
		p.home.hot.glimpse(p)
		return p.Copy()
	}
	value, err := p.Value()
	if err != nil {
		return value, err
	}
	return clone(value), nil
}

// Copy decodes the value for the caller, who owns it. An error is a [*DecodeError].
func (p *Parcel[T]) Copy() (T, error) {
	p.home.decodes.Add(1)
	value, err := p.home.codec.Decode(p.packed)
	if err != nil {
		return value, &DecodeError{Kind: p.home.kind, Err: err}
	}
	return value, nil
}

// Written returns the value while it is being written, when its writer has it at
// hand; otherwise it is [Parcel.Peek]. What a reader gets from it may be the
// writer's own: it is for index functions, which look at a value and keep nothing.
func (p *Parcel[T]) Written() (T, error) {
	r := p.slot.Load()
	if r != nil && r.state == arriving {
		return r.value, nil
	}
	value, err := p.Peek() // keeps nothing of what is being written
	if err == nil && r != nil && r.state == announced {
		p.slot.CompareAndSwap(r, &resident[T]{state: arriving, value: value, heir: r.heir, decoded: true})
	}
	return value, err
}

// prepared is called when the indexes have seen the parcel, which is one of many that are
// being written.
func (p *Parcel[T]) prepared() {
	if r := p.slot.Load(); r != nil && r.state == arriving && r.decoded {
		p.home.hot.settle(p, r)
	}
}

// arrived is called when the parcel was written, or will not be: from now on readers
// may have it decoded.
func (p *Parcel[T]) arrived() {
	for r := p.slot.Load(); r != nil && (r.state == arriving || r.state == announced); r = p.slot.Load() {
		p.home.hot.arrived(p, r)
	}
	if !p.stored {
		p.home.hot.abandon(p)
	}
}

// EncodeError reports a value that was not written because it could not be packed.
type EncodeError struct {
	// Kind and Name say where the value should have gone.
	Kind, Name string
	// Err is what the codec returned.
	Err error
}

// Error says where the value should have gone and what is wrong.
func (e *EncodeError) Error() string {
	return fmt.Sprintf("the value of key %q of kind %q cannot be packed: %v", e.Name, e.Kind, e.Err)
}

// Unwrap returns the codec's error.
func (e *EncodeError) Unwrap() error { return e.Err }

// DecodeError reports a value that could not be decoded.
type DecodeError struct {
	// Kind says where the value is, and Name too, unless it was read by a method of its
	// [Parcel].
	Kind, Name string
	// Err is what the codec returned.
	Err error
}

// Error says where the value is and what is wrong.
func (e *DecodeError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("a value of kind %q cannot be decoded: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("the value of key %q of kind %q cannot be decoded: %v", e.Name, e.Kind, e.Err)
}

// named gives a DecodeError the key.
func named(err error, key string) error {
	if e, ok := err.(*DecodeError); ok { //nolint:errorlint // it was made here
		e.Name = key
	}
	return err
}

// Unwrap returns the codec's error.
func (e *DecodeError) Unwrap() error { return e.Err }
