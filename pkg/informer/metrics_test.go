package informer_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"github.com/larder-dev/larder/pkg/informer"
)

// gathered returns the values of a registry without the common beginning of their
// names, the label "informer" in front: "pods objects", "pods handler_calls_total slow".
func gathered(t *testing.T, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			name := labels["cluster"] + labels["informer"] + " " + family.GetName()[len("larder_informer_"):]
			if handler, ok := labels["handler"]; ok {
				name += " " + handler
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() // it is one of them
		}
	}
	return values
}

func expectValues(t *testing.T, registry prometheus.Gatherer, want map[string]float64) {
	t.Helper()
	got := gathered(t, registry)
	for name, v := range want {
		if had, ok := got[name]; !ok || had != v {
			t.Errorf("%s: got %v, %t, want %v", name, had, ok, v)
		}
	}
}

// The metrics tell what the informer has, how far it has come and what its handlers
// were given, from Start to the end.
func TestMetrics(t *testing.T) {
	inBubble(t, func(t *testing.T, server *server) {
		registry := prometheus.NewPedanticRegistry()
		inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) {
			o.Name, o.Registerer = "maps", registry
		})
		slow, quick := newRecorder(t, "slow"), newRecorder(t, "quick")
		slow.delay = func() time.Duration { return time.Minute }
		reg := addHandler(t, inf, slow, informer.HandlerOptions{Name: "slow", BufferSize: 100})
		addHandler(t, inf, quick, informer.HandlerOptions{Name: "quick"})
		if got := gathered(t, registry); len(got) != 0 {
			t.Errorf("before Start: %v", got)
		}

		server.fail(errForbidden, errForbidden)
		stop := start(t, inf)
		synctest.Wait()
		expectValues(t, registry, map[string]float64{
			"maps objects": 0, "maps synced": 0, "maps resource_version": 0,
			"maps lists_total": 0, "maps watches_total": 0, "maps errors_total": 1,
			"maps handler_calls_total slow": 0, "maps handler_lag_changes slow": 0,
		})

		server.fail(nil, nil)
		server.put("a", "1")
		server.put("b", "1")
		<-inf.Synced()
		synctest.Wait()
		server.put("a", "2")
		synctest.Wait()
		expectValues(t, registry, map[string]float64{
			"maps objects": 2, "maps synced": 1, "maps resource_version": 4,
			"maps lists_total": 1, "maps watches_total": 1,
			"maps handler_calls_total quick": 3, "maps handler_lag_changes quick": 0,
			"maps handler_calls_total slow": 0, "maps handler_lag_changes slow": 3,
		})
		time.Sleep(90 * time.Second)
		expectValues(t, registry, map[string]float64{"maps handler_calls_total slow": 1, "maps handler_lag_changes slow": 2})
		time.Sleep(time.Hour)
		expectValues(t, registry, map[string]float64{"maps handler_calls_total slow": 3, "maps handler_lag_changes slow": 0})

		// Bookmarks count as progress. A relist is told from a restart of the watch.
		server.elsewhere()
		synctest.Wait()
		expectValues(t, registry, map[string]float64{"maps resource_version": 5})
		failures := gathered(t, registry)["maps errors_total"]
		server.fail(nil, nil) // ends the watch
		time.Sleep(time.Hour)
		expectValues(t, registry, map[string]float64{"maps lists_total": 1, "maps watches_total": 2})
		server.compact()
		server.put("c", "1")
		server.compact()
		time.Sleep(time.Hour)
		expectValues(t, registry, map[string]float64{"maps objects": 3, "maps lists_total": 2, "maps errors_total": failures})

		reg.Remove()
		<-reg.Done()
		synctest.Wait()
		expectValues(t, registry, map[string]float64{"maps handler_calls_total quick": 4})
		if calls, ok := gathered(t, registry)["maps handler_calls_total slow"]; ok {
			t.Errorf("a removed handler still has %v calls", calls)
		}
		stop()
		if got := gathered(t, registry); len(got) != 0 {
			t.Errorf("after the end: %v", got)
		}
	})
}

// Informers of one name, and handlers of one name, are added up; a registry with
// labels of its own keeps two clusters apart.
func TestMetricsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		for _, cluster := range []string{"north ", "north ", "south "} {
			server := newServer(true)
			server.put("a", "1")
			if cluster == "south " {
				server.put("b", "1")
			}
			inf := newConfigMaps(t, server, func(o *informer.Options[*corev1.ConfigMap]) {
				o.Registerer = prometheus.WrapRegistererWith(prometheus.Labels{"cluster": cluster}, registry)
			})
			for range 2 {
				addHandler(t, inf, newRecorder(t, ""), informer.HandlerOptions{})
			}
			start(t, inf)
		}
		synctest.Wait()
		expectValues(t, registry, map[string]float64{
			"north configmaps objects": 2, "north configmaps synced": 1, "north configmaps lists_total": 2,
			"north configmaps handler_calls_total ": 4, "north configmaps resource_version": 2,
			"south configmaps objects": 2, "south configmaps lists_total": 1, "south configmaps handler_calls_total ": 4,
		})
	})
}

// Another metric under the same name is an error of the constructor.
func TestMetricsConflict(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "larder_informer_objects", Help: "Other objects."}))
	_, err := informer.NewFromListerWatcher(newServer(false), informer.Options[*corev1.ConfigMap]{Registerer: registry})
	if !errors.Is(err, informer.ErrInvalidOption) {
		t.Errorf("got error %v, want ErrInvalidOption", err)
	}
}
