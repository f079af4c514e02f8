package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/larder-dev/larder/examples/controller/mirror"
	"github.com/larder-dev/larder/internal/controlplane"
	"github.com/larder-dev/larder/pkg/controller"
	"github.com/larder-dev/larder/pkg/informer"
	"github.com/larder-dev/larder/pkg/informer/informertest"
	"github.com/larder-dev/larder/pkg/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(controlplane.Main(m))
}

// stage is a corner of the shared control plane for one test: namespaces and a label
// of its own, a client with all rights, and a view of what the server holds.
type stage struct {
	*testing.T
	ctx    context.Context
	cfg    *rest.Config
	client client.Client
	prefix string

	configMaps *informer.Informer[*corev1.ConfigMap]
	events     *informer.Informer[*eventsv1.Event]
}

var stages atomic.Int32

func newStage(t *testing.T) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // sweep needs it after the test
	t.Cleanup(cancel)
	s := &stage{T: t, ctx: ctx, cfg: controlplane.Shared(t).Config(), prefix: fmt.Sprintf("stage%d", stages.Add(1))}
	var err error
	if s.client, err = client.New(s.cfg, client.Options{}); err != nil {
		t.Fatal(err)
	}
	logger := testr.NewWithInterface(t, testr.Options{})
	if s.configMaps, err = informer.New(s.cfg, informer.Options[*corev1.ConfigMap]{Logger: logger}); err != nil {
		t.Fatal(err)
	}
	if s.events, err = informer.New(s.cfg, informer.Options[*eventsv1.Event]{Logger: logger}); err != nil {
		t.Fatal(err)
	}
	s.applyRBAC()
	t.Cleanup(s.sweep)
	s.run(s.configMaps, s.events)
	return s
}

// applyRBAC creates what deploy/rbac.yaml has.
func (s *stage) applyRBAC() {
	s.Helper()
	file, err := os.Open("../deploy/rbac.yaml")
	if err != nil {
		s.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		var obj unstructured.Unstructured
		if err := decoder.Decode(&obj.Object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			s.Fatal(err)
		}
		if err := s.client.Create(s.ctx, &obj); err != nil && !apierrors.IsAlreadyExists(err) {
			s.Fatal(err)
		}
	}
}

// sweep removes what the test leaves, so that the mirrors of later tests have
// nothing to do with it.
func (s *stage) sweep() {
	var left corev1.ConfigMapList
	s.must(s.client.List(s.ctx, &left))
	for _, cm := range left.Items {
		if !strings.HasPrefix(cm.Namespace, s.prefix+"-") {
			continue
		}
		s.must(s.client.Delete(s.ctx, &cm))
		if len(cm.Finalizers) > 0 {
			s.must(s.client.Patch(s.ctx, &cm, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
		}
	}
}

// run runs runnables until stop is called, or else the test ends.
func (s *stage) run(runnables ...manager.Runnable) (stop func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	result := make(chan error, 1)
	go func() { result <- controller.Run(ctx, runnables...) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-result; err != nil {
			s.Errorf("Run returned %v", err)
		}
	}
	s.Cleanup(stop)
	return stop
}

// startMirror runs a mirror with the rights that deploy/rbac.yaml gives it.
func (s *stage) startMirror() (stop func()) {
	s.Helper()
	return s.startMirrorOn(rest.CopyConfig(s.cfg))
}

// startMirrorOn is startMirror with another way to the server.
func (s *stage) startMirrorOn(cfg *rest.Config) (stop func()) {
	s.Helper()
	cfg.Impersonate.UserName = "system:serviceaccount:larder-mirror:larder-mirror"
	m, err := mirror.New(cfg, mirror.Options{Logger: testr.NewWithInterface(s.T, testr.Options{})})
	if err != nil {
		s.Fatal(err)
	}
	if err := m.Ready(nil); err == nil {
		s.Error("a mirror is ready before it runs")
	}
	return s.run(m.Runnables()...)
}

// name returns the name of one of the test's namespaces.
func (s *stage) name(short string) string { return s.prefix + "-" + short }

// label returns the test's own label, by which its sources select namespaces.
func (s *stage) label() string { return s.prefix }

// namespace creates a namespace, with the test's label if value is not empty.
func (s *stage) namespace(short, value string) {
	s.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.name(short)}}
	if value != "" {
		ns.Labels = map[string]string{s.label(): value}
	}
	s.must(s.client.Create(s.ctx, ns))
}

