package ctrlruntime

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/larder-dev/larder/pkg/informer"
)

// Unhealthy returns which kinds cannot be kept up to date at present, and why, sorted
// by their names. A kind that nobody has asked for yet is not among them.
func (c *Cache) Unhealthy() []*informer.SyncError {
	var problems []*informer.SyncError
	for _, k := range c.everyKind() {
		for _, ns := range k.everything() {
			if problem := ns.problem(); problem != nil {
				problems = append(problems, problem)
			}
		}
	}
	slices.SortFunc(problems, func(a, b *informer.SyncError) int { return strings.Compare(a.Informer, b.Informer) })
	return problems
}

// Readyz returns a check that fails, with the causes, as long as a cache of [NewCache]
// has kinds that cannot be kept up to date or have not synced yet. For another cache
// it always fails, with [ErrForeign].
//
//	mgr.AddReadyzCheck("cache", ctrlruntime.Readyz(mgr.GetCache()))
func Readyz(of cache.Cache) healthz.Checker {
	c, ok := of.(*Cache)
	if !ok {
		return func(*http.Request) error { return fmt.Errorf("cache %T: %w", of, ErrForeign) }
	}
	return func(*http.Request) error {
		var errs []error
		for _, problem := range c.Unhealthy() {
			errs = append(errs, problem)
		}
		for _, k := range c.everyKind() {
			for _, ns := range k.everything() {
				if !ns.status().HasSynced() && ns.problem() == nil {
					errs = append(errs, fmt.Errorf("informer %q has not synced yet", ns.name))
				}
			}
		}
		return errors.Join(errs...)
	}
}
