package codec_test

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/larder-dev/larder/pkg/codec"
	"github.com/larder-dev/larder/pkg/gomap"
)

// A codec packs values and brings them back. The first of its kind is what the others are packed with.
func Example() {
	c, err := codec.New(codec.Options[*corev1.ConfigMap]{})
	if err != nil {
		panic(err)
	}
	for i := range 3 {
		packed, err := c.Encode(&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "report-", Name: fmt.Sprintf("report-%d", i)},
			Data:       map[string]string{"text": strings.Repeat("all is well, ", 100)},
		})
		if err != nil {
			panic(err)
		}
		back, err := c.Decode(packed)
		if err != nil {
			panic(err)
		}
		fmt.Println(back.Name, packed.Len() > 1300, packed.Size() < 200)
	}
	// Output:
	// report-0 true false
	// report-1 true true
	// report-2 true true
}

// A store with a codec holds its values packed, and those that are read often
// decoded beside that, within a budget.
func Example_store() {
	c, err := codec.New(codec.Options[*corev1.Secret]{})
	if err != nil {
		panic(err)
	}
	s, err := gomap.NewPackedStore(gomap.PackedOptions[*corev1.Secret]{Codec: c, Budget: 8 << 20})
	if err != nil {
		panic(err)
	}
	defer s.Close()

	if _, err := s.Set("secrets", "default/door", &corev1.Secret{StringData: map[string]string{"code": "4711"}}); err != nil {
		panic(err)
	}
	secret, ok, err := s.Get("secrets", "default/door")
	if err != nil {
		panic(err)
	}
	stats, err := s.Stats("secrets")
	if err != nil {
		panic(err)
	}
	fmt.Println(secret.StringData["code"], ok)
	fmt.Println(stats.Objects, "object,", stats.Decoded, "of them decoded")
	// Output:
	// 4711 true
	// 1 object, 1 of them decoded
}
