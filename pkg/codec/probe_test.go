package codec_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/larder-dev/larder/pkg/codec"
)

// Types from here on say in their names what is odd about them.
type (
	hiddenStruct struct {
		Name string `json:"name"`
	}
	hiddenText          string
	embedsHiddenPointer struct{ *hiddenStruct }
	embedsHiddenStruct  struct {
		hiddenStruct

		Size int
	}
	embedsHiddenText struct {
		hiddenText

		Size int
	}

	Left  struct{ Name, Left string }
	Right struct{ Name, Right string }

	ambiguous struct {
		Left
		Right
	}
	shadowing struct {
		Left

		Name string
	}
	shadowingByTag struct {
		*Left

		Other string `json:"Left"`
	}
	nameOfAnother struct {
		First  string `json:"Second"`
		Second string
	}
	SelfEmbedding struct {
		*SelfEmbedding

		Name string
	}
	alwaysZero      struct{ Name string }
	omitsAlwaysZero struct {
		Field alwaysZero `json:",omitzero"`
	}

	// pointerJSON marshals itself, but not where its address cannot be taken.
	pointerJSON        struct{ Name string }
	holdsPointerJSON   struct{ Field pointerJSON }
	arrayOfPointerJSON [2]pointerJSON

	writesOnly          struct{ Name string }
	readsOnly           struct{ Name string }
	writesJSONReadsText struct{ Name string }
	readsJSONWritesText struct{ Name string }

	writesTextOnly       int
	writesTextOnlyStruct struct{ Name string }
	// hexText has another form as a key: JSON takes a string as it is there, but reads it with its method.
	hexText string

	embedsTime struct {
		time.Time

		Zone string
	}
	embedsTimePointer struct {
		*metav1.Time

		Zone string
	}
	embedsTimeAndHidden struct {
		time.Time

		zone string
	}
	EmbedsTimeTwice struct{ embedsTime }
	hiddenTime      struct{ time.Time }
	hiddenDate      struct{ time.Time }
	embedsByName    struct {
		hiddenTime `json:"at"`
		hiddenDate `json:"on"`
	}
	embedsTwo struct {
		netip.Addr
		netip.Prefix
	}
	embedsQuantity struct {
		resource.Quantity

		Names map[string]string
	}

	// stale has protobuf methods, those of the Pod.
	stale struct {
		corev1.Pod `json:",inline" protobuf:"bytes,1,opt,name=pod"`

		Extra string `json:"extra" protobuf:"bytes,2,opt,name=extra"`
	}
)

// Two fields of one name: the compiler's friends would see it if these were declared.
var (
	oneName   = structOf("First", reflect.TypeFor[string](), "Second", reflect.TypeFor[string]())
	oneAmong3 = structOf("Time", reflect.TypeFor[metav1.Time](), "Again", reflect.TypeFor[*metav1.Time](), "Third", reflect.TypeFor[time.Time]())
	badTag    = reflect.StructOf([]reflect.StructField{
		{Name: "First", Type: reflect.TypeFor[string](), Tag: `json:"fi\\rst"`}, // is no name to JSON
		{Name: "Second", Type: reflect.TypeFor[string](), Tag: `json:"First"`},
	})
	deepDown = reflect.StructOf([]reflect.StructField{{
		Name: "Items", Type: reflect.SliceOf(reflect.MapOf(reflect.TypeFor[string](), reflect.PointerTo(oneName))),
	}})
)

// structOf returns a struct with these fields, all with the name "name" in JSON.
func structOf(namesAndTypes ...any) reflect.Type {
	var fields []reflect.StructField
	for i := 0; i < len(namesAndTypes); i += 2 {
		fields = append(fields, reflect.StructField{Name: namesAndTypes[i].(string), Type: namesAndTypes[i+1].(reflect.Type), Tag: `json:"name"`})
	}
	return reflect.StructOf(fields)
}

func (alwaysZero) IsZero() bool { return true }

func (p *pointerJSON) MarshalJSON() ([]byte, error) { return json.Marshal("name:" + p.Name) }

