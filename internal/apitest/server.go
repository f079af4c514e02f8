package apitest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Server is an API server for ConfigMaps, in as far as a client can tell that lists and
// watches them: in protobuf or JSON, whole or as metadata only, as it is asked. It may know
// a field of them that the Go type lacks. It is no process, but the transport of a
// [rest.Config], so that it can be used in a bubble of testing/synctest.
type Server struct {
	mu       sync.Mutex
	version  int
	objects  map[string]ConfigMap
	history  []event
	watches  map[*watch]bool
	requests []string
	refusal  *apierrors.StatusError
}

// ConfigMap is a ConfigMap as the server knows it: with the field "newer".
type ConfigMap struct {
	corev1.ConfigMap

	Newer string
}

// event is one change.
type event struct {
	kind    string
	version int
	object  ConfigMap
}

// GVK is the kind of what the server has.
var GVK = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// Malformed is a value that the server has as a number in JSON, so that no Go type can hold
// it.
const Malformed = "5"

const (
	path       = "/api/v1/configmaps"
	fieldNewer = 1999 // in protobuf
)

// NewServer returns a server without objects.
func NewServer() *Server {
	return &Server{version: 1, objects: map[string]ConfigMap{}, watches: map[*watch]bool{}}
}

// Config returns a configuration of clients of the server.
func (s *Server) Config() *rest.Config {
	return &rest.Config{Host: "http://server.example", Transport: s, QPS: -1}
}

// Mapper returns what finds the server's resource.
func (s *Server) Mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{GVK.GroupVersion()})
	m.Add(GVK, meta.RESTScopeNamespace)
	return m
}

// Put creates or changes the ConfigMap of a name in the namespace "default", and returns its
// resourceVersion. newer is the field that the Go type lacks; empty is none.
func (s *Server) Put(name, value, newer string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	_, exists := s.objects[name]
	next := ConfigMap{Newer: newer, ConfigMap: corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, UID: types.UID("uid-" + name), ResourceVersion: strconv.Itoa(s.version),
			CreationTimestamp: metav1.Unix(1, 0), Labels: map[string]string{"name": name},
		},
		Data: map[string]string{"value": value},
	}}
	s.objects[name] = next
	s.commit(event{map[bool]string{false: "ADDED", true: "MODIFIED"}[exists], s.version, next})
	return next.ResourceVersion
}

// Delete deletes a ConfigMap.
func (s *Server) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	final := s.objects[name]
	delete(s.objects, name)
	s.version++
	final.ResourceVersion = strconv.Itoa(s.version)
	s.commit(event{"DELETED", s.version, final})
}

func (s *Server) commit(e event) {
	s.history = append(s.history, e)
	for w := range s.watches {
		w.wake()
	}
}

// Refuse has every request fail from now on, unless err is nil, and ends the watches.
func (s *Server) Refuse(err *apierrors.StatusError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
	for w := range s.watches {
		_ = w.Close()
	}
	clear(s.watches)
}

// Requests returns what was asked for since the last call, such as "list protobuf",
// "watch JSON metadata", or "stream protobuf" for a streamed list.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// JSON returns an object as a GET in JSON would.
func (s *Server) JSON(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[name]
	return form{}.object(&o)
}

// RoundTrip answers a request.
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) {
	f := formOf(req.Header.Get("Accept"))
	query := req.URL.Query()
	verb := "list"
	switch {
	case query.Get("sendInitialEvents") == "true":
		verb = "stream"
	case query.Get("watch") == "true":
		verb = "watch"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, verb+" "+f.String())
	if req.URL.Path != path {
		return refused(req, apierrors.NewNotFound(schema.GroupResource{Resource: req.URL.Path}, "")), nil
	}
	if s.refusal != nil {
		return refused(req, s.refusal), nil
	}
	resp := &http.Response{StatusCode: http.StatusOK, Request: req, Header: http.Header{}}
	if verb == "list" {
		resp.Header.Set("Content-Type", f.contentType())
		resp.Body = io.NopCloser(bytes.NewReader(f.list(s.version, s.sorted())))
		return resp, nil
	}
	resp.Header.Set("Content-Type", f.streamType())
	resp.Body = s.watch(req.Context(), f, verb, query.Get("resourceVersion"))
	return resp, nil
}

func refused(req *http.Request, err *apierrors.StatusError) *http.Response {
	body, _ := json.Marshal(err.Status())
	return &http.Response{
		StatusCode: int(err.Status().Code), Request: req, Header: http.Header{"Content-Type": {runtime.ContentTypeJSON}},
		Body: io.NopCloser(bytes.NewReader(body)),
	}
}

func (s *Server) sorted() (all []ConfigMap) {
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		all = append(all, s.objects[name])
	}
	return all
}

// watch begins a watch. The caller holds mu.
func (s *Server) watch(ctx context.Context, f form, verb, from string) io.ReadCloser {
	reader, writer := io.Pipe()
	w := &watch{PipeReader: reader, server: s, form: f, awake: make(chan struct{}, 1), done: make(chan struct{})}
	w.sent, _ = strconv.Atoi(from)
	var first []byte
	if w.sent == 0 || verb == "stream" {
		for _, o := range s.sorted() {
			first = append(first, f.event("ADDED", &o)...)
		}
		w.sent = s.version
	}
	if verb == "stream" {
		end := ConfigMap{}
		end.ResourceVersion = strconv.Itoa(s.version)
		end.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		first = append(first, f.event("BOOKMARK", &end)...)
	}
	s.watches[w] = true
	w.wake()
	go w.run(ctx, writer, first)
	return w
}

