package wire_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

var errNoServer = errors.New("there is no server")

const (
	protobuf = runtime.ContentTypeProtobuf
	jsonType = runtime.ContentTypeJSON
)

// A list and a watch ask for protobuf before JSON, if the kind has a protobuf form and the configuration does not leave
// it out; for metadata alone they say so; and for managedFields to be left out, in every form that they ask for.
func TestAccept(t *testing.T) {
	const (
		noFields = ";drop=metadata.managedFields"
		partials = ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
		partial  = ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	)
	both := func(suffix string) string { return protobuf + suffix + "," + jsonType + suffix }
	for name, test := range map[string]struct {
		goType                  reflect.Type
		contentType, accepted   string
		drops                   bool
		wantInList, wantInWatch string
	}{
		"typed":                    {goType: reflect.TypeFor[*corev1.Pod](), wantInList: both("")},
		"typed, protobuf":          {goType: reflect.TypeFor[*corev1.Pod](), contentType: protobuf, wantInList: both("")},
		"typed, JSON":              {goType: reflect.TypeFor[*corev1.Pod](), contentType: jsonType, wantInList: jsonType},
		"typed, JSON is accepted":  {goType: reflect.TypeFor[*corev1.Pod](), contentType: protobuf, accepted: jsonType, wantInList: jsonType},
		"typed, both are accepted": {goType: reflect.TypeFor[*corev1.Pod](), contentType: jsonType, accepted: both(""), wantInList: both("")},
		"typed, dropping":          {goType: reflect.TypeFor[*corev1.Pod](), drops: true, wantInList: both(noFields)},
		"typed, JSON, dropping":    {goType: reflect.TypeFor[*corev1.Pod](), contentType: jsonType, drops: true, wantInList: jsonType + noFields},
		"unstructured":             {goType: reflect.TypeFor[*unstructured.Unstructured](), wantInList: jsonType},
		"unstructured, protobuf":   {goType: reflect.TypeFor[*unstructured.Unstructured](), contentType: protobuf, wantInList: jsonType},
		"unstructured, dropping":   {goType: reflect.TypeFor[*unstructured.Unstructured](), drops: true, wantInList: jsonType + noFields},
		"metadata":                 {goType: reflect.TypeFor[*metav1.PartialObjectMetadata](), wantInList: both(partials), wantInWatch: both(partial)},
		"metadata, JSON":           {goType: reflect.TypeFor[*metav1.PartialObjectMetadata](), contentType: jsonType, wantInList: jsonType + partials, wantInWatch: jsonType + partial},
		"metadata, dropping":       {goType: reflect.TypeFor[*metav1.PartialObjectMetadata](), drops: true, wantInList: both(partials + noFields), wantInWatch: both(partial + noFields)},
	} {
		if test.wantInWatch == "" {
			test.wantInWatch = test.wantInList
		}
		got := map[bool]string{}
		config := &rest.Config{
			Host:          "http://server.example",
			ContentConfig: rest.ContentConfig{ContentType: test.contentType, AcceptContentTypes: test.accepted},
			Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				got[req.URL.Query().Get("watch") == "true"] = strings.Join(req.Header.Values("Accept"), " and ")
				return nil, errNoServer
			}),
		}
		kind, _ := kindOf(t, test.goType, test.drops)
		client := newClient(t, config, kind)
		if _, err := client.List(t.Context(), "pods", "", metav1.ListOptions{}); !errors.Is(err, errNoServer) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := client.Watch(t.Context(), "pods", "", metav1.ListOptions{}); !errors.Is(err, errNoServer) {
			t.Errorf("%s: %v", name, err)
		}
		if got[false] != test.wantInList || got[true] != test.wantInWatch {
			t.Errorf("%s: asked for\n%s\n%s\nnot\n%s\n%s", name, got[false], got[true], test.wantInList, test.wantInWatch)
		}
	}
}
