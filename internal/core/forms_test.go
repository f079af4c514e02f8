package core_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientfeatures "k8s.io/client-go/features"

	"github.com/larder-dev/larder/internal/core"
	"github.com/larder-dev/larder/pkg/codec"
)

// requests returns the requests of one attempt in a form.
func requests(form string) []string {
	if clientfeatures.FeatureGates().Enabled(clientfeatures.WatchListClient) {
		return []string{"stream " + form}
	}
	return []string{"list " + form, "watch " + form}
}

// expectForms checks what reads of an object show, in each of the forms.
func (b *bed) expectForms(name string, want map[core.Form]string) {
	b.Helper()
	v, ok := b.Objects().Get("default/" + name)
	if !ok {
		b.Fatalf("there is no %s", name)
	}
	for f, text := range want {
		for how, read := range map[string]func(core.Value, core.Form) (any, error){
			"Open": b.Objects().Open, "Glance": b.Objects().Glance, "Copy": b.Objects().Copy,
		} {
			obj, err := read(v, f)
			if got := describe(obj); err != nil && !errors.Is(err, core.ErrNarrow) || err == nil && got != text || err != nil && text != "narrow" {
				b.Errorf("%s of %s as %v is %s, %v, want %s", how, name, f, got, err, text)
			}
		}
	}
}

// What is asked for as metadata first is listed once more for those who want all of it. Then it has everything for
// every form, without another list, and a handler of metadata is not told anything.
func TestWidening(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Metadata, s, nil)
		b.Put("a", "1", "")
		b.run()
		b.expectRequests(requests("protobuf metadata")...)
		b.expectForms("a", map[core.Form]string{
			core.AsStored: "metadata a@ConfigMap", core.Metadata: "metadata a@ConfigMap", core.Typed: "narrow", core.Unstructured: "narrow",
		})
		if b.Serves(core.Typed) || b.Serves(core.Unstructured) || !b.Serves(core.Metadata) {
			t.Error("it serves what it does not have, or not what it has")
		}
		narrow, _ := b.recorded(core.Metadata, core.HandlerOptions{})
		narrow.expect("initial create metadata a@ConfigMap")

		b.Want(core.Metadata)
		synctest.Wait()
		b.expectRequests()
		b.Want(core.Typed)
		synctest.Wait()
		b.expectRequests(requests("protobuf")...)
		b.expectForms("a", map[core.Form]string{core.Metadata: "metadata a@ConfigMap", core.Typed: "typed a=1@"})
		if !b.Serves(core.Typed) || b.Status().Form() != core.Typed {
			t.Errorf("it has %v", b.Status().Form())
		}
		wide, _ := b.recorded(core.Typed, core.HandlerOptions{})
		wide.expect("initial create typed a=1@")

		b.Want(core.Typed)
		b.Want(core.Metadata)
		b.Want(core.Unstructured)
		synctest.Wait()
		if s.Budget == nil {
			b.expectRequests(requests("JSON")...) // a Go object cannot tell what it lacks
			if b.Serves(core.Typed); b.Status().Form() != core.Unstructured {
				t.Errorf("it has %v", b.Status().Form())
			}
		} else {
			b.expectRequests()
		}
		b.expectForms("a", map[core.Form]string{
			core.Metadata: "metadata a@ConfigMap", core.Typed: "typed a=1@", core.Unstructured: "unstructured a=1@ConfigMap",
		})
		b.expectJSON("a")
		b.Put("b", "1", "")
		synctest.Wait()
		b.expectJSON("b")
		if s.Budget != nil {
			narrow.expect("update metadata a@ConfigMap", "create metadata b@ConfigMap")
			wide.expect("create typed b=1@")
		}
	})
}

// expectJSON checks that an object is, unstructured, what the server sends as JSON.
func (b *bed) expectJSON(name string) {
	b.Helper()
	want := &unstructured.Unstructured{}
	if err := want.UnmarshalJSON(b.JSON(name)); err != nil {
		b.Fatal(err)
	}
	if got := b.open(name, core.Unstructured).(*unstructured.Unstructured); !reflect.DeepEqual(got.Object, want.Object) {
		b.Errorf("%s is, unstructured,\n%v\nnot\n%v", name, got.Object, want.Object)
	}
}

