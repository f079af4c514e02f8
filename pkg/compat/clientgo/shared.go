package clientgo

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"

	"github.com/larder-dev/larder/internal/core"
)

// Shared is an informer of the core that is seen through client-go's interface, in one form
// or in several. It is for the packages of this module: what it takes is internal.
type Shared struct {
	core    *core.Informer
	meters  meters
	resyncs resyncs
	resync  time.Duration // of handlers that don't say

	mu    sync.Mutex
	faces map[core.Form]*sharedIndexInformer
}

// NewShared returns an informer. resync is the period of handlers that don't say; with 0 the
// informer has no resync. The keys of the informer's store are those of client-go, and every
// write is a change. Errors are those of the core's New.
func NewShared(opts core.Options, resync time.Duration) (*Shared, error) {
	return newShared(opts, resync, noMeters)
}

func newShared(opts core.Options, resync time.Duration, m meters) (*Shared, error) {
	s := &Shared{meters: m, resync: resync, faces: map[core.Form]*sharedIndexInformer{}}
	s.resyncs.checkPeriod = resync
	opts.EveryWrite = true
	opts.Key = storeKey
	opts.ResyncCheck = s.resyncs.check
	if m.enabled {
		opts.OnStored = func(took time.Duration) {
			m.latency.Observe(took.Seconds())
			s.measure()
		}
		opts.OnReached = m.reached
	}
	var err error
	if s.core, err = core.New(opts); err != nil {
		return nil, err
	}
	return s, s.core.SetErrorHandler(cache.DefaultWatchErrorHandler)
}

// storeKey returns the key of an object in the store of an informer.
func storeKey(obj any) (string, error) {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj)
	if err != nil {
		return "", cache.KeyError{Obj: obj, Err: err}
	}
	return toName(key), nil
}

// Core returns the informer of the core.
func (s *Shared) Core() *core.Informer { return s.core }

// In returns the informer in a form: the objects of its handlers, indexes and reads are of
// that form. It is always the same for one form.
func (s *Shared) In(f core.Form) cache.SharedIndexInformer { return s.in(f) }

func (s *Shared) in(f core.Form) *sharedIndexInformer {
	s.mu.Lock()
	defer s.mu.Unlock()
	face := s.faces[f]
	if face == nil {
		face = &sharedIndexInformer{Shared: s, form: f}
		face.indexer = newIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc, s.core.Objects(), f)
		face.indexer.status, face.indexer.report, face.indexer.meters = s.core.Status(), s.core.Report, s.meters
		face.indexer.shared = s
		face.indexer.keyed = true
		s.faces[f] = face
	}
	return face
}

// measure sets the metric of what is queued: how far the slowest handler is behind.
func (s *Shared) measure() {
	if !s.meters.enabled {
		return
	}
	lag := 0
	for _, r := range s.core.Handlers() {
		lag = max(lag, r.Lag())
	}
	s.meters.queued.Set(float64(lag))
}

// nameOf returns what an informer is called in metrics and in logs.
func nameOf(description string, example any) string {
	if description != "" {
		return description
	}
	return fmt.Sprintf("%T", example)
}
