package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// staleRetry is when a source gets another turn whose cache was behind the server.
// What the cache lacked brings the source another turn when it arrives; this is for
// the case that it arrived during the turn, or never does.
const staleRetry = time.Second

// reconciler brings the copies of one source at a time in line with it. It reads
// the cache only, and writes through the client, each write on the condition that
// the cache was right about the object.
type reconciler struct {
	cache  *cache
	client kubernetes.Interface
	events *eventLog
}

var _ reconcile.Reconciler = (*reconciler)(nil)

// Reconcile does what the plan for a source says.
func (r *reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	source, exists := r.cache.configMaps.Get(req.Namespace, req.Name)
	t := &turn{reconciler: r, source: source}
	if exists && isSource(source) {
		t.mirror(ctx)
	} else {
		t.withdraw(ctx, req, exists)
	}
	if err := errors.Join(t.errs...); err != nil {
		return reconcile.Result{}, err
	}
	// The next turn for this source is to see what this one has written. In
	// particular a source that is deleted now must find all its copies.
	if t.written != "" {
		if err := r.cache.configMaps.WaitFor(ctx, t.written); err != nil {
			return reconcile.Result{}, fmt.Errorf("wait for the cache to show what was written: %w", err)
		}
	}
	if t.stale {
		return reconcile.Result{RequeueAfter: staleRetry}, nil
	}
	return reconcile.Result{}, nil
}

// A turn is one call of Reconcile: the source and what has happened so far.
type turn struct {
	*reconciler
	source *corev1.ConfigMap // as last read or written; shared with the cache, so not to be changed

	done    deeds
	written string  // the resourceVersion of the last write
	stale   bool    // the cache was behind the server
	errs    []error // what else went wrong
}

// mirror makes, corrects and removes copies of a source.
func (t *turn) mirror(ctx context.Context) {
	selector, err := parseSelector(t.source.Annotations[AnnotationTo])
	if err != nil {
		// Only a change of the annotation can help, and that brings another turn.
		t.report(ctx, invalidStatus(err), ReasonInvalidSelector)
		return
	}
	source := t.source
	p := makePlan(source, t.cache.matching(selector), t.cache.copies(requestFor(source).NamespacedName),
		func(namespace string) (*corev1.ConfigMap, bool) {
			return t.cache.configMaps.Get(namespace, source.Name)
		})
	if len(p.create) > 0 && !t.guard(ctx) {
		return
	}
	for _, namespace := range p.create {
		t.create(ctx, namespace)
	}
	for _, c := range p.update {
		t.update(ctx, c)
	}
	for _, c := range p.remove {
		t.remove(ctx, c)
	}
	copies := p.current + len(t.done.created) + len(t.done.updated)
	warning := ""
	if len(p.taken) > 0 {
		warning = ReasonNameTaken
	}
	t.report(ctx, mirrorStatus(copies, p.taken, t.done.failed), warning)
}

// withdraw removes the copies of what is no source, or not any more, and lets it go.
func (t *turn) withdraw(ctx context.Context, req reconcile.Request, exists bool) {
	for c := range t.cache.copies(req.NamespacedName) {
		t.remove(ctx, c)
	}
	if !exists || !wasSource(t.source) {
		return
	}
	t.announce()
	if len(t.errs) == 0 && !t.stale { // no copy may be left behind
		t.patchSource(ctx, func(p *sourcePatch) {
			p.dropFinalizer()
			p.setStatus("")
		})
	}
}

// guard sees to it that the source has the finalizer.
func (t *turn) guard(ctx context.Context) bool {
	if slices.Contains(t.source.Finalizers, Finalizer) {
		return true
	}
	return t.patchSource(ctx, (*sourcePatch).addFinalizer)
}

func (t *turn) create(ctx context.Context, namespace string) {
	made, err := t.client.CoreV1().ConfigMaps(namespace).Create(ctx, newCopy(t.source, namespace), metav1.CreateOptions{FieldManager: Name})
	switch {
	case err == nil:
		t.done.created = append(t.done.created, namespace)
		t.written = made.ResourceVersion
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		t.stale = true // the namespace is being deleted; the cache will learn of it
	default:
		t.failed(ctx, namespace, "create", err)
	}
}

func (t *turn) update(ctx context.Context, c *corev1.ConfigMap) {
	c = c.DeepCopy()
	equalise(c, t.source)
	made, err := t.client.CoreV1().ConfigMaps(c.Namespace).Update(ctx, c, metav1.UpdateOptions{FieldManager: Name})
	if err != nil {
		t.failed(ctx, c.Namespace, "update", err)
		return
	}
	t.done.updated = append(t.done.updated, c.Namespace)
	t.written = made.ResourceVersion
}

func (t *turn) remove(ctx context.Context, c *corev1.ConfigMap) {
	if c.DeletionTimestamp != nil {
		return
	}
	// Whoever made the copy a ConfigMap of their own meanwhile keeps it.
	only := metav1.Preconditions{UID: &c.UID, ResourceVersion: &c.ResourceVersion}
	err := t.client.CoreV1().ConfigMaps(c.Namespace).Delete(ctx, c.Name, metav1.DeleteOptions{Preconditions: &only})
	switch {
	case err == nil:
		t.done.removed = append(t.done.removed, c.Namespace)
	case apierrors.IsNotFound(err): // as wanted
	default:
		t.failed(ctx, c.Namespace, "delete", err)
	}
}

// failed notes that a write of a copy failed. That the server knows better than the
// cache is no error.
func (t *turn) failed(ctx context.Context, namespace, verb string, err error) {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		log.FromContext(ctx).V(1).Info("The cache was behind the server", "verb", verb, "copyNamespace", namespace, "reason", err.Error())
		t.stale = true
		return
	}
	t.done.failed = append(t.done.failed, namespace)
	t.errs = append(t.errs, fmt.Errorf("%s copy in namespace %s: %w", verb, namespace, err))
}
