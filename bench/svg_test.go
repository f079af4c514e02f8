package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// Lines are broken between words, none of which is lost, and are not wider than asked for, but for a long word.
func TestWrapped(t *testing.T) {
	for _, test := range []struct {
		width float64 // in letters
		want  []string
	}{
		{100, []string{"Heap of an incomprehensible µs"}},
		{7, []string{"Heap of", "an", "incomprehensible", "µs"}},
		{10, []string{"Heap of an", "incomprehensible", "µs"}},
		{0, []string{"Heap", "of", "an", "incomprehensible", "µs"}},
	} {
		// Half a letter more, for what is lost to rounding.
		if got := wrapped(10, (test.width+0.5)*10*letterWidth, "Heap of  an incomprehensible µs"); !slices.Equal(got, test.want) {
			t.Errorf("in %v letters: %q, want %q", test.width, got, test.want)
		}
	}
}

// No text leaves the view box of its chart, however long it is.
func TestTextStaysInside(t *testing.T) {
	long := strings.Repeat("long ", 60)
	word := strings.Repeat("word", 60)
	for i, title := range []string{"Get", long, word, long + word} {
		results := []Result{{
			Scenario: Scenario{Title: title, Contenders: []Contender{{Name: "larder"}, {Name: "client-go Indexer"}}},
			Samples:  [][]Sample{{{Value: 1}}, {{Value: 1e-9}}},
		}, {
			Scenario: Scenario{Title: title + "!", Contenders: []Contender{{Name: "larder"}, {Name: "client-go Indexer"}}},
			Samples:  [][]Sample{{{Value: 1}}, {{Value: 1e9}}},
		}}
		points := []Point{{Size: 0, Figure: Spread{Median: 1}}, {Size: 1_000_000_000, Figure: Spread{Median: 1e15}}}
		grown := Grown{Growth: Growth{Title: title, XTitle: title}, Curves: []Curve{{title, points}, {title, points}}}
		p := packing{runs: map[string][]Footprint{title: {{LiveHeap: 1}}, "larder, " + title: {{LiveHeap: 1e15}}}}
		neighbours := noisyNeighbour
		neighbours.burst *= i + 1
		for name, chart := range map[string]string{
			"ratios": ratioChart(results),
			"growth": growthChart([]Grown{grown, grown, grown}),
			"packing": p.chart(
				[]measure{{title: title, of: func(f Footprint) float64 { return f.LiveHeap }, show: bytesShown}},
				[]liveCache{{name: title}, {name: "larder, " + title}},
			),
			"neighbour": string(neighbours.draw()),
		} {
			if n := checkText(t, name, chart); n < 6 {
				t.Errorf("%s: only %d texts were looked at", name, n)
			}
		}
	}
}

// checkText checks every text of a chart, whose width it estimates, and returns how many there were.
func checkText(t *testing.T, name, chart string) (texts int) {
	t.Helper()
	sizes := map[string]float64{"": 13, "title": 14, "faint": 11}
	for class, size := range sizes {
		if rule := fmt.Sprintf("%gpx", size); name != "neighbour" && !strings.Contains(chart, rule) {
			t.Errorf("%s: the style has no letters of %s, as those of class %q are", name, rule, class)
		}
	}
	var width, height, x, y, from, to float64
	var inText bool
	for decoder := xml.NewDecoder(strings.NewReader(chart)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			attributes := map[string]string{}
			for _, a := range e.Attr {
				attributes[a.Name.Local] = a.Value
			}
			if e.Name.Local == "svg" {
				if _, err := fmt.Sscanf(attributes["viewBox"], "0 0 %g %g", &width, &height); err != nil {
					t.Fatalf("%s: view box %q: %v", name, attributes["viewBox"], err)
				}
			}
			if inText = e.Name.Local == "text"; inText {
				texts++
				x, y = number(t, attributes["x"]), number(t, attributes["y"])
				size, known := sizes[attributes["class"]]
				share, anchored := map[string]float64{"start": 0, "middle": 0.5, "end": 1}[attributes["text-anchor"]]
				if !known || !anchored {
					t.Errorf("%s: text with class %q and anchor %q", name, attributes["class"], attributes["text-anchor"])
				}
				from, to = share*size, (1-share)*size
			}
		case xml.EndElement:
			inText = false
		case xml.CharData:
			letters := 0.6 * float64(utf8.RuneCount(e))
			// A tenth of a pixel is lost to rounding.
			if left, right := x-from*letters, x+to*letters; inText && (left < -0.1 || right > width+0.1 || y < 11 || y > height-3) {
				t.Errorf("%s: %q is at %.1f – %.1f, %.1f of %g × %g", name, e, left, right, y, width, height)
			}
		}
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Error(err)
	}
	return v
}