// Two forms that are wanted before the first list, in any order, cost one list.
func TestWantBeforeStart(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Metadata, s, nil)
		b.Put("a", "1", "")
		b.Want(core.Unstructured)
		b.Want(core.Typed)
		b.run()
		b.expectRequests(requests("JSON")...)
		b.expectForms("a", map[core.Form]string{
			core.Metadata: "metadata a@ConfigMap", core.Typed: "typed a=1@", core.Unstructured: "unstructured a=1@ConfigMap",
		})
	})
}

// inPackedBubbles is inBubbles of those that pack.
func inPackedBubbles(t *testing.T, test func(t *testing.T, s core.Storage)) {
	t.Helper()
	inBubbles(t, func(t *testing.T, s core.Storage) {
		if s.Budget != nil {
			test(t, s)
		}
	})
}

// When the server turns out to know a field that the Go type lacks, those who read unstructured objects get a list in
// JSON, and see it. Nothing is listed again where nobody reads them so. Typed readers and handlers see what they saw.
func TestNewerThanType(t *testing.T) {
	for when, newer := range map[string]struct{ listed, watched string }{"in the list": {"yes", ""}, "in the watch": {"", "yes"}} {
		t.Run(when, func(t *testing.T) {
			inPackedBubbles(t, func(t *testing.T, s core.Storage) {
				b := newBed(t, core.Typed, s, nil)
				b.Put("a", "1", newer.listed)
				typed, _ := b.recorded(core.Typed, core.HandlerOptions{})
				b.run()
				typed.expect("initial create typed a=1@")
				b.expectRequests(requests("protobuf")...)
				b.Put("b", "1", newer.watched)
				typed.expect("create typed b=1@")
				b.expectRequests()
				if b.Serves(core.Unstructured) {
					t.Error("it serves unstructured objects that lack a field")
				}
				before := b.open("a", core.Typed)

				b.Want(core.Unstructured)
				synctest.Wait()
				b.expectRequests(requests("JSON")...)
				if !b.Serves(core.Unstructured) {
					t.Error("it does not serve unstructured objects")
				}
				for _, name := range []string{"a", "b"} {
					b.expectJSON(name)
				}
				if newer.listed != "" {
					b.expectForms("a", map[core.Form]string{core.Unstructured: "unstructured a=1+yes@ConfigMap"})
				}
				if after := b.open("a", core.Typed); !reflect.DeepEqual(before, after) {
					t.Errorf("typed it was\n%v\nand is\n%v", before, after)
				}
				typed.mu.Lock()
				typed.calls = nil // see TestFormIsNoUpdate
				typed.mu.Unlock()
				b.Put("a", "2", "more")
				typed.expect("update typed a=2@")
				b.expectJSON("a")
				b.expectRequests()
			})
		})
	}
}

// It is the same when unstructured objects are read already, and the field appears later.
func TestNewerLater(t *testing.T) {
	inPackedBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		b.run()
		b.Want(core.Unstructured)
		synctest.Wait()
		b.expectRequests(requests("protobuf")...)
		b.expectJSON("a")
		b.Put("b", "1", "yes")
		synctest.Wait()
		b.expectRequests(requests("JSON")...)
		for _, name := range []string{"a", "b"} {
			b.expectJSON(name)
		}
		b.expectForms("b", map[core.Form]string{core.Typed: "typed b=1@", core.Unstructured: "unstructured b=1+yes@ConfigMap"})
	})
}

// With a transform, which is applied to what comes decoded, it is the same.
func TestNewerTransformed(t *testing.T) {
	inPackedBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		if err := b.SetTransform(func(obj any) (any, error) { return obj, nil }); err != nil {
			t.Fatal(err)
		}
		b.Put("a", "1", "yes")
		b.Want(core.Unstructured)
		b.run()
		b.expectForms("a", map[core.Form]string{core.Typed: "typed a=1@", core.Unstructured: "unstructured a=1+yes@ConfigMap"})
	})
}

