package controller

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The labels of the metrics, and the values of the second.
const (
	labelController = "controller"
	labelResult     = "result"

	resultSuccess      = "success"
	resultError        = "error"
	resultRequeue      = "requeue"
	resultRequeueAfter = "requeue_after"
)

// meters are the metrics of one controller. Every series exists from the
// beginning, with the value zero, so that rates and alerts have a start.
type meters struct {
	success, failure, requeue, requeueAfter prometheus.Counter

	errors, terminalErrors, panics, timeouts prometheus.Counter

	seconds prometheus.Observer
	workers prometheus.Gauge
	active  prometheus.Gauge
}

// newMeters returns the metrics of the controller called name, registered with
// r or shared with those that are registered there.
//
// Prometheus takes two collectors for the same if their names, labels and help
// agree, and refuses the second if only the names do. So the names and the helps
// are controller-runtime's to the letter.
func newMeters(r prometheus.Registerer, name string) (*meters, error) {
	b := builder{registerer: r, controller: name}
	total := b.counters("reconcile_total", "Total number of reconciliations per controller", labelResult)
	m := &meters{
		errors:         b.counter("reconcile_errors_total", "Total number of reconciliation errors per controller"),
		terminalErrors: b.counter("terminal_reconcile_errors_total", "Total number of terminal reconciliation errors per controller"),
		panics:         b.counter("reconcile_panics_total", "Total number of reconciliation panics per controller"),
		timeouts:       b.counter("reconcile_timeouts_total", "Total number of reconciliation timeouts per controller"),
		seconds:        b.seconds("reconcile_time_seconds", "Length of time per reconciliation per controller"),
		workers:        b.gauge("max_concurrent_reconciles", "Maximum number of concurrent reconciles per controller"),
		active:         b.gauge("active_workers", "Number of currently used workers per controller"),
	}
	if b.err != nil {
		return nil, b.err
	}
	m.success = total.WithLabelValues(name, resultSuccess)
	m.failure = total.WithLabelValues(name, resultError)
	m.requeue = total.WithLabelValues(name, resultRequeue)
	m.requeueAfter = total.WithLabelValues(name, resultRequeueAfter)
	return m, nil
}

// A builder makes collectors and keeps the first error.
type builder struct {
	registerer prometheus.Registerer
	controller string
	err        error
}

// subsystem is the first part of the names.
const subsystem = "controller_runtime"

func (b *builder) counters(name, help string, labels ...string) *prometheus.CounterVec {
	opts := prometheus.CounterOpts{Subsystem: subsystem, Name: name, Help: help}
	return register(b, name, prometheus.NewCounterVec(opts, append([]string{labelController}, labels...)))
}

func (b *builder) counter(name, help string) prometheus.Counter {
	return b.counters(name, help).WithLabelValues(b.controller)
}

func (b *builder) gauge(name, help string) prometheus.Gauge {
	opts := prometheus.GaugeOpts{Subsystem: subsystem, Name: name, Help: help}
	return register(b, name, prometheus.NewGaugeVec(opts, []string{labelController})).WithLabelValues(b.controller)
}

func (b *builder) seconds(name, help string) prometheus.Observer {
	opts := prometheus.HistogramOpts{
		Subsystem: subsystem,
		Name:      name,
		Help:      help,
		// From a call that only reads a cache to one that waits for a cloud.
		Buckets: prometheus.ExponentialBucketsRange(0.001, 60, 24),
		// A server that understands native histograms gets a resolution of 10%.
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}
	return register(b, name, prometheus.NewHistogramVec(opts, []string{labelController})).WithLabelValues(b.controller)
}

// register registers c, or returns the collector of that name that is registered.
func register[C prometheus.Collector](b *builder, name string, c C) C {
	err := b.registerer.Register(c)
	if err == nil {
		return c
	}
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	if b.err == nil {
		b.err = fmt.Errorf("%w: Registerer has another metric under the name %s_%s: pass one of its own: %w",
			ErrInvalidOption, subsystem, name, err)
	}
	return c
}
