package main

import (
	"cmp"
	"fmt"
)

// measure is one thing that is measured of caches.
type measure struct {
	title string
	of    func(Footprint) float64 // 0: the cache has no such thing
	show  func(float64) string
	// against is the cache that others are compared to. Default: each to its stock.
	against string
	// atMost are the targets: ratios, by the name of the cache.
	atMost map[string]float64
	// equal is another target: that of all is the same.
	equal bool
}

func bytesShown(v float64) string   { return grouped(int(v)) + " B" }
func megabytes(v float64) string    { return fmt.Sprintf("%.0f MB", v/1e6) }
func seconds(v float64) string      { return fmt.Sprintf("%.2f s", v) }
func nanoseconds(v float64) string  { return figure(v, Nanoseconds) }
func percentShown(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }

// budgetMeasures are what is measured of informers of so many Pods, by their budget.
func budgetMeasures(count int) []measure {
	heap := map[string]float64{allPacked: 1.0 / 15, allZstd: 1.0 / 20}
	if count >= 100_000 {
		heap[ownInformer] = 1.0 / 10
	}
	return []measure{
		{title: "live heap, an object", of: func(f Footprint) float64 { return f.LiveHeap }, show: bytesShown, against: clientgoCache, atMost: heap},
		{
			title: "forced collection", of: func(f Footprint) float64 { return f.ForcedGC }, show: nanoseconds, against: clientgoCache,
			atMost: map[string]float64{allPacked: 1.0 / 30, allZstd: 1.0 / 30},
		},
		{
			title: fmt.Sprintf("collecting garbage under %d updates a second, of all processor time", updatesPerSecond),
			of:    func(f Footprint) float64 { return f.GCShare }, show: percentShown, against: clientgoCache,
		},
		{
			title: "peak RSS until synced", of: func(f Footprint) float64 { return f.PeakRSS }, show: megabytes, against: clientgoCache,
			atMost: map[string]float64{ownInformer: 1.0 / 8, allPacked: 1.0 / 8, allZstd: 1.0 / 8},
		},
		{
			title: "processor time until synced", of: func(f Footprint) float64 { return f.CPU }, show: seconds, against: clientgoCache,
			atMost: map[string]float64{ownInformer: 0.5, allPacked: 0.5},
		},
		{title: "time until synced", of: func(f Footprint) float64 { return f.Wall }, show: seconds, against: clientgoCache},
		{
			title: "Get of a hot object", of: func(f Footprint) float64 { return f.HotGet }, show: nanoseconds, against: controllerRuntime,
			atMost: map[string]float64{ownInformer: 1.0 / 5},
		},
		{
			title: "Get of any object", of: func(f Footprint) float64 { return f.ColdGet }, show: nanoseconds, against: controllerRuntime,
			atMost: map[string]float64{ownInformer: 3, allPacked: 3},
		},
	}
}

// widgetMeasures are what is measured of caches of custom resources.
var widgetMeasures = []measure{
	{
		title: "live heap, an object", of: func(f Footprint) float64 { return f.LiveHeap }, show: bytesShown,
		atMost: map[string]float64{ownUnstructured: 1.0 / 30},
	},
	{title: "peak RSS until synced", of: func(f Footprint) float64 { return f.PeakRSS }, show: megabytes},
	{title: "processor time until synced", of: func(f Footprint) float64 { return f.CPU }, show: seconds},
	{title: "forced collection", of: func(f Footprint) float64 { return f.ForcedGC }, show: nanoseconds},
	{title: "Get of any object", of: func(f Footprint) float64 { return f.ColdGet }, show: nanoseconds},
}

// objects is how many the caches hold.
func (p *packing) objects() int { return p.runs[p.caches[0].name][0].Objects }

