package main

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/larder-dev/larder/examples/controller/mirror"
)

// serving is how the mirror runs in a real cluster: inside a controller-runtime
// manager.
type serving struct {
	workers        int
	metricsAddress string
	healthAddress  string
	elect          bool
	namespace      string // of the lease
}

// run runs the mirror until ctx ends, or the lease is lost.
func (s *serving) run(ctx context.Context, cfg *rest.Config, logger logr.Logger) error {
	if cfg.QPS == 0 {
		cfg.QPS = -1 // the server's priority and fairness is a better judge than a fixed limit here
	}
	m, err := mirror.New(cfg, mirror.Options{Workers: s.workers, Logger: logger})
	if err != nil {
		return err
	}
	mgr, err := manager.New(cfg, manager.Options{
		Logger:                        logger,
		LeaderElection:                s.elect,
		LeaderElectionID:              mirror.Name,
		LeaderElectionNamespace:       s.namespace,
		LeaderElectionReleaseOnCancel: true, // the process ends right after
		Metrics:                       server.Options{BindAddress: s.metricsAddress},
		HealthProbeBindAddress:        s.healthAddress,
	})
	if err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	for _, r := range m.Runnables() {
		if err := mgr.Add(r); err != nil {
			return fmt.Errorf("manager: %w", err)
		}
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	if err := mgr.AddReadyzCheck("cache", m.Ready); err != nil {
		return fmt.Errorf("manager: %w", err)
	}
	return mgr.Start(ctx)
}