// relabel sets the test's label of a namespace, or removes it.
func (s *stage) relabel(short, value string) {
	s.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.name(short)}}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, s.label(), value)
	if value == "" {
		patch = fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, s.label())
	}
	s.must(s.client.Patch(s.ctx, ns, client.RawPatch(types.MergePatchType, []byte(patch))))
}

// source creates a ConfigMap that asks to be mirrored.
func (s *stage) source(short, name, selector string) *corev1.ConfigMap {
	s.Helper()
	cm := s.plain(short, name)
	cm.Annotations = map[string]string{mirror.AnnotationTo: selector}
	s.must(s.client.Create(s.ctx, cm))
	return cm
}

func (s *stage) plain(short, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.name(short), Name: name},
		Data:       map[string]string{"from": s.name(short)},
		BinaryData: map[string][]byte{"bytes": {0, 1, 2}},
	}
}

// edit changes a ConfigMap as it is on the server.
func (s *stage) edit(short, name string, change func(*corev1.ConfigMap)) {
	s.Helper()
	for {
		cm := &corev1.ConfigMap{}
		s.must(s.client.Get(s.ctx, client.ObjectKey{Namespace: s.name(short), Name: name}, cm))
		change(cm)
		err := s.client.Update(s.ctx, cm)
		if apierrors.IsConflict(err) {
			continue // the mirror was faster
		}
		s.must(err)
		s.must(s.configMaps.WaitFor(s.ctx, cm.ResourceVersion))
		return
	}
}

func (s *stage) delete(short, name string) {
	s.Helper()
	s.must(s.client.Delete(s.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.name(short), Name: name}}))
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// eventually waits until the test's ConfigMaps, by "namespace/name" without the
// test's prefix, are as they should be.
func (s *stage) eventually(condition string, holds func(map[string]*corev1.ConfigMap) bool) {
	s.Helper()
	informertest.Eventually(s.ctx, s.T, s.configMaps, condition, func(all []*corev1.ConfigMap) bool {
		mine := make(map[string]*corev1.ConfigMap)
		for _, cm := range all {
			if short, ok := strings.CutPrefix(cm.Namespace, s.prefix+"-"); ok {
				mine[short+"/"+cm.Name] = cm
			}
		}
		return holds(mine)
	})
}

// mirrored waits until a source has exactly these copies, equal to it, and a status
// that begins so.
func (s *stage) mirrored(short, name, status string, copies ...string) {
	s.Helper()
	condition := fmt.Sprintf("%s/%s has the copies %v and the status %q", short, name, copies, status)
	s.eventually(condition, func(cms map[string]*corev1.ConfigMap) bool {
		source := cms[short+"/"+name]
		if source == nil || !strings.HasPrefix(source.Annotations[mirror.AnnotationStatus], status) {
			return false
		}
		var found []string
		for key, cm := range cms {
			if cm.Annotations[mirror.AnnotationOf] != s.name(short)+"/"+name {
				continue
			}
			if !maps.Equal(cm.Data, source.Data) || !bytes.Equal(cm.BinaryData["bytes"], source.BinaryData["bytes"]) ||
				cm.Immutable != nil || cm.Labels[mirror.LabelManagedBy] != mirror.Name {
				return false
			}
			found = append(found, strings.TrimSuffix(key, "/"+name))
		}
		slices.Sort(found)
		return slices.Equal(found, copies)
	})
}

// reported waits for a Warning about a source.
func (s *stage) reported(short, name, reason, text string) {
	s.Helper()
	informertest.Eventually(s.ctx, s.T, s.events, reason+" is reported", func(all []*eventsv1.Event) bool {
		return slices.ContainsFunc(all, func(e *eventsv1.Event) bool {
			return e.Reason == reason && e.Regarding.Namespace == s.name(short) && e.Regarding.Name == name && strings.Contains(e.Note, text)
		})
	})
}

// get returns a ConfigMap as it is on the server.
func (s *stage) get(short, name string) *corev1.ConfigMap {
	s.Helper()
	cm := &corev1.ConfigMap{}
	s.must(s.client.Get(s.ctx, client.ObjectKey{Namespace: s.name(short), Name: name}, cm))
	return cm
}

