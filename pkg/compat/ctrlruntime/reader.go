package ctrlruntime

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/pkg/compat/clientgo"
	"github.com/larder-dev/larder/pkg/gomap"
)

// Get reads an object into out: a copy, unless the options say otherwise. If the kind
// is not synced it waits for that.
//
// It returns an error of apierrors.IsNotFound for an object that is not in the cache,
// a [*cache.ErrCacheNotStarted], a [*cache.ErrResourceNotCached],
// [ErrNamespaceNotCached], an error of meta.IsNoMatchError for a kind that the server
// does not have, and an [*informer.SyncError] about a kind that cannot be synced, or that
// the server no longer has, within a few seconds, and one of apierrors.IsTimeout if ctx is
// done before the kind is synced. All but the second and the fourth heal by themselves:
// call again. A kind that was synced and is out of date for another reason
// is read as it is; [Readyz] and Unhealthy tell.
func (c *Cache) Get(ctx context.Context, key client.ObjectKey, out client.Object, opts ...client.GetOption) error {
	gvk, err := c.settings.kindOf(out)
	if err != nil {
		return err
	}
	f := formOf(out)
	options := (&client.GetOptions{}).ApplyOptions(opts)
	var k *kind
	shares, err := c.ready(ctx, gvk, f, func(found *kind) (string, error) {
		k = found
		return key.Namespace, nil
	})
	if err != nil {
		return err
	}
	if !k.namespaced {
		key.Namespace = ""
	}
	for _, sh := range shares {
		stored, found, err := sh.informer.GetIndexer().GetByKey(storeKey(key))
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		shared := ptr.Deref(options.UnsafeDisableDeepCopy, ptr.Deref(sh.config.UnsafeDisableDeepCopy, false))
		obj, err := sh.read(k, stored, f, shared)
		if err != nil {
			return err
		}
		return assign(obj, out)
	}
	return apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}, key.Name)
}

// storeKey returns the key of an object in a store.
func storeKey(key client.ObjectKey) string {
	if key.Namespace == "" {
		return key.Name
	}
	return key.Namespace + "/" + key.Name
}

// assign makes out what obj is.
func assign(obj, out client.Object) error {
	to, from := reflect.ValueOf(out), reflect.ValueOf(obj)
	if !from.Type().AssignableTo(to.Type()) {
		return fmt.Errorf("cache had type %s, but %s was asked for", from.Type(), to.Type())
	}
	to.Elem().Set(from.Elem())
	return nil
}

// ready returns the shares of a kind for a namespace, once they are synced in a form.
func (c *Cache) ready(ctx context.Context, gvk schema.GroupVersionKind, f form, namespace func(*kind) (string, error)) ([]*share, error) {
	for {
		if k, _ := c.find(gvk, f); k == nil && c.settings.ReaderFailOnMissingInformer {
			return nil, &cache.ErrResourceNotCached{GVK: gvk}
		}
		k, started, err := c.need(ctx, gvk, f)
		if err != nil {
			return nil, err
		}
		if !started {
			return nil, &cache.ErrCacheNotStarted{}
		}
		ns, err := namespace(k)
		if err != nil {
			return nil, err
		}
		shares, err := k.of(ns)
		if err != nil {
			return nil, err
		}
		err = k.await(ctx, shares, f)
		if errors.Is(err, errEnded) {
			if err = c.stoppedError(gvk); err == nil {
				continue // it was removed: begin again
			}
		}
		return shares, err
	}
}

// read returns a stored object in a form, as a copy that says what it is unless it is
// to be shared.
func (sh *share) read(k *kind, stored any, f form, shared bool) (client.Object, error) {
	obj, ok := stored.(client.Object)
	if !ok {
		return nil, fmt.Errorf("cache contained %T, which is not a client.Object", stored)
	}
	obj, err := sh.view(k.settings, k.gvk, obj, f)
	if err != nil || shared {
		return obj, err
	}
	out := obj.DeepCopyObject().(client.Object)
	out.GetObjectKind().SetGroupVersionKind(k.gvk)
	return out, nil
}

// List reads the objects that options select into list, sorted by namespace and name:
// copies, unless the options say otherwise. If the kind is not synced it waits for
// that. It looks labels and fields up in indexes, however many there are.
//
// The list's resourceVersion is one up to which it has every change; to watch from
// there misses nothing. With a Limit, the list says how to Continue if there is more,
// and how much more that is. Whoever reads page after page sees every object that is
// there all the time exactly once.
//
// Errors are those of Get, and [ErrIndexNotFound] and [ErrNonExactField] for a field
// selector, and one of apierrors.IsBadRequest for what is no Continue token.
func (c *Cache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	gvk, err := c.itemKind(list)
	if err != nil {
		return err
	}
	options := (&client.ListOptions{}).ApplyOptions(opts)
	after, err := parseContinue(options.Continue)
	if err != nil {
		return err
	}
	q := query{form: formOf(list), options: options, page: page{after: after, limit: options.Limit}}
	shares, err := c.ready(ctx, gvk, q.form, func(found *kind) (string, error) {
		q.kind = found
		return options.Namespace, q.plan()
	})
	if err != nil {
		return err
	}
	resourceVersion, err := q.run(shares)
	if err != nil {
		return err
	}
	hits, rest := q.page.content()
	items := make([]runtime.Object, len(hits))
	for i, h := range hits {
		shared := ptr.Deref(options.UnsafeDisableDeepCopy, ptr.Deref(h.share.config.UnsafeDisableDeepCopy, false))
		if items[i], err = h.share.read(q.kind, h.obj, q.form, shared); err != nil {
			return err
		}
	}
	if err := meta.SetList(list, items); err != nil {
		return err
	}
	list.SetResourceVersion(resourceVersion)
	list.SetContinue("")
	list.SetRemainingItemCount(nil)
	if rest > 0 {
		list.SetContinue(formatContinue(hits[len(hits)-1].key))
		list.SetRemainingItemCount(&rest)
	}
	return nil
}