func (p *pointerJSON) UnmarshalJSON(wire []byte) error {
	var text string
	if err := json.Unmarshal(wire, &text); err != nil {
		return err
	}
	p.Name = strings.TrimPrefix(text, "name:")
	return nil
}

func (w writesOnly) MarshalJSON() ([]byte, error)    { return json.Marshal(w.Name) }
func (r *readsOnly) UnmarshalJSON(wire []byte) error { return json.Unmarshal(wire, &r.Name) }

func (w writesJSONReadsText) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"name": w.Name})
}

func (w *writesJSONReadsText) UnmarshalText(text []byte) error {
	w.Name = string(text)
	return nil
}

func (r readsJSONWritesText) MarshalText() ([]byte, error) { return []byte(r.Name), nil }

func (r *readsJSONWritesText) UnmarshalJSON(wire []byte) error {
	var fields map[string]string
	err := json.Unmarshal(wire, &fields)
	r.Name = fields["name"]
	return err
}

func (w writesTextOnly) MarshalText() ([]byte, error) { return []byte("no number"), nil }

func (w writesTextOnlyStruct) MarshalText() ([]byte, error) { return []byte(w.Name), nil }

func (h hexText) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString([]byte(h))), nil }

func (h *hexText) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	*h = hexText(raw)
	return err
}

// Every type of which something would be lost is refused, with an error that says what.
func TestLossyTypes(t *testing.T) {
	for _, test := range []struct {
		goType reflect.Type
		says   string
	}{
		{reflect.TypeFor[embedsHiddenPointer](), "embeds *codec_test.hiddenStruct"},
		{reflect.TypeOf(&embedsHiddenText{hiddenText: "a"}), "field hiddenText"},
		{reflect.TypeFor[*ambiguous](), "Left.Name"},
		{reflect.TypeFor[*shadowing](), "Left.Name"},
		{reflect.TypeFor[shadowingByTag](), "Left.Left"},
		{reflect.PointerTo(oneName), "First"},
		{reflect.TypeFor[nameOfAnother](), "Second"},
		{badTag, "First"},
		{reflect.SliceOf(reflect.MapOf(reflect.TypeFor[string](), oneName)), "[0][…].First"},
		{reflect.PointerTo(deepDown), "Items[0][…].First"},
		{reflect.TypeFor[map[string]*ambiguous](), "[…].Left.Name"},
		{reflect.TypeFor[SelfEmbedding](), "SelfEmbedding does not come back"},
		{reflect.TypeFor[*omitsAlwaysZero](), "Field"},
		{oneAmong3, "Time"},

		{reflect.TypeFor[map[[2]int]string](), "[2]int is no key"},
		{reflect.TypeFor[map[struct{ A int }]string](), "is no key"},
		{reflect.TypeFor[*struct{ M map[any]string }](), "interface {} is no key"},
		{reflect.TypeFor[map[fmt.Stringer]string](), "fmt.Stringer is no key"},
		{reflect.TypeFor[map[bool]string](), "bool is no key"},
		{reflect.TypeFor[map[float64]string](), "float64 is no key"},
		{reflect.TypeFor[map[*netip.Addr]string](), "*netip.Addr is no key"},
		{reflect.TypeFor[map[writesTextOnlyStruct]string](), "writesTextOnlyStruct is no key"},
		{reflect.TypeFor[map[writesTextOnly]string](), "no number"},
		{reflect.TypeFor[map[string][]map[hexText]int](), "hex"},

		{reflect.TypeFor[pointerJSON](), "unmarshalled"},
		{reflect.TypeFor[holdsPointerJSON](), "unmarshalled"},
		{reflect.TypeFor[map[string]pointerJSON](), "unmarshalled"},
		{reflect.TypeFor[arrayOfPointerJSON](), "unmarshalled"},
		{reflect.TypeFor[*writesOnly](), "unmarshalled"},
		{reflect.TypeFor[[]readsOnly](), "unmarshalled"},
		{reflect.TypeFor[writesJSONReadsText](), "does not read what it writes"},
		{reflect.TypeFor[*readsJSONWritesText](), "does not read what it writes"},

		{reflect.TypeFor[embedsTime](), "field Zone"},
		{reflect.TypeFor[[]embedsTimePointer](), "does not read what it writes"},
		{reflect.TypeOf(&embedsTimeAndHidden{zone: "a"}), "field zone"},
		{reflect.TypeFor[EmbedsTimeTwice](), "field Zone"},
		{reflect.TypeFor[*embedsByName](), "field hiddenTime"},
		{reflect.TypeFor[*embedsTwo](), "is not exported"},
		{reflect.TypeFor[map[string]embedsQuantity](), "field Names"},

		{reflect.TypeFor[*stale](), "Extra"},
	} {
		_, err := codec.NewOf(test.goType, codec.Options[any]{})
		if !errors.Is(err, codec.ErrType) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v, want ErrType that says %q", test.goType, err, test.says)
		}
	}
}

