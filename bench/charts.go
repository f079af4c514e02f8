package main

import (
	"math"
	"strings"
)

// ratioChart draws the ratios to client-go: a dot for the median, a line from the least to the greatest, and a
// mark for the target.
func ratioChart(results []Result) string {
	type row struct {
		title string
		Comparison
	}
	var rows []row
	for _, r := range results {
		for _, c := range r.Comparisons() {
			if againstClientgo(r, c) {
				rows = append(rows, row{r.Scenario.Title, c})
			}
		}
	}
	const (
		width, rowHeight    = 900.0, 26.0
		left, right, top    = 400.0, 90.0, 64.0
		least, greatest     = 1.0 / 64, 4.0
		title               = "larder : client-go, less is better"
		below, octaves      = 40.0, 8
		plot                = width - left - right
		pixelsForEachOctave = plot / octaves
	)
	x := func(ratio float64) float64 {
		ratio = min(max(ratio, least), greatest)
		return left + math.Log2(ratio/least)*pixelsForEachOctave
	}
	bottom := top + float64(len(rows))*rowHeight
	d := newDrawing(width, bottom+below, title)
	d.text(20, 28, "title", "start", title)
	d.text(20, 46, "faint", "start", "dot: median of the rounds; line: least to greatest; green: target")
	for ratio := least; ratio <= greatest; ratio *= 2 {
		class, label := "grid", significant(ratio)
		if ratio < 1 {
			label = "1/" + grouped(int(1/ratio))
		}
		if ratio == 1 {
			class, label = "axis", "client-go"
		}
		d.line(class, x(ratio), top-6, x(ratio), bottom)
		d.text(x(ratio), bottom+18, "faint", "middle", label)
	}
	for i, r := range rows {
		y := top + (float64(i)+0.5)*rowHeight
		d.text(left-14, y+4, "", "end", r.title)
		d.line("ours", x(r.Ratio.Min), y, x(r.Ratio.Max), y)
		d.dot("ours", x(r.Ratio.Median), y)
		if r.Target != 0 {
			d.line("target", x(r.Target), y-9, x(r.Target), y+9)
		}
		d.text(width-20, y+4, "", "end", significant(r.Ratio.Median))
	}
	return d.done()
}

// againstClientgo tells whether a comparison is one of larder with something of client-go.
func againstClientgo(r Result, c Comparison) bool {
	return r.Scenario.Baseline == "" && strings.HasPrefix(r.Scenario.Contenders[c.Theirs].Name, "client-go ")
}

// growthChart draws how figures grow, a panel for each, both axes logarithmic.
func growthChart(all []Grown) string {
	const (
		columns               = 2
		panelWidth, panelHigh = 440.0, 280.0
		title                 = "How cost grows"
		left, right           = 70.0, 30.0
		top, bottom           = 44.0, 52.0
	)
	lines := (len(all) + columns - 1) / columns
	d := newDrawing(columns*panelWidth, 20+float64(lines)*panelHigh, title)
	for i, g := range all {
		x0 := float64(i%columns)*panelWidth + left
		y0 := 10 + float64(i/columns)*panelHigh + top
		panel{
			d: d, Grown: g,
			left: x0, right: x0 + panelWidth - left - right,
			top: y0, bottom: y0 + panelHigh - top - bottom,
		}.draw()
	}
	return d.done()
}

// panel is a place in a drawing for a Grown.
type panel struct {
	d *drawing
	Grown
	left, right, top, bottom float64
}

func (p panel) draw() {
	least, greatest := math.Inf(1), 0.0
	for _, c := range p.Curves {
		for _, point := range c.Points {
			least, greatest = min(least, point.Figure.Median), max(greatest, point.Figure.Median)
		}
	}
	// Whole decades, and two at least, so that noise does not look like growth.
	low, high := math.Floor(math.Log10(least)), math.Ceil(math.Log10(greatest))
	high = max(high, low+2)
	points := p.Curves[0].Points
	first, last := decade(points[0].Size), decade(points[len(points)-1].Size)
	x := func(size int) float64 {
		return p.left + (decade(size)-first)/max(1, last-first)*(p.right-p.left)
	}
	y := func(ns float64) float64 {
		return p.bottom - (math.Log10(ns)-low)/(high-low)*(p.bottom-p.top)
	}

	p.d.text(p.left, p.top-24, "title", "start", p.Title)
	for power := low; power <= high; power++ {
		ns := math.Pow(10, power)
		p.d.line("grid", p.left, y(ns), p.right, y(ns))
		p.d.text(p.left-8, y(ns)+4, "faint", "end", figure(ns, Nanoseconds))
	}
	for _, point := range points {
		p.d.line("grid", x(point.Size), p.top, x(point.Size), p.bottom)
		p.d.text(x(point.Size), p.bottom+16, "faint", "middle", grouped(point.Size))
	}
	p.d.text((p.left+p.right)/2, p.bottom+34, "faint", "middle", p.XTitle)
	for i, c := range p.Curves {
		class := [...]string{"ours", "theirs"}[i]
		at := make([][2]float64, len(c.Points))
		for n, point := range c.Points {
			at[n] = [2]float64{x(point.Size), y(point.Figure.Median)}
			p.d.dot(class, at[n][0], at[n][1])
		}
		p.d.curve(class, at)
		legend := p.left + float64(i)*80
		p.d.dot(class, legend+4, p.top-10)
		p.d.text(legend+14, p.top-6, "faint", "start", c.Name)
	}
}

// decade returns the place of a size on a logarithmic axis. None has its place a decade before one.
func decade(size int) float64 {
	if size == 0 {
		return -1
	}
	return math.Log10(float64(size))
}