// query is what a list asks for.
type query struct {
	kind    *kind
	form    form
	options *client.ListOptions

	name   string // "" for any
	fields []indexed
	page   page
}

// indexed asks that an index has an object under a value.
type indexed struct {
	fieldIndex
	value string
}

const (
	metadataName = "metadata.name"
	labelIndex   = "labels"
)

// plan finds the indexes for the field selector.
func (q *query) plan() error {
	q.name, q.fields = "", nil
	if q.options.FieldSelector == nil {
		return nil
	}
	for _, r := range q.options.FieldSelector.Requirements() {
		if r.Operator != selection.Equals && r.Operator != selection.DoubleEquals {
			return fmt.Errorf("%s%s%s: %w", r.Field, r.Operator, r.Value, ErrNonExactField)
		}
		x, err := q.kind.fields.find(r.Field, q.form)
		switch {
		case err == nil:
			q.fields = append(q.fields, indexed{x, r.Value})
		case r.Field == metadataName:
			q.name = r.Value
		case r.Field == metadataNamespace && (q.options.Namespace == "" || q.options.Namespace == r.Value):
			q.options.Namespace = r.Value
		default:
			return err
		}
	}
	return nil
}

// run puts what there is in shares on the page. It returns up to which resourceVersion
// that has every change: the least of theirs.
func (q *query) run(shares []*share) (resourceVersion string, err error) {
	for _, sh := range shares {
		// First the version, then the objects: they may be newer, not older.
		v := sh.status.version()
		if resourceVersion == "" || !reached(v, resourceVersion) {
			resourceVersion = v
		}
		found, err := q.find(sh)
		if err != nil {
			return "", err
		}
		for key, obj := range found {
			if !q.page.wants(key) {
				continue
			}
			ok, err := q.matches(obj)
			if err != nil {
				return "", err
			}
			if ok {
				q.page.add(hit{key, obj, sh})
			}
		}
	}
	return resourceVersion, nil
}

// find returns the objects of a share that the indexes have; more may be asked of
// them.
func (q *query) find(sh *share) (iter.Seq2[string, any], error) {
	selector, ok := sh.informer.GetIndexer().(clientgo.Selector)
	if !ok {
		return q.scan(sh)
	}
	var where []gomap.Condition
	for _, x := range q.fields {
		where = append(where, gomap.Is(x.name(), x.value))
	}
	if q.options.Namespace != "" {
		where = append(where, gomap.Is(toolscache.NamespaceIndex, q.options.Namespace))
	}
	if q.options.LabelSelector != nil {
		conditions := labelConditions(q.options.LabelSelector)
		if len(conditions) > 0 {
			if err := sh.indexLabels(); err != nil {
				return nil, err
			}
		}
		where = append(where, conditions...)
	}
	return selector.Select(where...)
}

// indexLabels makes the index of labels, when it is first needed.
func (sh *share) indexLabels() (err error) {
	sh.labels.Do(func() {
		err = sh.informer.AddIndexers(toolscache.Indexers{labelIndex: clientgo.LabelIndex})
	})
	return err
}

// labelConditions returns what of a selector an index of labels can tell.
func labelConditions(selector labels.Selector) (where []gomap.Condition) {
	requirements, selectable := selector.Requirements()
	if !selectable {
		return []gomap.Condition{gomap.In(labelIndex)} // nothing
	}
	for _, r := range requirements {
		switch r.Operator() {
		case selection.Equals, selection.DoubleEquals, selection.In:
			where = append(where, gomap.LabelIn(labelIndex, r.Key(), r.Values().UnsortedList()...))
		case selection.Exists, selection.GreaterThan, selection.LessThan:
			where = append(where, gomap.HasLabel(labelIndex, r.Key()))
		case selection.NotIn, selection.NotEquals, selection.DoesNotExist:
			// An index knows what there is, not what is missing.
		}
	}
	return where
}

// matches tells whether an object that the indexes have is one that is asked for.
func (q *query) matches(obj any) (bool, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return false, err
	}
	return (q.name == "" || m.GetName() == q.name) &&
		(q.options.LabelSelector == nil || q.options.LabelSelector.Matches(labels.Set(m.GetLabels()))), nil
}

// scan is find for an informer that is not larder's.
func (q *query) scan(sh *share) (iter.Seq2[string, any], error) {
	indexer := sh.informer.GetIndexer()
	functions := indexer.GetIndexers()
	found := map[string]any{}
	for _, obj := range indexer.List() {
		m, err := meta.Accessor(obj)
		if err != nil {
			return nil, err
		}
		met := q.options.Namespace == "" || m.GetNamespace() == q.options.Namespace
		for _, x := range q.fields {
			fn := functions[x.name()]
			if fn == nil {
				return nil, fmt.Errorf("%w: %q", ErrIndexNotFound, x.field)
			}
			values, err := fn(obj)
			if err != nil {
				return nil, err
			}
			met = met && slices.Contains(values, x.value)
		}
		if met {
			found[storeKey(client.ObjectKey{Namespace: m.GetNamespace(), Name: m.GetName()})] = obj
		}
	}
	return func(yield func(string, any) bool) {
		for key, obj := range found {
			if !yield(key, obj) {
				return
			}
		}
	}, nil
}
