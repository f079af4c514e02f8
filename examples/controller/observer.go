package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/larder-dev/larder/pkg/informer"
)

// An observer sees what the API server holds, through a connection and informers of
// its own: what it confirms does not rest on the mirror's word.
type observer struct {
	configMaps *informer.Informer[*corev1.ConfigMap]
	events     *informer.Informer[*eventsv1.Event]
}

func newObserver(cfg *rest.Config, logger logr.Logger) (*observer, error) {
	configMaps, err := informer.New(cfg, informer.Options[*corev1.ConfigMap]{Name: "observed configmaps", Logger: logger})
	if err != nil {
		return nil, err
	}
	events, err := informer.New(cfg, informer.Options[*eventsv1.Event]{Name: "observed events", Logger: logger})
	if err != nil {
		return nil, err
	}
	return &observer{configMaps: configMaps, events: events}, nil
}

func (o *observer) runnables() []manager.Runnable {
	return []manager.Runnable{o.configMaps, o.events}
}

// wait blocks until a condition holds, which it checks whenever something changed:
// the condition returns nil then, else what is amiss. When ctx ends first, the error
// says what was amiss last.
func (o *observer) wait(ctx context.Context, holds func() error) error {
	configMaps, cancel, err := o.configMaps.Watch()
	if err != nil {
		return err
	}
	defer cancel()
	events, cancel, err := o.events.Watch()
	if err != nil {
		return err
	}
	defer cancel()
	for {
		amiss := holds()
		if amiss == nil {
			return nil
		}
		select {
		case _, ok := <-configMaps:
			if !ok {
				return errors.Join(informer.ErrStopped, amiss)
			}
		case _, ok := <-events:
			if !ok {
				return errors.Join(informer.ErrStopped, amiss)
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), amiss)
		}
	}
}

// synced blocks until the observer sees what there is.
func (o *observer) synced(ctx context.Context) error {
	if err := o.configMaps.WaitSynced(ctx); err != nil {
		return err
	}
	return o.events.WaitSynced(ctx)
}
