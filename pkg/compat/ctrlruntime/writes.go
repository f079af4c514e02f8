package ctrlruntime

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Create implements [client.Client].
func (r *readsOwnWrites) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	o := (&client.CreateOptions{}).ApplyOptions(opts)
	return r.change(ctx, obj, obj, counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return r.Client.Create(ctx, obj, opts...)
	})
}

// Update implements [client.Client].
func (r *readsOwnWrites) Update(ctx context.Context, obj client.Object, opts ...client.UpdateOption) error {
	o := (&client.UpdateOptions{}).ApplyOptions(opts)
	return r.change(ctx, obj, obj, counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return r.Client.Update(ctx, obj, opts...)
	})
}

// Patch implements [client.Client].
func (r *readsOwnWrites) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	o := (&client.PatchOptions{}).ApplyOptions(opts)
	return r.change(ctx, obj, obj, counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return r.Client.Patch(ctx, obj, patch, opts...)
	})
}

// Apply implements [client.Client].
func (r *readsOwnWrites) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	o := (&client.ApplyOptions{}).ApplyOptions(opts)
	return r.apply(ctx, obj, true, counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return r.Client.Apply(ctx, obj, opts...)
	})
}

// Delete implements [client.Client].
func (r *readsOwnWrites) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	o := (&client.DeleteOptions{}).ApplyOptions(opts)
	return r.change(ctx, obj, nil, counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return r.Client.Delete(ctx, obj, opts...)
	})
}

// DeleteAllOf implements [client.Client].
func (r *readsOwnWrites) DeleteAllOf(ctx context.Context, obj client.Object, opts ...client.DeleteAllOfOption) error {
	gvk, err := r.GroupVersionKindFor(obj)
	if err != nil {
		return err
	}
	if err := r.Client.DeleteAllOf(ctx, obj, opts...); err != nil {
		return err
	}
	o := (&client.DeleteAllOfOptions{}).ApplyOptions(opts)
	if counts(o.DryRun, o.DeleteOptions.DisableReadYourWritesConsistency) {
		of := scope{labels: o.AsListOptions().LabelSelector}
		of.Namespace = o.Namespace
		r.note(ctx, gvk, of, nil)
	}
	return nil
}

// Status implements [client.Client].
func (r *readsOwnWrites) Status() client.SubResourceWriter { return r.SubResource("status") }

// SubResource implements [client.Client].
func (r *readsOwnWrites) SubResource(name string) client.SubResourceClient {
	return subresource{r.Client.SubResource(name), r, name == "status"}
}

// subresource notes writes to a subresource.
type subresource struct {
	client.SubResourceClient
	client *readsOwnWrites
	// isStatus tells that the answer to a write is the whole object. It may be anything
	// otherwise: a scale has the name and the version of the object, and no labels.
	isStatus bool
}

// answer returns the object that becomes the answer to a write, or nil if that is not
// for sure.
func (s subresource) answer(obj, body client.Object) client.Object {
	if !s.isStatus || body != nil {
		return nil
	}
	return obj
}

// Create implements [client.SubResourceClient].
func (s subresource) Create(ctx context.Context, obj, body client.Object, opts ...client.SubResourceCreateOption) error {
	o := (&client.SubResourceCreateOptions{}).ApplyOptions(opts)
	return s.client.change(ctx, obj, nil, counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return s.SubResourceClient.Create(ctx, obj, body, opts...)
	})
}

// Update implements [client.SubResourceClient].
func (s subresource) Update(ctx context.Context, obj client.Object, opts ...client.SubResourceUpdateOption) error {
	o := (&client.SubResourceUpdateOptions{}).ApplyOptions(opts)
	return s.client.change(ctx, obj, s.answer(obj, o.SubResourceBody), counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return s.SubResourceClient.Update(ctx, obj, opts...)
	})
}

// Patch implements [client.SubResourceClient].
func (s subresource) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	o := (&client.SubResourcePatchOptions{}).ApplyOptions(opts)
	return s.client.change(ctx, obj, s.answer(obj, o.SubResourceBody), counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return s.SubResourceClient.Patch(ctx, obj, patch, opts...)
	})
}

// Apply implements [client.SubResourceClient].
func (s subresource) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
	o := (&client.SubResourceApplyOptions{}).ApplyOpts(opts)
	return s.client.apply(ctx, obj, s.isStatus && o.SubResourceBody == nil, counts(o.DryRun, o.DisableReadYourWritesConsistency), func() error {
		return s.SubResourceClient.Apply(ctx, obj, opts...)
	})
}

// counts tells whether reads have to wait for a write with these options.
func counts(dryRun []string, disabled bool) bool { return len(dryRun) == 0 && !disabled }

// change makes a write to an object and notes it. answer is what becomes the answer, nil
// if that is nothing to go by.
func (r *readsOwnWrites) change(ctx context.Context, obj, answer client.Object, counts bool, write func() error) error {
	gvk, err := r.GroupVersionKindFor(obj)
	if err != nil {
		return err
	}
	of := scope{NamespacedName: client.ObjectKeyFromObject(obj)}
	if err := write(); err != nil || !counts {
		return err
	}
	if of.Name == "" { // the server has made a name
		of.Name = obj.GetName()
	}
	r.note(ctx, gvk, of, answer)
	return nil
}

// apply is change for an apply configuration. whole tells that what it becomes is the
// whole object.
func (r *readsOwnWrites) apply(ctx context.Context, obj runtime.ApplyConfiguration, whole, counts bool, write func() error) error {
	before, err := metadataOf(obj)
	if err != nil {
		return err
	}
	if err := write(); err != nil || !counts {
		return err
	}
	var answer client.Object
	if after, err := metadataOf(obj); err == nil && whole {
		answer = after
	}
	r.note(ctx, before.GroupVersionKind(), scope{NamespacedName: client.ObjectKeyFromObject(before)}, answer)
	return nil
}

// metadataOf returns the metadata of an apply configuration.
func metadataOf(obj runtime.ApplyConfiguration) (*metav1.PartialObjectMetadata, error) {
	text, err := json.Marshal(obj)
	if err != nil {
		return nil, err
	}
	m := &metav1.PartialObjectMetadata{}
	return m, json.Unmarshal(text, m)
}

// note notes a write, if the kind is in the cache. What is in the cache later is listed
// later than the write.
func (r *readsOwnWrites) note(ctx context.Context, gvk schema.GroupVersionKind, of scope, answer client.Object) {
	k, _ := r.cache.find(gvk)
	if k == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	k.wrote(ctx, of, answer)
}
