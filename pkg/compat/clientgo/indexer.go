package clientgo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/api/meta"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// indexer is a [cache.Indexer] over an object store, in one form. Reads take no lock, and
// each sees the store at one revision.
type indexer struct {
	keyOf   cache.KeyFunc
	objects core.Objects
	form    core.Form
	status  *core.Status // has the latest resourceVersion that was seen
	meters  meters
	report  func(key string, err error) // is told of objects that cannot be decoded

	shared *Shared // of the informer whose indexer it is, or nil
	// keyed tells that the keys of the store say in which namespace an object is.
	keyed bool

	indexers atomic.Pointer[cache.Indexers] // replaced, never changed

	mu sync.Mutex // serializes writers
}

// Selector is what the indexers of this package are besides a [cache.Indexer].
type Selector interface {
	cache.Indexer

	// Select yields the keys and objects that meet all of the conditions, at one
	// revision of the store, in no particular order: those of several indexes at
	// once, or with labels if one of the indexes is [LabelIndex]. It takes no lock
	// and copies nothing; packed objects are decoded one by one. The error is
	// [ErrIndexNotFound].
	Select(where ...gomap.Condition) (iter.Seq2[string, any], error)
}

var (
	_ Selector               = (*indexer)(nil)
	_ cache.TransactionStore = (*indexer)(nil)
)

// NewIndexer returns an empty indexer with client-go's semantics. It holds any
// objects that keyFunc has a key for, and is safe for concurrent use. It copies
// indexers; a nil function in it counts as none.
//
// A write that an index function fails on, or panics, is refused with a
// [*store.IndexError].
func NewIndexer(keyFunc cache.KeyFunc, indexers cache.Indexers) cache.Indexer {
	x, err := newFilledIndexer(keyFunc, indexers, core.Storage{})
	if err != nil {
		panic(err) // nothing of it can fail without packing
	}
	return x
}

// newFilledIndexer returns an indexer that is filled by hand.
func newFilledIndexer(keyFunc cache.KeyFunc, indexers cache.Indexers, s core.Storage) (*indexer, error) {
	objects, err := core.NewObjects("objects", s)
	if err != nil {
		return nil, err
	}
	x := newIndexer(keyFunc, objects, core.AsStored)
	x.addAll(indexers)
	return x, nil
}

func newIndexer(keyFunc cache.KeyFunc, objects core.Objects, f core.Form) *indexer {
	x := &indexer{
		keyOf: keyFunc, objects: objects, form: f, status: core.NewStatus("objects"), meters: noMeters,
		report: func(key string, err error) {
			utilruntime.HandleErrorWithContext(context.Background(), err, "An object is left out", "key", fromName(key))
		},
	}
	x.indexers.Store(&cache.Indexers{})
	return x
}

// addAll adds the indexes that the caller of a constructor passes.
func (x *indexer) addAll(indexers cache.Indexers) {
	for name, fn := range indexers {
		if fn != nil {
			_ = x.addIndex(name, fn) // of nothing: nothing can fail
		}
	}
}

// A store has no empty names, while client-go's does: of a key, and of an index.
const emptyName = "\x00"

func toName(s string) string {
	if s == "" {
		return emptyName
	}
	return s
}

func fromName(s string) string {
	if s == emptyName {
		return ""
	}
	return s
}

// indexName returns what an index is called in the store: there are those of other forms.
func (x *indexer) indexName(name string) string {
	switch {
	case x.form == core.AsStored:
		return toName(name)
	case name == cache.NamespaceIndex:
		return core.NamespaceIndex // which all forms have together
	}
	return x.form.String() + ":" + name
}

// Add writes an object. The error is a [cache.KeyError] if it has no key.
func (x *indexer) Add(obj any) error { return x.Update(obj) }

// Update writes an object, whether there is one of its key or not.
func (x *indexer) Update(obj any) error { return x.write(obj, x.objects.Set) }

// Delete removes the object of obj's key, if there is one. obj is its final state,
// or a [cache.DeletedFinalStateUnknown].
func (x *indexer) Delete(obj any) error { return x.write(obj, x.objects.Delete) }

func (x *indexer) write(obj any, write func(key string, item core.Item) error) error {
	key, err := x.key(obj)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := write(toName(key), core.ItemOf(obj)); err != nil {
		return err
	}
	x.sawObject(obj)
	return nil
}