// An object that only comes in another form is one that handlers can tell from an update: it is of the same version.
func TestFormIsNoUpdate(t *testing.T) {
	inPackedBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Metadata, s, nil)
		b.Put("a", "1", "yes")
		b.run()
		var mu sync.Mutex
		var told []string
		_, err := b.AddHandler(func(n core.Notice) {
			mu.Lock()
			defer mu.Unlock()
			if !n.Initial {
				told = append(told, fmt.Sprint(n.EventType, " ", n.Name, " ", n.Object.SameForm(n.Old), n.Object.Same(n.Old)))
			}
		}, core.HandlerOptions{Buffer: 10, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		expect := func(want string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(told, ", "); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
			told = nil
		}
		b.Want(core.Typed)
		expect("update default/a false false")
		b.Want(core.Unstructured)
		expect("update default/a false false")
		b.Put("a", "2", "yes")
		expect("update default/a true false")
	})
}

// marks is a transform that counts itself in an annotation, and drops the labels. It does not care for the form.
func marks(obj any) (any, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	annotations := maps.Clone(m.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[reflect.TypeOf(obj).Elem().Name()] += "x"
	m.SetAnnotations(annotations)
	m.SetLabels(nil)
	return obj, nil
}

// What came is transformed once; what is made of it in another form is transformed again, as the transform may do to
// that form what it did not do to the first. The store stays as it is.
func TestTransformOfForms(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		for first, want := range map[core.Form]map[core.Form]map[string]string{
			core.Metadata: {core.Metadata: {"PartialObjectMetadata": "x"}},
			core.Typed: {
				core.Metadata: {"ConfigMap": "x", "PartialObjectMetadata": "x"}, core.Typed: {"ConfigMap": "x"},
				core.Unstructured: {"ConfigMap": "x", "Unstructured": "x"},
			},
			core.Unstructured: {
				core.Metadata: {"Unstructured": "x", "PartialObjectMetadata": "x"}, core.Typed: {"Unstructured": "x", "ConfigMap": "x"},
				core.Unstructured: {"Unstructured": "x"},
			},
		} {
			b := newBed(t, first, s, nil)
			if err := b.SetTransform(marks); err != nil {
				t.Fatal(err)
			}
			b.Put("listed", "1", "")
			stop := b.run()
			b.Put("watched", "1", "")
			synctest.Wait()
			for _, name := range []string{"listed", "watched"} {
				for range 2 {
					for f, annotations := range want {
						if f > first && s.Budget == nil {
							continue // is listed again
						}
						obj := b.open(name, f).(metav1.Object)
						if !maps.Equal(obj.GetAnnotations(), annotations) || obj.GetLabels() != nil {
							t.Errorf("%s came as %v and is as %v annotated with %v, labels %v; want %v", name, first, f, obj.GetAnnotations(), obj.GetLabels(), annotations)
						}
					}
				}
			}
			stop()
		}
	})
}

// After everything was listed again in a wider form, it is that form that is transformed once.
func TestTransformWidened(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Metadata, s, nil)
		if err := b.SetTransform(marks); err != nil {
			t.Fatal(err)
		}
		b.Put("a", "1", "")
		b.run()
		b.Want(core.Typed)
		synctest.Wait()
		if got := b.open("a", core.Typed).(*corev1.ConfigMap).Annotations; !maps.Equal(got, map[string]string{"ConfigMap": "x"}) {
			t.Errorf("typed it is annotated with %v", got)
		}
		want := map[string]string{"ConfigMap": "x", "PartialObjectMetadata": "x"}
		if got := b.open("a", core.Metadata).(*metav1.PartialObjectMetadata).Annotations; !maps.Equal(got, want) {
			t.Errorf("metadata is annotated with %v", got)
		}
	})
}

var forbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", nil)