// Copies are equal to their source: whatever is done to the source reaches them, and
// whatever is done to them is undone.
func TestCopiesStayEqual(t *testing.T) {
	s := newStage(t)
	s.startMirror()
	for _, short := range []string{"a", "b"} {
		s.namespace(short, "x")
	}
	s.namespace("home", "x") // also matches: it has the source itself
	s.namespace("other", "")
	s.source("home", "cm", s.label())
	s.mirrored("home", "cm", "2 copies", "a", "b")
	s.reported("home", "cm", mirror.ReasonMirrored, "made in "+s.name("a")+", "+s.name("b"))

	for what, change := range map[string]func(){
		"the source's data changes": func() {
			s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Data["new"] = "value"; delete(cm.BinaryData, "bytes") })
		},
		"a copy's data is changed": func() {
			s.edit("a", "cm", func(cm *corev1.ConfigMap) { cm.Data = map[string]string{"drift": "ed"} })
		},
		"a copy's mark is removed": func() {
			s.edit("a", "cm", func(cm *corev1.ConfigMap) { delete(cm.Labels, mirror.LabelManagedBy) })
		},
		"a copy is made immutable": func() {
			s.edit("b", "cm", func(cm *corev1.ConfigMap) { cm.Immutable = new(true) })
		},
	} {
		t.Log(what)
		change()
		s.mirrored("home", "cm", "2 copies", "a", "b")
	}

	// Deleted twice as fast as it is made, it still is there in the end.
	old := s.get("a", "cm").UID
	s.delete("a", "cm")
	s.eventually("another copy is there", func(cms map[string]*corev1.ConfigMap) bool {
		return cms["a/cm"] != nil && cms["a/cm"].UID != old
	})

	// What others put on a copy stays.
	s.edit("a", "cm", func(cm *corev1.ConfigMap) { cm.Labels["mine"] = "stays" })
	s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Data["after"] = "that" })
	s.mirrored("home", "cm", "2 copies", "a", "b")
	if s.get("a", "cm").Labels["mine"] != "stays" {
		t.Error("the label that somebody put on a copy is gone")
	}
}

// Copies are where the selector and the namespaces' labels say.
func TestNamespacesAndSelectors(t *testing.T) {
	s := newStage(t)
	s.startMirror()
	s.namespace("home", "")
	s.source("home", "cm", s.label()+" in (x, y)")
	s.mirrored("home", "cm", "no namespace matches")
	s.namespace("a", "x")
	s.mirrored("home", "cm", "1 copy", "a")
	s.namespace("b", "")
	s.relabel("b", "y")
	s.mirrored("home", "cm", "2 copies", "a", "b")
	s.relabel("a", "z")
	s.mirrored("home", "cm", "1 copy", "b")
	s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Annotations[mirror.AnnotationTo] = s.label() + "!=y," + s.label() })
	s.mirrored("home", "cm", "1 copy", "a")
	s.edit("home", "cm", func(cm *corev1.ConfigMap) {
		cm.Annotations[mirror.AnnotationTo] = "kubernetes.io/metadata.name=" + s.name("b")
	})
	s.mirrored("home", "cm", "1 copy", "b")
}

// A namespace that is being deleted gets no copy, and its going away is no error.
func TestTerminatingNamespaceIsLeftAlone(t *testing.T) {
	s := newStage(t)
	s.startMirror()
	before := errorsOfMirror(t)
	s.namespace("home", "")
	s.namespace("going", "") // no namespace controller here: it goes on going
	s.namespace("staying", "x")
	s.must(s.client.Delete(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.name("going")}}))
	s.relabel("going", "x")
	s.source("home", "cm", s.label())
	s.mirrored("home", "cm", "1 copy", "staying")
	s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Data["new"] = "value" })
	s.mirrored("home", "cm", "1 copy", "staying")
	// One that begins to go keeps its copy until it is gone, but the copy does not count.
	s.namespace("leaving", "x")
	s.mirrored("home", "cm", "2 copies", "leaving", "staying")
	s.must(s.client.Delete(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.name("leaving")}}))
	s.mirrored("home", "cm", "1 copy", "leaving", "staying")
	if n := errorsOfMirror(t) - before; n != 0 {
		t.Errorf("%v calls ended with an error", n)
	}
}

