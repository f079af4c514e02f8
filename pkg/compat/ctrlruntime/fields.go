package ctrlruntime

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/core"
)

// fieldIndexes are the indexes that IndexField was called for on a kind. A function
// is for objects of one form; lists of that form use it, and those of others if they
// have none of their own.
type fieldIndexes struct {
	mu  sync.Mutex
	all map[fieldIndex]client.IndexerFunc
}

type fieldIndex struct {
	field string
	form  core.Form
}

// name returns what the index is called in a store.
func (x fieldIndex) name() string { return "field:" + x.form.String() + ":" + x.field }

// add takes in a function, and tells whether it is new. The same function again is
// not, and another for the same field is [ErrIndexConflict]. Functions that are made
// by the same function are the same.
func (fi *fieldIndexes) add(x fieldIndex, fn client.IndexerFunc) (isNew bool, err error) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	if has, ok := fi.all[x]; ok {
		if reflect.ValueOf(has).Pointer() != reflect.ValueOf(fn).Pointer() {
			return false, fmt.Errorf("%w: %q", ErrIndexConflict, x.field)
		}
		return false, nil
	}
	if fi.all == nil {
		fi.all = map[fieldIndex]client.IndexerFunc{}
	}
	fi.all[x] = fn
	return true, nil
}

func (fi *fieldIndexes) drop(x fieldIndex) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	delete(fi.all, x)
}

// find returns the index of a field for lists of a form.
func (fi *fieldIndexes) find(field string, f core.Form) (fieldIndex, error) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	for _, candidate := range []core.Form{f, core.Typed, core.Unstructured, core.Metadata} {
		x := fieldIndex{field, candidate}
		if fi.all[x] != nil {
			return x, nil
		}
	}
	return fieldIndex{}, fmt.Errorf("%w: %q", ErrIndexNotFound, field)
}

// list returns the indexes.
func (fi *fieldIndexes) list() []fieldIndex {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	return slices.Collect(maps.Keys(fi.all))
}

func (fi *fieldIndexes) fn(x fieldIndex) client.IndexerFunc {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	return fi.all[x]
}

// index returns an index as a store's.
func (fi *fieldIndexes) index(x fieldIndex) core.Index {
	fn := fi.fn(x)
	return core.Index{Form: x.form, Func: func(obj any) ([]string, error) { return fn(obj.(client.Object)), nil }}
}