// table compares caches.
func (p *packing) table(measures []measure, caches []liveCache) string {
	rows := [][]string{{"", "cache", "figure", "ratio", "least – greatest", "target", ""}}
	for _, m := range measures {
		title := m.title
		for _, c := range caches {
			value := p.spread(c.name, m.of).Median
			if value == 0 {
				continue
			}
			row := []string{title, c.name, m.show(value), "", "", "", ""}
			title = ""
			if against := cmp.Or(m.against, c.stock, c.name); against != c.name {
				ratio := p.ratio(c.name, against, m.of)
				row[3], row[4] = significant(ratio.Median), significant(ratio.Min)+" – "+significant(ratio.Max)
				if target, ok := m.atMost[c.name]; ok {
					row[5], row[6] = "≤ "+significant(target), verdict(ratio.Median <= target)
				}
				if m.equal {
					row[5], row[6] = "= 1", verdict(ratio.Min == 1 && ratio.Max == 1)
				}
			}
			rows = append(rows, row)
		}
	}
	return markdown(rows)
}

func (p *packing) spread(cache string, of func(Footprint) float64) Spread {
	var values []float64
	for _, f := range p.runs[cache] {
		values = append(values, of(f))
	}
	return spread(values)
}

// ratio returns that of one cache to another, each round's by itself.
func (p *packing) ratio(cache, against string, of func(Footprint) float64) Spread {
	var ratios []float64
	for round, f := range p.runs[cache] {
		ratios = append(ratios, of(f)/of(p.runs[against][round]))
	}
	return spread(ratios)
}

// What those in a hurry are shown.
var (
	doorsInSummary   = named(doors, controllerRuntime, runtimeCache, runtimeInformer, clientgoCache, typedFactory, ownInformer)
	budgetsInSummary = named(budgets, clientgoCache, controllerRuntime, ownInformer, allPacked, allZstd)
)

// summary is the table for those in a hurry.
func (p *packing) summary(measures []measure, caches []liveCache) string {
	header := []string{p.title}
	for _, c := range caches {
		header = append(header, c.name)
	}
	rows := [][]string{header}
	for _, m := range measures {
		row := []string{m.title}
		for _, c := range caches {
			shown := ""
			if v := p.spread(c.name, m.of).Median; v != 0 {
				shown = m.show(v)
			}
			row = append(row, shown)
		}
		rows = append(rows, row)
	}
	return markdown(rows)
}

// footprintChart draws what the caches take, a panel a measure, as bars.
func footprintChart(p *packing) string {
	measures := budgetMeasures(p.objects())
	return p.chart([]measure{measures[0], measures[1], measures[3], measures[4]}, budgets)
}

// chart draws measures of caches as bars.
func (p *packing) chart(shown []measure, caches []liveCache) string {
	const barHeight, longest = 20.0, 570.0
	title := "What a cache of Pods takes: less is better"
	head := title + " (" + p.title + ")"
	names, values, titles := 0.0, 0.0, textWidth(titleSize, head)
	for _, m := range shown {
		titles = max(titles, textWidth(plainSize, m.title))
		for _, c := range caches {
			names = max(names, textWidth(faintSize, c.name))
			values = max(values, textWidth(faintSize, m.show(p.spread(c.name, m.of).Median)))
		}
	}
	left := margin + names + 12
	panelHeight := 40 + float64(len(caches))*barHeight
	d := newDrawing(max(left+longest+8+values, margin+titles)+margin, 50+float64(len(shown))*panelHeight, title)
	d.text(margin, 28, "title", "start", head)
	for i, m := range shown {
		top := 50 + float64(i)*panelHeight
		d.text(margin, top+14, "", "start", m.title)
		greatest := 0.0
		for _, c := range caches {
			greatest = max(greatest, p.spread(c.name, m.of).Median)
		}
		for n, c := range caches {
			y := top + 24 + float64(n)*barHeight
			value := p.spread(c.name, m.of).Median
			class := "theirs"
			if c.stock != "" {
				class = "ours"
			}
			length := value / greatest * longest
			d.text(left-12, y+13, "faint", "end", c.name)
			d.bar(class, left, y+3, length, barHeight-6)
			d.text(left+length+8, y+13, "faint", "start", m.show(value))
		}
	}
	return d.done()
}
