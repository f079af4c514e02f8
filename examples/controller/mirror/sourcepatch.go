package mirror

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// sourcePatch is a change of a source: of the finalizer and the status, and of
// nothing that belongs to the source's owner. It is a JSON merge patch on the
// condition that the source has not changed, since it replaces the list of
// finalizers.
type sourcePatch struct {
	UID             types.UID `json:"uid"`
	ResourceVersion string    `json:"resourceVersion"`
	// Finalizers are all of them, or nil to leave them alone.
	Finalizers *[]string `json:"finalizers,omitempty"`
	// Annotations are those to set, or with nil to remove.
	Annotations map[string]*string `json:"annotations,omitempty"`

	source *corev1.ConfigMap
}

func (p *sourcePatch) addFinalizer() {
	if !slices.Contains(p.source.Finalizers, Finalizer) {
		with := append(slices.Clone(p.source.Finalizers), Finalizer)
		p.Finalizers = &with
	}
}

func (p *sourcePatch) dropFinalizer() {
	if slices.Contains(p.source.Finalizers, Finalizer) {
		without := slices.DeleteFunc(slices.Clone(p.source.Finalizers), func(f string) bool { return f == Finalizer })
		p.Finalizers = &without
	}
}

// setStatus sets the status annotation, or removes it if text is empty.
func (p *sourcePatch) setStatus(text string) {
	old, exists := p.source.Annotations[AnnotationStatus]
	switch {
	case text == "" && exists:
		p.Annotations = map[string]*string{AnnotationStatus: nil}
	case text != old:
		p.Annotations = map[string]*string{AnnotationStatus: &text}
	}
}

// patchSource writes what change puts into a patch, if anything, and tells whether
// the source is then as it should be. It is not when the cache was behind.
func (t *turn) patchSource(ctx context.Context, change func(*sourcePatch)) bool {
	p := sourcePatch{UID: t.source.UID, ResourceVersion: t.source.ResourceVersion, source: t.source}
	change(&p)
	if p.Finalizers == nil && p.Annotations == nil {
		return true
	}
	body, err := json.Marshal(map[string]any{"metadata": p})
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("encode patch: %w", err))
		return false
	}
	patched, err := t.client.CoreV1().ConfigMaps(t.source.Namespace).Patch(ctx, t.source.Name,
		types.MergePatchType, body, metav1.PatchOptions{FieldManager: Name})
	switch {
	case err == nil:
		t.source = patched
		t.written = patched.ResourceVersion
		return true
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		t.stale = true
	default:
		t.errs = append(t.errs, fmt.Errorf("patch the source: %w", err))
	}
	return false
}