type (
	pair[A, B any] struct {
		First  A `json:"first"`
		Second B `json:"second,omitempty"`
	}
	tree    map[string]tree
	list    []list
	Chicken struct {
		Eggs  []Egg
		First *Egg
	}
	Egg struct {
		Hatched map[string]*Chicken
		Layer   *Chicken
		Shape   [2]Shape
	}
	Shape struct{ Size float32 }

	// strict has no wire form unless it is one of two texts.
	strict string
	// date has an embedded type that marshals itself, and methods of its own that know of both fields.
	date struct {
		time.Time

		Valid bool
	}
	dateHidden struct {
		time.Time

		valid bool
	}
	renamesTime struct{ metav1.Time }
	namesTime   struct {
		time.Time `json:"at"`
	}
	caseMatters struct {
		A string `json:"name"`
		B string `json:"Name"`
	}
	quoted struct {
		Number  int64 `json:",string"`
		Float   float32
		Yes     bool    `json:"yes,string,omitempty"`
		Text    string  `json:"a b/c,omitzero"`
		Pointer *uint16 `json:",string"`
	}
)

func (s strict) MarshalText() ([]byte, error) {
	if s != "red" && s != "green" {
		return nil, fmt.Errorf("%q is no color", string(s))
	}
	return []byte(s), nil
}

func (s *strict) UnmarshalText(text []byte) error {
	if string(text) != "red" && string(text) != "green" {
		return fmt.Errorf("%q is no color", text)
	}
	*s = strict(text)
	return nil
}

func (d date) MarshalJSON() ([]byte, error) {
	if !d.Valid {
		return []byte("null"), nil
	}
	return d.Time.MarshalJSON()
}

func (d *date) UnmarshalJSON(wire []byte) error {
	if d.Valid = !bytes.Equal(wire, []byte("null")); !d.Valid {
		return nil
	}
	return d.Time.UnmarshalJSON(wire)
}

func (d dateHidden) MarshalJSON() ([]byte, error) { return date{d.Time, d.valid}.MarshalJSON() }

func (d *dateHidden) UnmarshalJSON(wire []byte) error {
	var read date
	err := read.UnmarshalJSON(wire)
	d.Time, d.valid = read.Time, read.Valid
	return err
}

