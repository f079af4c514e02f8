package wire

import (
	"encoding/binary"
	"encoding/json"
	"iter"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/larder-dev/larder/pkg/codec"
)

// Object is a packed object, with what a cache needs to file it away. It is immutable and safe for concurrent use.
//
// It is a runtime.Object and a metav1.Object. Namespace, name, uid, resourceVersion and generation are at hand; the
// other getters unpack the object at each call, which takes some microseconds, and return a private copy, or nothing
// if its data is damaged, which [Object.Metadata] tells apart. The setters panic with [ErrImmutable].
type Object struct {
	immutable
	packed     codec.Packed // nil for a bookmark
	kind       *Kind
	text       string // key, uid, resourceVersion, and the values of fields as numbers and lengths with texts
	generation int64
	namespace  uint32 // lengths in text
	key        uint32
	uid        uint16
	version    uint16
	end        bool // a bookmark that ends a streamed list
	newer      bool
}

var (
	_ runtime.Object = (*Object)(nil)
	_ metav1.Object  = (*Object)(nil)
)

// newObject returns an object with what was scanned of it.
func newObject(kind *Kind, m *Meta) *Object {
	size := len(m.Namespace) + 1 + len(m.Name) + len(m.UID) + len(m.ResourceVersion)
	for _, v := range m.Values {
		size += 2*binary.MaxVarintLen32 + len(v.Value)
	}
	var short [256]byte // most fit, and need no more memory than the text
	b := short[:0]
	if size > len(short) {
		b = make([]byte, 0, size)
	}
	o := &Object{kind: kind, generation: m.Generation, newer: m.Newer}
	if len(m.Namespace) > 0 {
		b = append(append(b, m.Namespace...), '/')
	}
	b = append(b, m.Name...)
	o.namespace, o.key = uint32(len(m.Namespace)), uint32(len(b))
	b = append(append(b, m.UID...), m.ResourceVersion...)
	o.uid, o.version = uint16(len(m.UID)), uint16(len(m.ResourceVersion))
	for _, v := range m.Values {
		b = binary.AppendUvarint(b, uint64(v.Field))
		b = binary.AppendUvarint(b, uint64(len(v.Value)))
		b = append(b, v.Value...)
	}
	o.text = string(b)
	return o
}

// Key returns "namespace/name", or the name if there is no namespace. It shares memory with the object.
func (o *Object) Key() string { return o.text[:o.key] }

// Newer tells that the object's bytes have fields that its Go type lacks; see [Meta].
func (o *Object) Newer() bool { return o.newer }

// IsPartial tells that the object is the metadata of one, as a PartialObjectMetadata.
func (o *Object) IsPartial() bool { return o.kind.partial }

// Packed returns the object's content, or nil for a bookmark.
func (o *Object) Packed() codec.Packed { return o.packed }

// Size returns the bytes of memory that the object takes, content included, without the dictionary of the content.
func (o *Object) Size() int {
	size := int(unsafe.Sizeof(*o)) + len(o.text)
	if o.packed != nil {
		size += o.packed.Size()
	}
	return size
}

// Equal tells whether two objects came from the same bytes. It decodes nothing; see [codec.Equal].
func (o *Object) Equal(other *Object) bool {
	if o.packed == nil || other.packed == nil {
		return o == other
	}
	return codec.Equal(o.packed, other.packed)
}

// Values yields the values of a field of the Kind, given by its index. They share memory with the object.
func (o *Object) Values(field int) iter.Seq[string] {
	return func(yield func(string) bool) {
		rest := o.text[int(o.key)+int(o.uid)+int(o.version):]
		for rest != "" {
			var number, size uint64
			number, rest = cutUvarint(rest)
			size, rest = cutUvarint(rest)
			if number == uint64(field) && !yield(rest[:size]) {
				return
			}
			rest = rest[size:]
		}
	}
}

// cutUvarint reads a varint at the begin of s.
func cutUvarint(s string) (v uint64, rest string) {
	v, n := binary.Uvarint(unsafe.Slice(unsafe.StringData(s), len(s)))
	return v, s[n:]
}