// When the source goes, its copies go first, also if the mirror was away meanwhile and
// does not succeed at once; when only the annotation goes, the source stays and nothing of the mirror with it.
func TestFinalizer(t *testing.T) {
	s := newStage(t)
	stop := s.startMirror()
	s.namespace("home", "")
	s.namespace("a", "x")
	s.source("home", "deleted", s.label())
	s.source("home", "demoted", s.label())
	s.mirrored("home", "deleted", "1 copy", "a")
	s.mirrored("home", "demoted", "1 copy", "a")

	s.edit("home", "demoted", func(cm *corev1.ConfigMap) { delete(cm.Annotations, mirror.AnnotationTo) })
	s.eventually("the source is a plain ConfigMap without copies", func(cms map[string]*corev1.ConfigMap) bool {
		source := cms["home/demoted"]
		return cms["a/demoted"] == nil && len(source.Finalizers) == 0 && len(source.Annotations) == 0 && source.Data["from"] != ""
	})

	stop()
	s.delete("home", "deleted")
	s.eventually("the source waits to be deleted", func(cms map[string]*corev1.ConfigMap) bool {
		source := cms["home/deleted"]
		return source != nil && source.DeletionTimestamp != nil && cms["a/deleted"] != nil
	})
	changes, cancel, err := s.configMaps.Watch(store.WithEventTypes[*corev1.ConfigMap](store.EventTypeDelete))
	s.must(err)
	defer cancel()
	flaky := rest.CopyConfig(s.cfg)
	deletes := 0
	flaky.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodDelete {
				if deletes++; deletes <= 3 {
					return nil, errors.New("the network is down")
				}
			}
			return next.RoundTrip(r)
		})
	})
	s.startMirrorOn(flaky)
	for _, want := range []string{s.name("a") + "/deleted", s.name("home") + "/deleted"} {
		select {
		case e := <-changes:
			if e.Name != want {
				t.Errorf("%s is gone, want %s to go next", e.Name, want)
			}
		case <-s.ctx.Done():
			t.Fatalf("%s is not gone", want)
		}
	}
}

// roundTrip is a function as an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Copies whose source was deleted by force, behind the mirror's back, are removed.
func TestOrphansAreRemoved(t *testing.T) {
	s := newStage(t)
	stop := s.startMirror()
	s.namespace("home", "")
	s.namespace("a", "x")
	s.source("home", "cm", s.label())
	s.mirrored("home", "cm", "1 copy", "a")
	stop()
	s.delete("home", "cm")
	s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Finalizers = nil })
	s.startMirror()
	s.eventually("nothing is left", func(cms map[string]*corev1.ConfigMap) bool { return len(cms) == 0 })
}

// An invalid selector is reported with what to do, and not tried again and again; the
// copies stay as they are, until it is corrected or the source goes.
func TestInvalidSelector(t *testing.T) {
	s := newStage(t)
	s.startMirror()
	s.namespace("home", "")
	s.namespace("a", "x")
	s.source("home", "cm", s.label())
	s.mirrored("home", "cm", "1 copy", "a")
	before, failed := callsOfMirror(t), errorsOfMirror(t)
	for _, invalid := range []string{"a in b", "", "-"} {
		s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Annotations[mirror.AnnotationTo] = invalid })
		s.mirrored("home", "cm", "invalid selector", "a")
	}
	s.reported("home", "cm", mirror.ReasonInvalidSelector, mirror.AnnotationTo)
	s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Annotations[mirror.AnnotationTo] = s.label() })
	s.mirrored("home", "cm", "1 copy", "a")
	// Each edit and each status it leads to is worth a call, and there may be some from
	// before; a retry would come after 5 ms, 10 ms and so on.
	if calls := callsOfMirror(t) - before; calls > 12 {
		t.Errorf("%v calls for four edits", calls)
	}
	if n := errorsOfMirror(t) - failed; n != 0 {
		t.Errorf("%v calls ended with an error", n)
	}

	s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Annotations[mirror.AnnotationTo] = "a in b" })
	s.mirrored("home", "cm", "invalid selector", "a")
	s.delete("home", "cm")
	s.eventually("nothing is left", func(cms map[string]*corev1.ConfigMap) bool { return len(cms) == 0 })
}