// While what is listed in a wider form is yet to come, metadata is what it was.
func TestTransformWhileWidening(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Metadata, s, nil)
		if err := b.SetTransform(marks); err != nil {
			t.Fatal(err)
		}
		b.Put("a", "1", "")
		b.run()
		b.Refuse(forbidden)
		b.Want(core.Typed)
		time.Sleep(time.Hour)
		if got := b.open("a", core.Metadata).(*metav1.PartialObjectMetadata).Annotations; !maps.Equal(got, map[string]string{"PartialObjectMetadata": "x"}) {
			t.Errorf("metadata is annotated with %v", got)
		}
		b.expectForms("a", map[core.Form]string{core.AsStored: "metadata a@ConfigMap", core.Typed: "narrow"})
		b.Refuse(nil)
		b.Retry()
		synctest.Wait()
		b.expectForms("a", map[core.Form]string{core.Typed: "typed a=1@"})
	})
}

// A transform of what is made for a reader changes nothing in the store, though it has the same maps.
func TestTransformOfNarrow(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		err := b.SetTransform(func(obj any) (any, error) {
			if m, ok := obj.(*metav1.PartialObjectMetadata); ok {
				delete(m.Labels, "name")
			}
			return obj, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b.Put("a", "1", "")
		b.run()
		if got := b.open("a", core.Metadata).(*metav1.PartialObjectMetadata).Labels; len(got) != 0 {
			t.Errorf("metadata has the labels %v", got)
		}
		if got := b.open("a", core.Typed).(*corev1.ConfigMap).Labels; got["name"] != "a" {
			t.Errorf("typed it has the labels %v", got)
		}
	})
}

// The first full form that is asked for is the one that is kept decoded.
func TestFullFormIsKept(t *testing.T) {
	for _, f := range []core.Form{core.Typed, core.Unstructured} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, core.Metadata, core.Storage{Budget: core.NewBudget(0)}, nil)
			b.Put("a", "1", "")
			b.run()
			b.Want(f)
			synctest.Wait()
			before := b.Objects().Stats().Decodes
			one, two := b.open("a", f), b.open("a", f)
			if n := b.Objects().Stats().Decodes - before; n != 1 || one != two {
				t.Errorf("two reads as %v decoded %d times", f, n)
			}
		})
	}
}

// A transform that fails, or panics, on a form that is made when somebody reads is the read's error, and that of nobody
// else; on what comes it breaks off the attempt.
func TestTransformFails(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		no := errors.New("not in this form")
		b := newBed(t, core.Typed, s, nil)
		err := b.SetTransform(func(obj any) (any, error) {
			switch o := obj.(type) {
			case *metav1.PartialObjectMetadata:
				return nil, no
			case *unstructured.Unstructured:
				panic("not at all")
			case *corev1.ConfigMap:
				if o.Data["value"] == "bad" {
					return nil, no
				}
			}
			return obj, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b.Put("a", "1", "")
		b.run()
		v, _ := b.Objects().Get("default/a")
		if _, err := b.Objects().Open(v, core.Metadata); !errors.Is(err, no) {
			t.Errorf("metadata: %v", err)
		}
		if s.Budget != nil {
			if _, err := b.Objects().Open(v, core.Unstructured); err == nil || !strings.Contains(err.Error(), "not at all") {
				t.Errorf("unstructured: %v", err)
			}
		}
		b.expectForms("a", map[core.Form]string{core.Typed: "typed a=1@"})
		if err := b.Status().Err(); err != nil {
			t.Errorf("the informer has %v", err)
		}
		b.Put("b", "bad", "")
		synctest.Wait()
		refused, ok := errors.AsType[*core.ObjectError](b.Status().Err())
		if !ok || refused.Key != "default/b" || !errors.Is(refused, no) {
			t.Errorf("the informer has %v", b.Status().Err())
		}
	})
}

