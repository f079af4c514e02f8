package clientgo

import (
	"reflect"
	"sync"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/store"
)

// packing packs objects of whatever types come, each type by a codec of its own: an
// indexer takes what its key function takes, and a transform may make something else of
// what the server sends. It is the codec of a packed shelf.
type packing struct {
	options codec.PackerOptions
	decoded func(obj any) // is told of every object that readers may come to share

	types sync.Map   // from reflect.Type to *typeCodec
	mu    sync.Mutex // held to add one
}

var _ store.Codec[any] = (*packing)(nil)

// typeCodec packs objects of one type.
type typeCodec struct {
	*codec.Codec[any]
	versioned bool // they have a resourceVersion
}

// packed is an object with the codec that can unpack it.
type packed struct {
	codec.Packed
	of *typeCodec
}

// Size implements [store.Packed].
func (p packed) Size() int { return p.Packed.Size() + int(unsafe.Sizeof(p)) }

// wrapped is an object that was wrapped into something when it was packed.
type wrapped struct {
	store.Packed
	wrap func(obj any) any
}

// nothing is nil, which a tombstone may be of.
type nothing struct{}

func (nothing) Size() int    { return 0 }
func (nothing) Len() int     { return 0 }
func (nothing) Hash() uint64 { return 0 }

// Encode implements [store.Codec]. The error for a type that no codec is for is a
// [codec.ErrType].
func (p *packing) Encode(obj any) (store.Packed, error) {
	switch obj := obj.(type) {
	case final:
		return p.encode(obj.obj, func(o any) any { return final{o} })
	case cache.DeletedFinalStateUnknown:
		return p.encode(obj.Obj, func(o any) any { return cache.DeletedFinalStateUnknown{Key: obj.Key, Obj: o} })
	case nil:
		return nothing{}, nil
	}
	of, err := p.of(reflect.TypeOf(obj))
	if err != nil {
		return nil, err
	}
	inner, err := of.Encode(obj)
	return packed{inner, of}, err
}

// encode packs an object that Decode is to wrap.
func (p *packing) encode(obj any, wrap func(any) any) (store.Packed, error) {
	inner, err := p.Encode(obj)
	return wrapped{inner, wrap}, err
}

// Decode implements [store.Codec].
func (p *packing) Decode(from store.Packed) (any, error) {
	switch from := from.(type) {
	case packed:
		obj, err := from.of.Decode(from.Packed)
		if err == nil {
			p.decoded(obj)
		}
		return obj, err
	case wrapped:
		obj, err := p.Decode(from.Packed)
		if err != nil {
			return nil, err
		}
		return from.wrap(obj), nil
	case nothing:
		return nil, nil
	}
	return nil, codec.ErrForeign
}

// of returns the codec of a type.
func (p *packing) of(t reflect.Type) (*typeCodec, error) {
	if of, ok := p.types.Load(t); ok {
		return of.(*typeCodec), nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if of, ok := p.types.Load(t); ok {
		return of.(*typeCodec), nil
	}
	c, err := codec.NewOf(t, codec.Options[any]{PackerOptions: p.options})
	if err != nil {
		return nil, err
	}
	of := &typeCodec{c, t.Implements(reflect.TypeFor[metav1.Object]())}
	p.types.Store(t, of)
	return of, nil
}

// shared returns how many bytes the packed objects share.
func (p *packing) shared() (bytes int64) {
	for _, of := range p.types.Range {
		s := of.(*typeCodec).Packer().Stats()
		bytes += int64(s.DictionaryBytes + s.ReadyBytes)
	}
	return bytes
}
