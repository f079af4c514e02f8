package main

import (
	"math"
	"strings"
)

// ratioChart draws the ratios to client-go: a dot for the median, a line from the least to the greatest, and a
// mark for the target.
func ratioChart(results []Result) string {
	const (
		titleWidth, plot    = 420.0, 410.0
		top, between        = 64.0, 10.0
		least, greatest     = 1.0 / 64, 4.0
		title               = "larder : client-go, less is better"
		legend              = "dot: median of the rounds; line: least to greatest; green: target"
		below, octaves      = 40.0, 8
		pixelsForEachOctave = plot / octaves
	)
	type row struct {
		title []string
		ratio string
		Comparison
	}
	var rows []row
	titles, ratios, bottom := 0.0, 0.0, top
	for _, r := range results {
		for _, c := range r.Comparisons() {
			if !againstClientgo(r, c) {
				continue
			}
			next := row{wrapped(plainSize, titleWidth, r.Scenario.Title), significant(c.Ratio.Median), c}
			titles = max(titles, textWidth(plainSize, next.title...))
			ratios = max(ratios, textWidth(plainSize, next.ratio))
			bottom += float64(len(next.title))*lineHeight + between
			rows = append(rows, next)
		}
	}
	left := margin + titles + 14
	x := func(ratio float64) float64 {
		ratio = min(max(ratio, least), greatest)
		return left + math.Log2(ratio/least)*pixelsForEachOctave
	}
	head := margin + max(textWidth(titleSize, title), textWidth(faintSize, legend))
	d := newDrawing(max(left+plot+margin+ratios, head)+margin, bottom+below, title)
	d.text(margin, 28, "title", "start", title)
	d.text(margin, 46, "faint", "start", legend)
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
	above := top
	for _, r := range rows {
		height := float64(len(r.title))*lineHeight + between
		y := above + height/2
		d.lines(left-14, above+between/2+12, "", "end", r.title)
		above += height
		d.line("ours", x(r.Ratio.Min), y, x(r.Ratio.Max), y)
		d.dot("ours", x(r.Ratio.Median), y)
		if r.Target != 0 {
			d.line("target", x(r.Target), y-9, x(r.Target), y+9)
		}
		d.text(d.width-margin, y+4, "", "end", r.ratio)
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
		columns = 2
		title   = "How cost grows"
		high    = 184.0
		bottom  = 52.0 // for what is below
	)
	// All panels are as large as the largest has to be.
	panels := make([]panel, len(all))
	wide, left, right, lines := 340.0, 70.0, 30.0, 1
	for i, g := range all {
		p := newPanel(g)
		panels[i] = p
		points := p.Curves[0].Points
		for power := p.low; power <= p.high; power++ {
			left = max(left, margin+textWidth(faintSize, powerOfTen(power))+8)
		}
		right = max(right, margin/2+textWidth(faintSize, grouped(points[len(points)-1].Size))/2)
		legend := 0.0
		for _, c := range p.Curves {
			legend += legendWidth(c.Name)
		}
		wide = max(wide, legend, textWidth(faintSize, p.XTitle))
		for word := range strings.FieldsSeq(p.Title) {
			wide = max(wide, textWidth(titleSize, word))
		}
	}
	for i := range panels {
		panels[i].title = wrapped(titleSize, wide, panels[i].Title)
		lines = max(lines, len(panels[i].title))
	}
	top := 28 + float64(lines)*lineHeight
	height := top + high + bottom
	d := newDrawing(columns*(left+wide+right), margin+float64((len(all)+columns-1)/columns)*height, title)
	for i, p := range panels {
		p.d = d
		p.left = float64(i%columns)*(left+wide+right) + left
		p.right = p.left + wide
		p.top = margin/2 + float64(i/columns)*height + top
		p.bottom = p.top + high
		p.draw()
	}
	return d.done()
}

// panel is a place in a drawing for a Grown.
type panel struct {
	d *drawing
	Grown
	title                    []string // in lines
	low, high                float64  // powers of ten at the ends of the axis
	left, right, top, bottom float64
}

// newPanel returns a panel that has no place yet.
func newPanel(g Grown) panel {
	least, greatest := math.Inf(1), 0.0
	for _, c := range g.Curves {
		for _, point := range c.Points {
			least, greatest = min(least, point.Figure.Median), max(greatest, point.Figure.Median)
		}
	}
	// Whole decades, and two at least, so that noise does not look like growth.
	low, high := math.Floor(math.Log10(least)), math.Ceil(math.Log10(greatest))
	return panel{Grown: g, low: low, high: max(high, low+2)}
}

// powerOfTen is what the axis says.
func powerOfTen(power float64) string { return figure(math.Pow(10, power), Nanoseconds) }

// legendWidth is how much room the name of a curve takes.
func legendWidth(name string) float64 { return 14 + textWidth(faintSize, name) + 16 }

func (p panel) draw() {
	points := p.Curves[0].Points
	first, last := decade(points[0].Size), decade(points[len(points)-1].Size)
	x := func(size int) float64 {
		return p.left + (decade(size)-first)/max(1, last-first)*(p.right-p.left)
	}
	y := func(ns float64) float64 {
		return p.bottom - (math.Log10(ns)-p.low)/(p.high-p.low)*(p.bottom-p.top)
	}

	p.d.lines(p.left, p.top-24-float64(len(p.title)-1)*lineHeight, "title", "start", p.title)
	for power := p.low; power <= p.high; power++ {
		ns := math.Pow(10, power)
		p.d.line("grid", p.left, y(ns), p.right, y(ns))
		p.d.text(p.left-8, y(ns)+4, "faint", "end", powerOfTen(power))
	}
	for _, point := range points {
		p.d.line("grid", x(point.Size), p.top, x(point.Size), p.bottom)
		p.d.text(x(point.Size), p.bottom+16, "faint", "middle", grouped(point.Size))
	}
	p.d.text((p.left+p.right)/2, p.bottom+34, "faint", "middle", p.XTitle)
	legend := p.left
	for i, c := range p.Curves {
		class := [...]string{"ours", "theirs"}[i]
		at := make([][2]float64, len(c.Points))
		for n, point := range c.Points {
			at[n] = [2]float64{x(point.Size), y(point.Figure.Median)}
			p.d.dot(class, at[n][0], at[n][1])
		}
		p.d.curve(class, at)
		p.d.dot(class, legend+4, p.top-10)
		p.d.text(legend+14, p.top-6, "faint", "start", c.Name)
		legend += legendWidth(c.Name)
	}
}

// decade returns the place of a size on a logarithmic axis. None has its place a decade before one.
func decade(size int) float64 {
	if size == 0 {
		return -1
	}
	return math.Log10(float64(size))
}
