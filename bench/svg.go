package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// drawing is a picture in the making. Its colours follow the reader's choice of light or dark.
type drawing struct {
	strings.Builder
	width, height float64
}

const style = `<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
text.title { font-weight: 600; font-size: 14px }
text.faint { fill: #59636e; font-size: 11px }
.ground { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.axis { stroke: #59636e; stroke-width: 1.5 }
.ours { stroke: #0969da; fill: #0969da }
.theirs { stroke: #bc4c00; fill: #bc4c00 }
.target { stroke: #1a7f37; stroke-width: 2 }
.curve { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
	text { fill: #f0f6fc }
	text.faint { fill: #9198a1 }
	.ground { fill: #0d1117 }
	.grid { stroke: #3d444d }
	.axis { stroke: #9198a1 }
	.ours { stroke: #4493f8; fill: #4493f8 }
	.theirs { stroke: #f0883e; fill: #f0883e }
	.target { stroke: #3fb950 }
}
</style>
`

// The sizes of letters, and the distance of lines, in pixels. They have to be those of the style.
const (
	plainSize, titleSize, faintSize = 13.0, 14.0, 11.0

	lineHeight = 16.0
	margin     = 20.0
)

// letterWidth is how wide a letter is, of its size, at most on average: which font a reader has is not known.
const letterWidth = 0.6

// textWidth returns how wide a line of letters is, or a little less.
func textWidth(size float64, lines ...string) (widest float64) {
	for _, s := range lines {
		widest = max(widest, letterWidth*size*float64(utf8.RuneCountInString(s)))
	}
	return widest
}

// wrapped breaks a text between words into lines that are not wider than so much, but for words that are.
func wrapped(size, width float64, s string) (lines []string) {
	for word := range strings.FieldsSeq(s) {
		if last := len(lines) - 1; last >= 0 && textWidth(size, lines[last]+" "+word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// newDrawing begins a drawing. Its title is for those who cannot see it.
func newDrawing(width, height float64, title string) *drawing {
	width, height = math.Ceil(width), math.Ceil(height)
	d := &drawing{width: width, height: height}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%[1]g" height="%[2]g" role="img">`+"\n", width, height)
	fmt.Fprintf(d, "<title>%s</title>\n%s", escaped(title), style)
	fmt.Fprintf(d, `<rect class="ground" width="%g" height="%g" rx="6"/>`+"\n", width, height)
	return d
}

// done returns the whole drawing.
func (d *drawing) done() string { return d.String() + "</svg>\n" }

// text writes s with its anchor, "start", "middle" or "end", at a point.
func (d *drawing) text(x, y float64, class, anchor, s string) {
	fmt.Fprintf(d, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, escaped(s))
}

// lines writes several lines, the first at a point.
func (d *drawing) lines(x, y float64, class, anchor string, lines []string) {
	for i, s := range lines {
		d.text(x, y+float64(i)*lineHeight, class, anchor, s)
	}
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, x1, y1, x2, y2)
}

func (d *drawing) dot(class string, x, y float64) {
	fmt.Fprintf(d, `<circle class="%s" cx="%.1f" cy="%.1f" r="4"/>`+"\n", class, x, y)
}

func (d *drawing) bar(class string, x, y, width, height float64) {
	fmt.Fprintf(d, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`+"\n", class, x, y, max(width, 1), height)
}

// curve joins points, each an x and a y.
func (d *drawing) curve(class string, points [][2]float64) {
	var b strings.Builder
	for _, p := range points {
		fmt.Fprintf(&b, "%.1f,%.1f ", p[0], p[1])
	}
	fmt.Fprintf(d, `<polyline class="curve %s" style="fill: none" points="%s"/>`+"\n", class, strings.TrimSpace(b.String()))
}

func escaped(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return b.String()
}
