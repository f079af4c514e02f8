package ctrlruntime

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
	form  form
}

// name returns what the index is called at an informer.
func (x fieldIndex) name() string { return fmt.Sprintf("field:%d:%s", x.form, x.field) }

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
func (fi *fieldIndexes) find(field string, f form) (fieldIndex, error) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	for _, candidate := range []form{f, typed, untyped, metadataOnly} {
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

// indexer returns an index as an informer's.
func (fi *fieldIndexes) indexer(s *settings, gvk schema.GroupVersionKind, sh *share, x fieldIndex) toolscache.Indexers {
	fn := fi.fn(x)
	return viewIndexers(s, gvk, sh, x.form, toolscache.Indexers{x.name(): func(obj any) ([]string, error) {
		return fn(obj.(client.Object)), nil
	}})
}

// viewIndexers has index functions see objects in a form. What is there in a narrower
// form is not indexed: it is about to be listed again.
func viewIndexers(s *settings, gvk schema.GroupVersionKind, sh *share, f form, indexers toolscache.Indexers) toolscache.Indexers {
	if sh.foreign {
		return indexers
	}
	views := make(toolscache.Indexers, len(indexers))
	for name, fn := range indexers {
		views[name] = func(stored any) ([]string, error) {
			obj, ok := stored.(client.Object)
			if !ok {
				return nil, fmt.Errorf("%T is not a client.Object", stored)
			}
			v, err := sh.view(s, gvk, obj, f)
			switch {
			case errors.Is(err, errNarrow):
				return nil, nil
			case err != nil:
				return nil, err
			}
			return fn(v)
		}
	}
	return views
}