// A copy is the caller's own, in every form and however objects are held, and so is what is made of one for it.
func TestCopiesOfForms(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Typed, s, nil)
		b.Put("a", "1", "")
		b.run()
		forms := []core.Form{core.AsStored, core.Metadata, core.Typed}
		if s.Budget != nil {
			forms = append(forms, core.Unstructured)
		}
		v, _ := b.Objects().Get("default/a")
		before := map[core.Form]string{}
		for _, f := range forms {
			before[f] = asJSON(t, b.open("a", f))
		}
		for range 2 {
			for _, f := range forms {
				obj, err := b.Objects().Copy(v, f)
				if err != nil {
					t.Fatal(err)
				}
				spoil(obj)
				for _, other := range forms {
					if got := asJSON(t, b.open("a", other)); got != before[other] {
						t.Fatalf("a copy as %v was changed, and as %v it is %s", f, other, got)
					}
				}
			}
		}
	})
}

// spoil changes everything in an object that may be shared.
func spoil(obj any) {
	m := obj.(metav1.Object)
	m.GetLabels()["spoilt"] = "yes"
	m.SetName("spoilt")
	switch o := obj.(type) {
	case *corev1.ConfigMap:
		o.Data["value"] = "spoilt"
	case *unstructured.Unstructured:
		o.Object["data"].(map[string]any)["value"] = "spoilt"
		o.Object["metadata"].(map[string]any)["labels"].(map[string]any)["spoilt"] = "yes"
	}
}

func asJSON(t *testing.T, obj any) string {
	t.Helper()
	text, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Indexes of every form find what they should, also over a list in a wider form.
func TestIndexesOfForms(t *testing.T) {
	inBubbles(t, func(t *testing.T, s core.Storage) {
		b := newBed(t, core.Metadata, s, nil)
		add := func(name string, f core.Form, value func(any) string) {
			t.Helper()
			err := b.Objects().AddIndex(name, core.Index{Form: f, Func: func(obj any) ([]string, error) { return []string{value(obj)}, nil }})
			if err != nil {
				t.Fatal(err)
			}
		}
		add("metadata", core.Metadata, func(obj any) string { return obj.(*metav1.PartialObjectMetadata).Labels["name"] })
		add("typed", core.Typed, func(obj any) string { return obj.(*corev1.ConfigMap).Data["value"] })
		b.Put("a", "1", "")
		b.run()
		expect := func(index, value string, want ...string) {
			t.Helper()
			found, err := b.Objects().ByIndex(index, value)
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(maps.Collect(found))); !slices.Equal(got, want) {
				t.Errorf("index %s has %q under %q, want %q", index, got, value, want)
			}
		}
		expect("metadata", "a", "default/a")
		expect("typed", "1") // it is not there in full
		b.Want(core.Typed)
		synctest.Wait()
		expect("typed", "1", "default/a")
		if s.Budget != nil {
			add("unstructured", core.Unstructured, func(obj any) string {
				value, _, _ := unstructured.NestedString(obj.(*unstructured.Unstructured).Object, "data", "value")
				return "u" + value
			})
			expect("unstructured", "u1", "default/a")
		}
		b.Put("a", "2", "")
		b.Put("b", "2", "")
		synctest.Wait()
		expect("typed", "1")
		expect("typed", "2", "default/a", "default/b")
		expect("metadata", "b", "default/b")
		if s.Budget != nil {
			expect("unstructured", "u2", "default/a", "default/b")
		}
	})
}

// Nothing is decoded for what nobody reads, in whatever form it comes, and a list that brings what is known is no
// change.
func TestNothingIsDecoded(t *testing.T) {
	inPackedBubbles(t, func(t *testing.T, s core.Storage) {
		s.Compression = codec.Zstd
		for _, f := range []core.Form{core.Metadata, core.Typed, core.Unstructured} {
			b := newBed(t, f, s, func(o *core.Options) { o.Remote.DropManagedFields = true })
			for i := range 20 {
				b.Put(fmt.Sprint("cm-", i), "1", "")
			}
			stop := b.run()
			b.Put("cm-0", "2", "")
			b.Delete("cm-1")
			synctest.Wait()
			if stats := b.Objects().Stats(); stats.Objects != 19 || stats.Packed != 19 || stats.Decodes != 0 {
				t.Errorf("%v: %+v", f, stats)
			}
			stop()
		}
	})
}
