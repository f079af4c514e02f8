// Package wire lists and watches the objects of one kind without decoding them: their bytes are packed as the API
// server sent them, and only what a cache needs to file them away is scanned from the bytes.
//
//	c, err := codec.New(codec.Options[*corev1.Pod]{})
//	kind, err := wire.NewKind(corev1.SchemeGroupVersion.WithKind("Pod"), c, wire.KindOptions[*corev1.Pod]{})
//	client, err := wire.NewClient(config, nil, kind)
//	reflector := cache.NewReflector(client.ListerWatcher("pods", wire.Scope{}), &wire.Object{}, store, 0)
//
// What comes out is a cache.ListerWatcher for client-go's Reflector and SharedIndexInformer, whose objects are
// [*Object]. An Object knows its key, uid, resourceVersion and generation, and the values of the fields that the
// [Kind] names for indexes; all else is unpacked when somebody asks. [Decode] makes the Go object of it.
//
// # Bytes
//
// A type with generated protobuf methods is asked for as protobuf, and as JSON if the server has no protobuf for
// it; all others, unstructured objects among them, as JSON. The answer says what it is. What is packed is the bare
// object: protobuf without the envelope, JSON with its apiVersion and kind, whether they came from a list, where
// typed objects have neither, or from a watch. So the same state of an object has the same bytes and the same hash,
// whichever way it came.
//
// A list is read as a stream, one object at a time: neither its bytes nor its objects are ever there as a whole.
//
// # Errors
//
// Every byte is checked. What is scanned as protobuf can be decoded, for it is checked against the fields of the type;
// what is scanned as JSON is JSON, whose metadata is of the right types. What
// is malformed, cut off or of another kind is a [*MalformedError] of the list, or an ERROR event of the watch, which
// is what a Reflector expects; it then lists again. Status errors such as 410 Gone, retries, authentication,
// compression and warnings are client-go's own.
package wire