// Replace makes the list the content, in one commit. If it returns an error it has
// changed nothing.
func (x *indexer) Replace(list []any, resourceVersion string) error {
	objects := make(map[string]core.Item, len(list))
	for _, obj := range list {
		key, err := x.key(obj)
		if err != nil {
			return err
		}
		objects[toName(key)] = core.ItemOf(obj)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.objects.Replace(objects); err != nil {
		return err
	}
	x.saw(resourceVersion)
	return nil
}

// Transaction does one write after another, and no other write comes between. What
// has no key, or is refused, is left out and reported; the rest is done.
func (x *indexer) Transaction(txns ...cache.Transaction) *cache.TransactionError {
	if len(txns) == 0 {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	failed := &cache.TransactionError{SuccessfulIndices: []int{}, TotalTransactions: len(txns)}
	for i, txn := range txns {
		if err := x.transact(txn); err != nil {
			failed.Errors = append(failed.Errors, err)
			continue
		}
		failed.SuccessfulIndices = append(failed.SuccessfulIndices, i)
	}
	x.sawObject(txns[len(txns)-1].Object)
	if len(failed.Errors) == 0 {
		return nil
	}
	return failed
}

func (x *indexer) transact(txn cache.Transaction) error {
	key, err := x.key(txn.Object)
	if err != nil {
		return err
	}
	if txn.Type == cache.TransactionTypeDelete {
		return x.objects.Delete(toName(key), core.ItemOf(txn.Object))
	}
	return x.objects.Set(toName(key), core.ItemOf(txn.Object))
}

func (x *indexer) key(obj any) (string, error) {
	key, err := x.keyOf(obj)
	if err != nil {
		return "", cache.KeyError{Obj: obj, Err: err}
	}
	return key, nil
}

// sawObject notes the resourceVersion of an object, if it can have one.
func (x *indexer) sawObject(obj any) {
	if m, err := meta.Accessor(obj); err == nil {
		x.saw(m.GetResourceVersion())
	}
}

func (x *indexer) saw(resourceVersion string) {
	x.status.Reached(resourceVersion)
	x.meters.reached(resourceVersion)
}

// Bookmark notes that everything up to a resourceVersion was seen.
func (x *indexer) Bookmark(resourceVersion string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.saw(resourceVersion)
}

// LastStoreSyncResourceVersion returns the resourceVersion of the latest write,
// list or bookmark.
func (x *indexer) LastStoreSyncResourceVersion() string { return x.status.Version() }

// Get returns the object of obj's key.
func (x *indexer) Get(obj any) (item any, exists bool, err error) {
	key, err := x.key(obj)
	if err != nil {
		return nil, false, err
	}
	return x.GetByKey(key)
}

// GetByKey returns the object of a key. The error is a [*gomap.DecodeError] for a packed
// object that cannot be decoded, which other reads report and leave out.
func (x *indexer) GetByKey(key string) (item any, exists bool, err error) {
	v, ok := x.objects.Get(toName(key))
	if !ok {
		return nil, false, nil
	}
	obj, err := x.objects.Open(v, x.form)
	return obj, err == nil, err
}

// List returns the objects, in no particular order.
func (x *indexer) List() []any {
	_, size := x.objects.RevisionAndCount()
	return x.list(x.objects.All(), size)
}

// list returns the objects of values, about how many there are.
func (x *indexer) list(values iter.Seq2[string, core.Value], about int) []any {
	found := make([]store.KeyValue[core.Value], 0, about)
	for key, v := range values {
		found = append(found, store.KeyValue[core.Value]{Key: key, Value: v})
	}
	list := make([]any, 0, len(found))
	glance := func(kv store.KeyValue[core.Value]) (any, error) { return x.glance(kv.Value) }
	for n, result := range core.Each(found, x.objects.IsPacked(), glance) {
		if result.Err != nil {
			x.report(found[n].Key, result.Err)
			continue
		}
		list = append(list, result.Object)
	}
	return list
}

func (x *indexer) glance(v core.Value) (any, error) { return x.objects.Glance(v, x.form) }

// ListKeys returns the keys, in no particular order.
func (x *indexer) ListKeys() []string {
	_, size := x.objects.RevisionAndCount()
	return slices.AppendSeq(make([]string, 0, size), keysOf(x.objects.All()))
}

func keysOf(values iter.Seq2[string, core.Value]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range values {
			if !yield(fromName(key)) {
				return
			}
		}
	}
}

// Index returns the objects that have an index value in common with obj.
func (x *indexer) Index(indexName string, obj any) ([]any, error) {
	fn := (*x.indexers.Load())[indexName]
	if fn == nil {
		return nil, fmt.Errorf("%w: %q", ErrIndexNotFound, indexName)
	}
	values, err := fn(obj)
	if err != nil {
		return nil, err
	}
	if len(values) == 1 {
		return x.ByIndex(indexName, values[0])
	}
	hits, err := x.objects.Select(gomap.In(x.indexName(indexName), values...))
	if err != nil {
		return nil, err
	}
	return x.list(hits, 0), nil
}

// ByIndex returns the objects under an index value.
func (x *indexer) ByIndex(indexName, indexedValue string) ([]any, error) {
	hits, err := x.hits(indexName, indexedValue)
	if err != nil {
		return nil, err
	}
	return x.list(hits, 0), nil
}

// IndexKeys returns the keys of the objects under an index value, sorted.
func (x *indexer) IndexKeys(indexName, indexedValue string) ([]string, error) {
	hits, err := x.hits(indexName, indexedValue)
	if err != nil {
		return nil, err
	}
	found := slices.AppendSeq([]string{}, keysOf(hits))
	slices.Sort(found)
	return found, nil
}

func (x *indexer) hits(indexName, indexedValue string) (iter.Seq2[string, core.Value], error) {
	hits, err := x.objects.ByIndex(x.indexName(indexName), indexedValue)
	if errors.Is(err, gomap.ErrIndexNotFound) {
		return nil, fmt.Errorf("%w: %q", ErrIndexNotFound, indexName)
	}
	return hits, err
}

// Select yields what meets all of the conditions.
func (x *indexer) Select(where ...gomap.Condition) (iter.Seq2[string, any], error) {
	named := make([]gomap.Condition, len(where))
	for i, c := range where {
		named[i] = gomap.In(x.indexName(c.Index), c.Values...)
	}
	found, err := x.objects.Select(named...)
	if errors.Is(err, gomap.ErrIndexNotFound) {
		return nil, fmt.Errorf("%w: %w", ErrIndexNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	return func(yield func(string, any) bool) {
		for key, v := range found {
			obj, err := x.glance(v)
			if err != nil {
				x.report(key, err)
				continue
			}
			if !yield(fromName(key), obj) {
				return
			}
		}
	}, nil
}

// LabelIndex is an index function for the labels of objects, of which [gomap.HasLabel],
// [gomap.LabelIs] and [gomap.LabelIn] make conditions. Packed objects as an API server sends
// them are not decoded for it.
func LabelIndex(obj any) ([]string, error) { return labelValues("", obj) }

var labelValues = gomap.LabelIndex(func(obj any) map[string]string {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil // it has no labels
	}
	return m.GetLabels()
})

// ListIndexFuncValues returns the index values that have objects, sorted.
func (x *indexer) ListIndexFuncValues(indexName string) []string {
	values, err := x.objects.IndexValues(x.indexName(indexName))
	if err != nil || values == nil {
		return []string{} // an index that does not exist has no values
	}
	return values
}

// GetIndexers returns a copy of the index functions.
func (x *indexer) GetIndexers() cache.Indexers { return maps.Clone(*x.indexers.Load()) }

// AddIndexers adds indexes, also of what is there, one after another in the order
// of their names. It returns [ErrIndexConflict] for a name that is taken, before it
// adds any, and a [*store.IndexError] when a function fails on an object: that one
// and those after it are then not added.
func (x *indexer) AddIndexers(newIndexers cache.Indexers) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for name := range newIndexers {
		if (*x.indexers.Load())[name] != nil {
			return fmt.Errorf("%w: %q", ErrIndexConflict, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(newIndexers)) {
		if err := x.addIndex(name, newIndexers[name]); err != nil {
			return err
		}
	}
	return nil
}

func (x *indexer) addIndex(name string, fn cache.IndexFunc) error {
	if fn == nil {
		return fmt.Errorf("index %q: %w", name, store.ErrFuncRequired)
	}
	if err := x.objects.AddIndex(x.indexName(name), x.indexOf(fn)); err != nil && !x.isCommon(name, err) {
		return err
	}
	indexers := x.GetIndexers()
	indexers[name] = fn
	x.indexers.Store(&indexers)
	return nil
}

// isCommon tells whether an index that exists is the one by namespace.
func (x *indexer) isCommon(name string, err error) bool {
	return x.indexName(name) == core.NamespaceIndex && errors.Is(err, gomap.ErrIndexExists)
}

// indexOf returns an index as the store is to have it. What the usual functions return can be
// told without decoding.
func (x *indexer) indexOf(fn cache.IndexFunc) core.Index {
	switch reflect.ValueOf(fn).Pointer() {
	case namespaceFunc:
		if x.keyed {
			return core.Index{Key: core.NamespaceOf}
		}
	case labelFunc:
		return core.Index{Labels: true}
	}
	return core.Index{Form: x.form, Func: fn}
}

var (
	namespaceFunc = reflect.ValueOf(cache.MetaNamespaceIndexFunc).Pointer()
	labelFunc     = reflect.ValueOf(LabelIndex).Pointer()
)

// Resync does nothing. It is for stores that are queues.
func (x *indexer) Resync() error { return nil }
