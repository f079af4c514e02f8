package wire

import (
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
)

// statusCodecs decode what servers send in place of objects.
var statusCodecs = func() runtime.NegotiatedSerializer {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return serializer.NewCodecFactory(scheme).WithoutConversion()
}()

// negotiator makes a rest client decode watches to Objects. All else is as with the clients of client-go.
type negotiator struct {
	runtime.ClientNegotiator
	kind *Kind
}

func newNegotiator(kind *Kind) negotiator {
	return negotiator{runtime.NewClientNegotiator(statusCodecs, schema.GroupVersion{Version: "v1"}), kind}
}

// StreamDecoder returns what decodes one watch: an object decoder and a frame decoder, which share their state, and
// client-go's own framer.
func (n negotiator) StreamDecoder(contentType string, params map[string]string) (runtime.Decoder, runtime.Serializer, runtime.Framer, error) {
	isJSON := contentType == runtime.ContentTypeJSON
	if !isJSON && (contentType != runtime.ContentTypeProtobuf || n.kind.root == nil) {
		return nil, nil, nil, runtime.NegotiateError{ContentType: contentType, Stream: true}
	}
	status, _, framer, err := n.ClientNegotiator.StreamDecoder(contentType, params)
	if err != nil {
		return nil, nil, nil, err
	}
	w := &watchDecoder{kind: n.kind, isJSON: isJSON, status: status}
	return objectDecoder{w}, frameDecoder{w}, framer, nil
}

// watchDecoder is the state of one watch. It is used by one goroutine: frame, object, frame, object.
type watchDecoder struct {
	kind   *Kind
	isJSON bool
	status runtime.Decoder
	event  watch.EventType // of the frame that was decoded last
	meta   Meta
}

// object decodes the object of a frame.
func (w *watchDecoder) object(data []byte) (runtime.Object, error) {
	if w.event == watch.Error {
		return runtime.Decode(w.status, data)
	}
	bare := data
	if !w.isJSON {
		var v envelope
		if err := v.open(data); err != nil {
			return nil, w.kind.malformed(err)
		}
		if !w.kind.is(v.apiVersion, v.kind) {
			return nil, w.kind.malformed(errAnotherKind(v.apiVersion, v.kind))
		}
		bare = v.raw
	}
	if w.event == watch.Bookmark {
		return w.kind.bookmark(bare, w.isJSON, &w.meta)
	}
	return w.kind.object(bare, form{isJSON: w.isJSON}, &w.meta)
}

// frame decodes a frame. The object's bytes alias it.
func (w *watchDecoder) frame(data []byte, event *metav1.WatchEvent) (err error) {
	var name []byte
	if w.isJSON {
		name, event.Object.Raw, err = jsonFrame(data)
	} else {
		name, event.Object.Raw, err = protobufFrame(data)
	}
	if err != nil {
		return w.kind.malformed(err)
	}
	w.event = eventType(name)
	event.Type = string(w.event)
	return nil
}

// eventType returns the type of an event, for those that there are without allocation.
func eventType(name []byte) watch.EventType {
	for _, known := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted, watch.Bookmark, watch.Error} {
		if string(name) == string(known) {
			return known
		}
	}
	return watch.EventType(name)
}

// protobufFrame reads a metav1.WatchEvent.
func protobufFrame(data []byte) (name, object []byte, err error) {
	var e, inner entry
	for i := 0; i < len(data); {
		if i, err = e.next(data, i); err != nil {
			return nil, nil, err
		}
		if e.number > 2 {
			continue
		}
		if e.wire != wireBytes {
			return nil, nil, errWireType
		}
		if e.number == 1 {
			name = e.body
			continue
		}
		for at := 0; at < len(e.body); {
			if at, err = inner.next(e.body, at); err != nil {
				return nil, nil, err
			}
			if inner.number == 1 {
				if inner.wire != wireBytes {
					return nil, nil, errWireType
				}
				object = inner.body
			}
		}
	}
	return name, object, nil
}

// jsonFrame reads an event, of which the object has yet to be checked.
func jsonFrame(data []byte) (name, object []byte, err error) {
	s := jsonStream{b: data, eof: io.EOF}
	err = s.members(func(key string) error {
		raw, err := s.value()
		switch {
		case err != nil:
			return err
		case key == "object" && object == nil && raw[0] == '{':
			object = raw
			return nil
		case key == "type" && name == nil && raw[0] == '"':
			name = unquote(raw)
		case key == "object", key == "type":
			return errJSONType
		}
		return scanValue(raw)
	})
	if e, ok := err.(readError); ok { //nolint:errorlint // nothing wraps it
		err = e.error
	}
	return name, object, err
}

// frameDecoder is a watchDecoder as what decodes frames.
type frameDecoder struct{ *watchDecoder }

// Decode decodes a frame into a *metav1.WatchEvent.
func (d frameDecoder) Decode(data []byte, _ *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	event, ok := into.(*metav1.WatchEvent)
	if !ok {
		return nil, nil, fmt.Errorf("a frame cannot be decoded into %T: pass a *metav1.WatchEvent", into)
	}
	if err := d.frame(data, event); err != nil {
		return nil, nil, err
	}
	return event, nil, nil
}

// Encode fails: watches are read only.
func (frameDecoder) Encode(runtime.Object, io.Writer) error {
	return fmt.Errorf("%w: nothing is encoded in a watch", runtime.NewMissingKindErr("frame"))
}

// Identifier is that of an encoder.
func (frameDecoder) Identifier() runtime.Identifier { return "larder-wire" }

// objectDecoder is a watchDecoder as what decodes objects.
type objectDecoder struct{ *watchDecoder }

// Decode decodes the object of the frame that was decoded last.
func (d objectDecoder) Decode(data []byte, _ *schema.GroupVersionKind, _ runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	obj, err := d.object(data)
	if err != nil {
		return nil, nil, err
	}
	gvk := obj.GetObjectKind().GroupVersionKind()
	return obj, &gvk, nil
}