// A ConfigMap that is not the mirror's own is never touched: not one that was there
// before, not another source's copy, not a copy that somebody has made their own.
// When the name is free the copy is made.
func TestNameTaken(t *testing.T) {
	s := newStage(t)
	s.startMirror()
	s.namespace("home", "")
	s.namespace("rival", "")
	s.namespace("a", "x")
	theirs := s.plain("a", "cm")
	theirs.Data = map[string]string{"theirs": "only"}
	s.must(s.client.Create(s.ctx, theirs))

	s.source("home", "cm", s.label())
	s.mirrored("home", "cm", "0 copies; none in "+s.name("a"))
	s.reported("home", "cm", mirror.ReasonNameTaken, "delete that or rename this")
	s.edit("home", "cm", func(cm *corev1.ConfigMap) { cm.Data["new"] = "value" })
	s.source("home", "marker", s.label())
	s.mirrored("home", "marker", "1 copy", "a")
	if now := s.get("a", "cm"); now.ResourceVersion != theirs.ResourceVersion {
		t.Errorf("somebody else's ConfigMap was changed to %v", now)
	}

	s.delete("a", "cm")
	s.mirrored("home", "cm", "1 copy", "a")
	s.source("rival", "cm", s.label())
	s.mirrored("rival", "cm", "0 copies; none in "+s.name("a"))
	s.mirrored("home", "cm", "1 copy", "a")
	s.edit("home", "cm", func(cm *corev1.ConfigMap) { delete(cm.Annotations, mirror.AnnotationTo) })
	s.mirrored("rival", "cm", "1 copy", "a")

	s.edit("a", "cm", func(cm *corev1.ConfigMap) { delete(cm.Annotations, mirror.AnnotationOf) })
	s.mirrored("rival", "cm", "0 copies; none in "+s.name("a"))
	s.delete("rival", "cm")
	s.eventually("the rival is gone, and what was made of its copy is not", func(cms map[string]*corev1.ConfigMap) bool {
		return cms["rival/cm"] == nil && cms["a/cm"] != nil
	})
}

// A copy that is annotated like a source is not mirrored in its turn.
func TestMirrorOfMirror(t *testing.T) {
	s := newStage(t)
	s.startMirror()
	s.namespace("home", "")
	s.namespace("a", "x")
	s.namespace("b", "y")
	s.source("home", "cm", s.label()+"=x")
	s.mirrored("home", "cm", "1 copy", "a")
	s.edit("a", "cm", func(cm *corev1.ConfigMap) { cm.Annotations[mirror.AnnotationTo] = s.label() + "=y" })
	s.source("home", "marker", s.label()+"=y")
	s.mirrored("home", "marker", "1 copy", "b")
	s.mirrored("home", "cm", "1 copy", "a")
	if err := s.client.Get(s.ctx, client.ObjectKey{Namespace: s.name("b"), Name: "cm"}, &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
		t.Errorf("looking for a copy of a copy: %v, want NotFound", err)
	}
}

// A mirror that starts where everything is in order writes nothing.
func TestRestartWritesNothing(t *testing.T) {
	s := newStage(t)
	stop := s.startMirror()
	s.namespace("home", "")
	s.namespace("a", "x")
	s.source("home", "cm", s.label())
	s.mirrored("home", "cm", "1 copy", "a")
	stop()
	before := []string{s.get("home", "cm").ResourceVersion, s.get("a", "cm").ResourceVersion}
	s.startMirror()
	s.source("home", "marker", s.label())
	s.mirrored("home", "marker", "1 copy", "a")
	if after := []string{s.get("home", "cm").ResourceVersion, s.get("a", "cm").ResourceVersion}; !slices.Equal(before, after) {
		t.Errorf("source and copy were at %v and are at %v", before, after)
	}
}

// callsOfMirror and errorsOfMirror are what the mirrors of this process have counted.
func callsOfMirror(t *testing.T) float64 {
	return counted(t, "controller_runtime_reconcile_time_seconds")
}

func errorsOfMirror(t *testing.T) float64 {
	return counted(t, "controller_runtime_reconcile_errors_total")
}

func counted(t *testing.T, name string) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == mirror.Name {
				return m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}
