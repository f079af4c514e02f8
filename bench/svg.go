package main

import (
	"encoding/xml"
	"fmt"
	"strings"
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

// newDrawing begins a drawing. Its title is for those who cannot see it.
func newDrawing(width, height float64, title string) *drawing {
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
