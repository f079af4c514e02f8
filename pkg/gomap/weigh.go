package gomap

import "reflect"

// scale estimates what decoded values take in memory. It weighs some of them, and
// goes by the proportion to the length of the wire form for the others.
type scale struct {
	seen  int
	ratio float64
}

const (
	weighFirst = 16 // are all weighed, later ones
	weighOne   = 32 // one of so many
	weighOver  = 16 // how many count in the mean, roughly
)

// size returns the bytes that value takes, whose wire form has a length.
func (s *scale) size(length int, value any) int64 {
	length = max(length, 1)
	if s.seen < weighFirst || s.seen%weighOne == 0 {
		ratio := float64(weigh(reflect.ValueOf(value), 0)) / float64(length)
		s.ratio += (ratio - s.ratio) / float64(min(s.seen+1, weighOver))
	}
	s.seen++
	return int64(s.ratio * float64(length))
}

// maxDepth ends the weighing of what has no end. No decoded tree is as deep.
const maxDepth = 64

// weigh returns the bytes of memory that are reachable from a value, and its own
// if it is not a pointer. What is shared within it counts each time, and of what is
// behind fields that are not exported only texts.
func weigh(v reflect.Value, depth int) int {
	if !v.IsValid() {
		return 0
	}
	return int(v.Type().Size()) + reachable(v, depth)
}

// reachable returns the bytes behind a value, without its own.
func reachable(v reflect.Value, depth int) (bytes int) {
	if depth > maxDepth {
		return 0
	}
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 0
		}
		return weigh(v.Elem(), depth+1)
	case reflect.Struct:
		for field, value := range v.Fields() {
			// What is behind a field that is not exported may be everybody's, such as the
			// location of a time, and not even for reading.
			if field.IsExported() || value.Kind() == reflect.String {
				bytes += reachable(value, depth+1)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			bytes += reachable(v.Index(i), depth+1)
		}
	case reflect.Slice:
		bytes = v.Cap() * int(v.Type().Elem().Size())
		if flat(v.Type().Elem().Kind()) {
			return bytes
		}
		for i := range v.Len() {
			bytes += reachable(v.Index(i), depth+1)
		}
	case reflect.Map:
		const slack = 1.5 // of a table that is partly empty
		each := v.Type().Key().Size() + v.Type().Elem().Size()
		bytes = int(slack * float64(v.Len()) * float64(each))
		for entry := v.MapRange(); entry.Next(); {
			bytes += reachable(entry.Key(), depth+1) + reachable(entry.Value(), depth+1)
		}
	default:
	}
	return bytes
}

// flat tells whether there is nothing behind values of a kind.
func flat(k reflect.Kind) bool { return k >= reflect.Bool && k <= reflect.Complex128 }
