package mirror

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The reasons of the Events about a source.
const (
	// ReasonMirrored is a Normal Event: copies were made, updated or removed.
	ReasonMirrored = "Mirrored"
	// ReasonNameTaken is a Warning: there is a ConfigMap of the name in a namespace
	// that is no copy of the source.
	ReasonNameTaken = "NameTaken"
	// ReasonInvalidSelector is a Warning: the annotation is no label selector.
	ReasonInvalidSelector = "InvalidSelector"
	// ReasonFailed is a Warning: the API server refused a write.
	ReasonFailed = "MirrorFailed"
)

// deeds are the namespaces in which something was done to copies.
type deeds struct {
	created, updated, removed, failed []string
}

// String says what was done, or nothing.
func (d deeds) String() string {
	var parts []string
	for _, part := range []struct {
		verb       string
		namespaces []string
	}{{"made in", d.created}, {"updated in", d.updated}, {"removed from", d.removed}} {
		if len(part.namespaces) > 0 {
			parts = append(parts, part.verb+" "+some(part.namespaces))
		}
	}
	return strings.Join(parts, ", ")
}

// some names the namespaces, but not more than an annotation or Event can hold.
func some(namespaces []string) string {
	const most = 8
	slices.Sort(namespaces)
	if more := len(namespaces) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(namespaces[:most], ", "), more)
	}
	return strings.Join(namespaces, ", ")
}

// mirrorStatus is the status of a source with a valid selector. It depends on the
// state of things only, not on how it came about, so that it is written once.
func mirrorStatus(copies int, taken, failed []string) string {
	s := "no namespace matches"
	switch {
	case copies == 1:
		s = "1 copy"
	case copies > 1 || len(taken)+len(failed) > 0:
		s = fmt.Sprintf("%d copies", copies)
	}
	if len(taken) > 0 {
		s += fmt.Sprintf("; none in %s, where another ConfigMap has the name: delete that or rename this", some(taken))
	}
	if len(failed) > 0 {
		s += fmt.Sprintf("; failed in %s, will be tried again: see the Events", some(failed))
	}
	return s
}

// invalidStatus is the status of a source whose selector is not one.
func invalidStatus(err error) string {
	return fmt.Sprintf("invalid selector: %v; correct the annotation %s, the copies stay as they are until then", err, AnnotationTo)
}

// report writes the status to the source, and in Events what was done and what has
// come to be in the way.
func (t *turn) report(ctx context.Context, status, warning string) {
	news := status != t.source.Annotations[AnnotationStatus]
	t.announce()
	if t.patchSource(ctx, func(p *sourcePatch) { p.setStatus(status) }) && news && warning != "" {
		t.events.add(t.source, corev1.EventTypeWarning, warning, status)
	}
}

// announce tells in Events what was done to copies, and what failed.
func (t *turn) announce() {
	if text := t.done.String(); text != "" {
		t.events.add(t.source, corev1.EventTypeNormal, ReasonMirrored, "Copies "+text)
	}
	for _, err := range t.errs {
		t.events.add(t.source, corev1.EventTypeWarning, ReasonFailed, err.Error())
	}
}