// watch is the body of a watch.
type watch struct {
	*io.PipeReader

	server *Server
	form   form
	sent   int
	awake  chan struct{}
	once   sync.Once
	done   chan struct{}
}

// Close ends the watch.
func (w *watch) Close() error {
	w.once.Do(func() { close(w.done) })
	return w.PipeReader.Close()
}

func (w *watch) wake() {
	select {
	case w.awake <- struct{}{}:
	default:
	}
}

func (w *watch) run(ctx context.Context, to *io.PipeWriter, frames []byte) {
	defer to.Close()
	defer w.leave()
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer stop()
	for ; ; frames = w.next() {
		if _, err := to.Write(frames); err != nil {
			return
		}
		if len(frames) > 0 {
			continue
		}
		select {
		case <-w.awake:
		case <-w.done:
			return
		}
	}
}

func (w *watch) leave() {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	delete(w.server.watches, w)
}

// next returns what was not sent.
func (w *watch) next() (frames []byte) {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	for _, e := range w.server.history {
		if e.version > w.sent {
			w.sent = e.version
			frames = append(frames, w.form.event(e.kind, &e.object)...)
		}
	}
	return frames
}

// form is how objects are sent.
type form struct{ protobuf, partial bool }

func formOf(accept string) form {
	first, _, _ := strings.Cut(accept, ",")
	return form{
		protobuf: strings.HasPrefix(first, runtime.ContentTypeProtobuf),
		partial:  strings.Contains(first, "as=PartialObjectMetadata"),
	}
}

func (f form) String() string {
	name := "JSON"
	if f.protobuf {
		name = "protobuf"
	}
	if f.partial {
		name += " metadata"
	}
	return name
}

func (f form) contentType() string {
	if f.protobuf {
		return runtime.ContentTypeProtobuf
	}
	return runtime.ContentTypeJSON
}

func (f form) streamType() string {
	if f.protobuf {
		return runtime.ContentTypeProtobuf + ";stream=watch"
	}
	return runtime.ContentTypeJSON
}

// typeMeta is what an object, or with a suffix a list, says that it is.
func (f form) typeMeta(suffix string) runtime.TypeMeta {
	if f.partial {
		return runtime.TypeMeta{APIVersion: metav1.SchemeGroupVersion.String(), Kind: "PartialObjectMetadata" + suffix}
	}
	return runtime.TypeMeta{APIVersion: "v1", Kind: GVK.Kind + suffix}
}

// must returns what cannot fail: the objects are the server's own.
func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// item returns an object as it is in a list.
func (f form) item(o *ConfigMap) []byte {
	if !f.protobuf {
		return f.text(o)
	}
	if f.partial {
		return must((&metav1.PartialObjectMetadata{ObjectMeta: o.ObjectMeta}).Marshal())
	}
	b := must(o.Marshal())
	if o.Newer != "" {
		b = appendField(b, fieldNewer, []byte(o.Newer))
	}
	return b
}

// text returns an object in JSON.
func (f form) text(o *ConfigMap) []byte {
	is := f.typeMeta("")
	content := map[string]any{"apiVersion": is.APIVersion, "kind": is.Kind, "metadata": o.ObjectMeta}
	if !f.partial {
		content["data"] = o.Data
		if o.Data["value"] == Malformed {
			content["data"] = map[string]any{"value": json.Number(Malformed)}
		}
		if o.Newer != "" {
			content["newer"] = o.Newer
		}
	}
	return must(json.Marshal(content))
}

// object returns an object as it is by itself.
func (f form) object(o *ConfigMap) []byte {
	if !f.protobuf {
		return f.text(o)
	}
	return envelope(f.typeMeta(""), f.item(o))
}

func envelope(is runtime.TypeMeta, raw []byte) []byte {
	return append([]byte("k8s\x00"), must((&runtime.Unknown{TypeMeta: is, Raw: raw}).Marshal())...)
}

func (f form) list(version int, objects []ConfigMap) []byte {
	listMeta := metav1.ListMeta{ResourceVersion: strconv.Itoa(version)}
	is := f.typeMeta("List")
	if !f.protobuf {
		items := []json.RawMessage{}
		for i := range objects {
			items = append(items, f.item(&objects[i]))
		}
		return must(json.Marshal(map[string]any{"apiVersion": is.APIVersion, "kind": is.Kind, "metadata": listMeta, "items": items}))
	}
	b := appendField(nil, 1, must(listMeta.Marshal()))
	for i := range objects {
		b = appendField(b, 2, f.item(&objects[i]))
	}
	return envelope(is, b)
}

// event returns the frame of an event.
func (f form) event(kind string, o *ConfigMap) []byte {
	if !f.protobuf {
		return fmt.Appendf(nil, "{\"type\":%q,\"object\":%s}\n", kind, f.object(o))
	}
	e := must((&metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: f.object(o)}}).Marshal())
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(e))), e...)
}

// appendField appends a field of bytes to a message in protobuf.
func appendField(b []byte, number int, body []byte) []byte {
	b = binary.AppendUvarint(b, uint64(number)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(body)))
	return append(b, body...)
}