// A type that has itself in it, by whatever way, does not keep New busy.
func TestEntangledTypes(t *testing.T) {
	start := time.Now()
	if _, err := codec.New(codec.Options[*knot0]{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Every knot has every other one, so the ways from one to another are as many as there are orders of them.
type (
	knots struct {
		K0 *knot0
		K1 []knot1
		K2 map[string]knot2
		K3 map[int]*knot3
		K4 [][2]*knot4
		K5 *knot5
		K6 []map[string]knot6
		K7 [2][]knot7
	}
	knot0 struct{ knots }
	knot1 struct{ Knots knots }
	knot2 struct{ A, B *knots }
	knot3 struct{ knots }
	knot4 struct{ Knots []knots }
	knot5 struct{ Knots map[string]knots }
	knot6 struct{ knots }
	knot7 struct{ knots }
)

// What comes back is taken, also if it takes some knowledge of JSON to see that it does.
func TestKeptTypes(t *testing.T) {
	for _, goType := range []reflect.Type{
		reflect.TypeFor[int](), reflect.TypeFor[*int8](), reflect.TypeFor[uint64](), reflect.TypeFor[float32](), reflect.TypeFor[**bool](),
		reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[[3]byte](), reflect.TypeFor[*[][2][]string](),
		reflect.TypeFor[struct{}](), reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any](), reflect.TypeFor[*struct{ A, B any }](),
		reflect.TypeFor[map[int]string](), reflect.TypeFor[map[uint8][]byte](), reflect.TypeFor[map[types.UID]map[int64]*string](),
		reflect.TypeFor[map[netip.Addr]netip.Prefix](), reflect.TypeFor[json.Number](), reflect.TypeFor[struct{ N json.Number }](),
		reflect.TypeFor[time.Time](), reflect.TypeFor[*time.Time](), reflect.TypeFor[map[string]time.Duration](),
		reflect.TypeFor[json.RawMessage](), reflect.TypeFor[*struct{ Raw, More json.RawMessage }](), reflect.TypeFor[[3]json.RawMessage](),
		reflect.TypeFor[*big.Int](), reflect.TypeFor[[]big.Int](), reflect.TypeFor[*struct{ A, B big.Int }](), reflect.TypeFor[map[string]*big.Float](),

		reflect.TypeFor[metav1.Time](), reflect.TypeFor[*metav1.MicroTime](), reflect.TypeFor[[]metav1.Duration](), reflect.TypeFor[metav1.FieldsV1](),
		reflect.TypeFor[*metav1.LabelSelector](), reflect.TypeFor[metav1.ObjectMeta](), reflect.TypeFor[metav1.PartialObjectMetadata](),
		reflect.TypeFor[resource.Quantity](), reflect.TypeFor[corev1.ResourceList](), reflect.TypeFor[*intstr.IntOrString](), reflect.TypeFor[intstr.IntOrString](),
		reflect.TypeFor[runtime.RawExtension](), reflect.TypeFor[*runtime.Unknown](), reflect.TypeFor[types.NamespacedName](),
		reflect.TypeFor[corev1.Pod](), reflect.TypeFor[*corev1.Pod](), reflect.TypeFor[*corev1.PodList](), reflect.TypeFor[map[string]corev1.Secret](),
		reflect.TypeFor[*unstructured.Unstructured](), reflect.TypeFor[[]unstructured.Unstructured](), reflect.TypeFor[*unstructured.UnstructuredList](),
		reflect.TypeFor[*widget](), reflect.TypeFor[widget](), reflect.TypeFor[*embedder](),

		reflect.TypeFor[*embedsHiddenStruct](), reflect.TypeFor[struct{ *Left }](), reflect.TypeFor[caseMatters](), reflect.TypeFor[*quoted](),
		reflect.TypeFor[*pointerJSON](), reflect.TypeFor[*holdsPointerJSON](), reflect.TypeFor[[]arrayOfPointerJSON](), reflect.TypeFor[map[string]*pointerJSON](),
		reflect.TypeFor[hexText](), reflect.TypeFor[strict](), reflect.TypeFor[*struct{ Colors map[string]strict }](),
		reflect.TypeFor[date](), reflect.TypeFor[[]dateHidden](), reflect.TypeFor[renamesTime](), reflect.TypeFor[*renamesTime](), reflect.TypeFor[struct{ A namesTime }](),
		reflect.TypeFor[pair[string, *pair[int, metav1.Time]]](), reflect.TypeFor[[]pair[resource.Quantity, map[string][]pair[any, bool]]](),
		reflect.TypeFor[tree](), reflect.TypeFor[list](), reflect.TypeFor[map[string]Chicken](), reflect.TypeFor[*Egg](),
	} {
		if _, err := codec.NewOf(goType, codec.Options[any]{}); err != nil {
			t.Error(err)
		}
	}
}

// No built-in type is refused when it is a part of something that is packed as JSON, nor is any list.
func TestBuiltInParts(t *testing.T) {
	for gvk, goType := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal {
			continue
		}
		whole := reflect.StructOf([]reflect.StructField{
			{Name: "Value", Type: goType}, {Name: "Pointer", Type: reflect.PointerTo(goType)}, {Name: "Map", Type: reflect.MapOf(reflect.TypeFor[string](), goType)},
		})
		for _, goType := range []reflect.Type{whole, reflect.PointerTo(whole), reflect.PointerTo(goType)} {
			if _, err := codec.NewOf(goType, codec.Options[any]{}); err != nil {
				t.Errorf("%v: %v", gvk, err)
			}
		}
	}
}

// Parts of types that are put together at random. Tags are few, so that names often collide.
var (
	randomParts = []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[int64](), reflect.TypeFor[[]byte](), reflect.TypeFor[*Shape](), reflect.TypeFor[[]Shape](),
		reflect.TypeFor[map[string]int](), reflect.TypeFor[map[uint16]*Left](), reflect.TypeFor[[2]Right](), reflect.TypeFor[pointerJSON](),
		reflect.TypeFor[*pointerJSON](), reflect.TypeFor[map[string]pointerJSON](), reflect.TypeFor[[]pointerJSON](), reflect.TypeFor[*writesOnly](),
		reflect.TypeFor[map[writesTextOnly]string](), oneName,
	}
	randomEmbedded = []reflect.Type{
		reflect.TypeFor[Left](), reflect.TypeFor[Right](), reflect.TypeFor[Shape](), reflect.TypeFor[*Right](), reflect.TypeFor[*Shape](),
	}
	randomTags = []reflect.StructTag{``, ``, ``, `json:"Name"`, `json:"Left"`, `json:"F1"`, `json:"F2"`, `json:"a\\b"`}
)

