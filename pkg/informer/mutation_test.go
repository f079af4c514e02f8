package informer_test

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/larder-dev/larder/internal/apitest"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/store"
)

// fromServer returns an informer of a faked API server's ConfigMaps, whose name is "configmaps".
func fromServer(t *testing.T, s *apitest.Server, change func(*informer.Options[*corev1.ConfigMap])) *configMaps {
	t.Helper()
	opts := informer.Options[*corev1.ConfigMap]{Logger: quiet(), Mapper: s.Mapper()}
	if change != nil {
		change(&opts)
	}
	inf, err := informer.New(s.Config(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return inf
}

// With client-go's mutation detector switched on, a change to what an informer shares is noticed, however it holds its
// objects and whoever was given it. A change to a copy is not.
func TestMutationDetector(t *testing.T) {
	relabel := func(obj *corev1.ConfigMap) { obj.Labels = map[string]string{"changed": "true"} }
	index := informer.IndexFunc[*corev1.ConfigMap](func(obj *corev1.ConfigMap) []string { return []string{obj.Name} })
	for name, change := range map[string]func(t *testing.T, inf *configMaps){
		"Get":  func(_ *testing.T, inf *configMaps) { obj, _ := inf.Get("default", "a"); relabel(obj) },
		"List": func(_ *testing.T, inf *configMaps) { relabel(inf.List()[0]) },
		"All": func(_ *testing.T, inf *configMaps) {
			for _, obj := range inf.All() {
				relabel(obj)
			}
		},
		"ByIndex": func(t *testing.T, inf *configMaps) {
			found, err := inf.ByIndex("name", "a")
			if err != nil {
				t.Fatal(err)
			}
			for _, obj := range found {
				relabel(obj)
			}
		},
		"a handler": func(t *testing.T, inf *configMaps) {
			<-addHandler(t, inf, informer.HandlerFuncs[*corev1.ConfigMap]{
				AddFunc: func(obj *corev1.ConfigMap, _ bool) { relabel(obj) },
			}, informer.HandlerOptions{}).Synced()
		},
		"Watch": func(t *testing.T, inf *configMaps) {
			events, cancel, err := inf.Watch(store.WithInitialReplay[*corev1.ConfigMap]())
			if err != nil {
				t.Fatal(err)
			}
			defer cancel()
			relabel((<-events).Object)
		},
		"GetCopy": func(_ *testing.T, inf *configMaps) { obj, _ := inf.GetCopy("default", "a"); relabel(obj) },
	} {
		for how, bytes := range map[string]int64{"plain": informer.Plain, "packed": informer.DefaultBudget, "all packed": informer.AllPacked} {
			t.Run(name+" "+how, func(t *testing.T) {
				apitest.Mutation(t, "configmaps", name != "GetCopy", func() {
					synctest.Test(t, func(t *testing.T) {
						s := apitest.NewServer()
						s.Put("a", "1", "")
						inf := fromServer(t, s, func(o *informer.Options[*corev1.ConfigMap]) {
							o.Budget = bytes
							o.Indexes = map[string]informer.IndexFunc[*corev1.ConfigMap]{"name": index}
						})
						start(t, inf)
						synctest.Wait()
						for range 2 { // decoded, and kept
							if _, ok := inf.Get("default", "a"); !ok {
								t.Fatal("it is not there")
							}
						}
						change(t, inf)
						time.Sleep(time.Minute)
					})
				})
			})
		}
	}
}

// It is the same with objects that come decoded.
func TestMutationDetectorOfListerWatcher(t *testing.T) {
	for how, bytes := range map[string]int64{"plain": informer.Plain, "packed": informer.DefaultBudget} {
		for name, get := range map[string]func(*configMaps) *corev1.ConfigMap{
			"Get":     func(inf *configMaps) *corev1.ConfigMap { obj, _ := inf.Get("default", "a"); return obj },
			"GetCopy": func(inf *configMaps) *corev1.ConfigMap { obj, _ := inf.GetCopy("default", "a"); return obj },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				apitest.Mutation(t, "things", name == "Get", func() {
					synctest.Test(t, func(t *testing.T) {
						s := newServer(false)
						s.put("a", "1")
						inf := newConfigMaps(t, s, func(o *informer.Options[*corev1.ConfigMap]) { o.Name, o.Budget = "things", bytes })
						start(t, inf)
						synctest.Wait()
						get(inf).Data["value"] = "changed"
						time.Sleep(time.Minute)
					})
				})
			})
		}
	}
}
