package ctrlruntime

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/larder-dev/larder/internal/core"
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
	f := core.FormOf(out)
	options := (&client.GetOptions{}).ApplyOptions(opts)
	for {
		found, err := c.get(ctx, gvk, key, f, options)
		if errors.Is(err, core.ErrNarrow) && ctx.Err() == nil {
			continue // it is being listed in full
		}
		if err != nil {
			return err
		}
		return assign(found, out)
	}
}

// get returns an object in a form.
func (c *Cache) get(ctx context.Context, gvk schemaKind, key client.ObjectKey, f core.Form, options *client.GetOptions) (client.Object, error) {
	var k *kindCache
	namespaces, err := c.ready(ctx, gvk, f, func(found *kindCache) (string, error) {
		k = found
		return key.Namespace, nil
	})
	if err != nil {
		return nil, err
	}
	if !k.namespaced {
		key.Namespace = ""
	}
	for _, ns := range namespaces {
		if v, ok := ns.objects().Get(core.Key(key.Namespace, key.Name)); ok {
			return ns.read(v, f, ns.isShared(options.UnsafeDisableDeepCopy))
		}
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}, key.Name)
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

// ready returns the namespace caches of a kind for a namespace, once they are synced in a form.
func (c *Cache) ready(ctx context.Context, gvk schemaKind, f core.Form, namespace func(*kindCache) (string, error)) ([]*namespaceCache, error) {
	for {
		if k, _ := c.find(gvk); k == nil && c.settings.ReaderFailOnMissingInformer {
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
		namespaces, err := k.of(ns)
		if err != nil {
			return nil, err
		}
		err = k.await(ctx, namespaces, f)
		if errors.Is(err, errEnded) {
			if err = c.stoppedError(gvk); err == nil {
				continue // it was removed: begin again
			}
		}
		return namespaces, err
	}
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
	q := query{form: core.FormOf(list), options: options, page: page{after: after, limit: options.Limit}}
	for {
		err := c.list(ctx, gvk, q, list)
		if !errors.Is(err, core.ErrNarrow) || ctx.Err() != nil {
			return err
		}
	}
}

// query is what a list asks for.
type query struct {
	kind    *kindCache
	form    core.Form
	options *client.ListOptions

	name   string // "" for any
	fields []indexed
	page   page
}

// list makes list what a query finds.
func (c *Cache) list(ctx context.Context, gvk schemaKind, q query, list client.ObjectList) error {
	namespaces, err := c.ready(ctx, gvk, q.form, func(found *kindCache) (string, error) {
		q.kind = found
		return q.options.Namespace, q.plan()
	})
	if err != nil {
		return err
	}
	resourceVersion, err := q.run(namespaces)
	if err != nil {
		return err
	}
	hits, rest := q.page.content()
	items := make([]runtime.Object, 0, len(hits))
	packed := len(hits) > 0 && hits[0].from.objects().IsPacked()
	for _, result := range core.Each(hits, packed, q.read) {
		if result.Err != nil {
			return result.Err
		}
		items = append(items, result.Object.(client.Object))
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

// read returns the object of a hit.
func (q *query) read(h hit) (any, error) {
	return h.from.read(h.value, q.form, h.from.isShared(q.options.UnsafeDisableDeepCopy))
}

// indexed asks that an index has an object under a value.
type indexed struct {
	fieldIndex
	value string
}

const metadataName = "metadata.name"

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

// run puts what there is on the page. It returns up to which resourceVersion that has every
// change: the least of the namespace caches'.
func (q *query) run(namespaces []*namespaceCache) (resourceVersion string, err error) {
	var where []gomap.Condition
	for _, x := range q.fields {
		where = append(where, gomap.Is(x.name(), x.value))
	}
	for _, ns := range namespaces {
		// First the version, then the objects: they may be newer, not older.
		v := ns.status().Version()
		if resourceVersion == "" || !core.IsAtOrAfter(v, resourceVersion) {
			resourceVersion = v
		}
		found, err := ns.shared.Core().Find(q.options.Namespace, q.options.LabelSelector, where...)
		if err != nil {
			return "", err
		}
		for key, v := range found {
			if !q.page.wants(key) || q.name != "" && q.name != key && !strings.HasSuffix(key, "/"+q.name) {
				continue
			}
			q.page.add(hit{key, v, ns})
		}
	}
	return resourceVersion, nil
}