func randomType(r *rand.Rand) reflect.Type {
	var fields []reflect.StructField
	embedded := map[string]bool{}
	for i := range 1 + r.Intn(4) {
		field := reflect.StructField{Name: "F" + strconv.Itoa(i), Type: randomParts[r.Intn(len(randomParts))], Tag: randomTags[r.Intn(len(randomTags))]}
		if r.Intn(3) == 0 {
			field.Type, field.Anonymous = randomEmbedded[r.Intn(len(randomEmbedded))], true
			field.Name = strings.TrimPrefix(field.Type.String(), "*")
			field.Name = field.Name[strings.LastIndexByte(field.Name, '.')+1:]
			if embedded[field.Name] {
				continue
			}
			embedded[field.Name] = true
		}
		fields = append(fields, field)
	}
	goType := reflect.StructOf(fields)
	if r.Intn(2) == 0 {
		goType = reflect.PointerTo(goType)
	}
	return goType
}

// A type is taken if, and only if, all values of it come back.
func TestRandomTypes(t *testing.T) {
	seed := newSeed(t)
	r := rand.New(rand32(seed))
	taken := 0
	for range 2000 {
		goType := randomType(r)
		c, err := codec.NewOf(goType, codec.Options[any]{})
		if err == nil {
			taken++
		}
		kept := true
		for range 10 {
			value, ok := quick.Value(goType, r)
			if !ok {
				t.Fatalf("no value of %v", goType)
			}
			if goType.Kind() == reflect.Pointer && value.IsNil() {
				continue
			}
			if kept = kept && comesBack(value, c); err == nil && !kept {
				t.Fatalf("%v is taken, and %+v does not come back", goType, value)
			}
		}
		if err != nil && kept {
			t.Fatalf("%v comes back, and is refused: %v", goType, err)
		}
	}
	if taken < 100 || taken > 1900 {
		t.Errorf("%d of 2000 types are taken", taken)
	}
}

// comesBack sends a value through its codec, or without one through plain JSON.
func comesBack(value reflect.Value, c *codec.Codec[any]) bool {
	back := reflect.New(value.Type())
	if c == nil {
		wire, err := json.Marshal(value.Interface())
		return err == nil && json.Unmarshal(wire, back.Interface()) == nil && equality.Semantic.DeepEqual(value.Interface(), back.Elem().Interface())
	}
	packed, err := c.Encode(value.Interface())
	if err != nil {
		return false
	}
	got, err := c.Decode(packed)
	return err == nil && equality.Semantic.DeepEqual(value.Interface(), got)
}