// Decode returns the Go object. For a bookmark it is [ErrBookmark], else its errors are those of codec.Codec.Decode.
// The apiVersion and kind of an object that came as protobuf are empty, as with client-go's clients.
func Decode[T any](c *codec.Codec[T], o *Object) (T, error) {
	if o.packed == nil {
		var none T
		return none, ErrBookmark
	}
	return c.Decode(o.packed)
}

// Metadata unpacks the object's metadata. It is a private copy. Its errors are those of codec.Unpack, and
// [ErrBookmark].
func (o *Object) Metadata() (*metav1.ObjectMeta, error) {
	if o.packed == nil {
		return nil, ErrBookmark
	}
	bytes, err := codec.Unpack(nil, o.packed)
	if err != nil {
		return nil, err
	}
	var partial metav1.PartialObjectMetadata
	bare, isJSON, err := strip(bytes)
	switch {
	case err != nil:
	case isJSON:
		err = json.Unmarshal(bare, &partial)
	default:
		err = partial.Unmarshal(bare)
	}
	if err != nil {
		return nil, o.kind.malformed(err)
	}
	return &partial.ObjectMeta, nil
}

// metadata is Metadata for getters, which have no errors.
func (o *Object) metadata() *metav1.ObjectMeta {
	if o.end {
		return &metav1.ObjectMeta{Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}
	}
	m, err := o.Metadata()
	if err != nil {
		return &metav1.ObjectMeta{}
	}
	return m
}

// GetObjectKind returns the kind, which cannot be set.
func (o *Object) GetObjectKind() schema.ObjectKind { return o.kind }

// DeepCopyObject returns the object itself, as nothing can change it.
func (o *Object) DeepCopyObject() runtime.Object { return o }

// String returns the key and the resourceVersion.
func (o *Object) String() string { return o.Key() + "@" + o.GetResourceVersion() }

// GetNamespace returns the namespace. Like the next three it shares memory with the object.
func (o *Object) GetNamespace() string { return o.text[:o.namespace] }

// GetName returns the name.
func (o *Object) GetName() string {
	if o.namespace == 0 {
		return o.text[:o.key]
	}
	return o.text[o.namespace+1 : o.key]
}

// GetUID returns the uid.
func (o *Object) GetUID() types.UID { return types.UID(o.text[o.key:][:o.uid]) }

// GetResourceVersion returns the resourceVersion.
func (o *Object) GetResourceVersion() string { return o.text[int(o.key)+int(o.uid):][:o.version] }

// GetGeneration returns the generation.
func (o *Object) GetGeneration() int64 { return o.generation }

// GetGenerateName unpacks the generateName.
func (o *Object) GetGenerateName() string { return o.metadata().GenerateName }

// GetSelfLink unpacks the selfLink.
func (o *Object) GetSelfLink() string {
	return o.metadata().SelfLink //nolint:staticcheck // a metav1.Object has it
}

// GetCreationTimestamp unpacks the creationTimestamp.
func (o *Object) GetCreationTimestamp() metav1.Time { return o.metadata().CreationTimestamp }

// GetDeletionTimestamp unpacks the deletionTimestamp.
func (o *Object) GetDeletionTimestamp() *metav1.Time { return o.metadata().DeletionTimestamp }

// GetDeletionGracePeriodSeconds unpacks the deletionGracePeriodSeconds.
func (o *Object) GetDeletionGracePeriodSeconds() *int64 {
	return o.metadata().DeletionGracePeriodSeconds
}

// GetLabels unpacks the labels.
func (o *Object) GetLabels() map[string]string { return o.metadata().Labels }

// GetAnnotations unpacks the annotations.
func (o *Object) GetAnnotations() map[string]string { return o.metadata().Annotations }

// GetFinalizers unpacks the finalizers.
func (o *Object) GetFinalizers() []string { return o.metadata().Finalizers }

// GetOwnerReferences unpacks the ownerReferences.
func (o *Object) GetOwnerReferences() []metav1.OwnerReference { return o.metadata().OwnerReferences }

// GetManagedFields unpacks the managedFields.
func (o *Object) GetManagedFields() []metav1.ManagedFieldsEntry { return o.metadata().ManagedFields }
