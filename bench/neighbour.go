package main

import (
	"fmt"
	"slices"
	"strings"
)

// A neighbourhood is two tenants on one queue, with a worker that takes a millisecond for an item. Nothing in it
// is measured by the clock, so that its chart is the same everywhere.
//
// The quiet tenant adds an item every 100 ms, the noisy one every 2 ms; at burstAt that one adds burst more at
// once, as happens when an operator starts, or somebody relabels everything.
type neighbourhood struct {
	length, burstAt int // ms
	burst           int // items
}

// noisyNeighbour is the one that docs/queue.md shows.
var noisyNeighbour = neighbourhood{length: 30_000, burstAt: 2_000, burst: 10_000}

// chart is the file that a complete run writes.
const chart = "noisy-neighbour.svg"

// A wait is that of one item of the quiet tenant.
type wait struct{ added, took int } // ms

// run lets the tenants live on q, and returns the waits of the quiet one.
func (n neighbourhood) run(q queue) []wait {
	defer q.ShutDown()
	var waits []wait
	added := map[string]int{}
	add := func(now int, tenant string) {
		item := fmt.Sprintf("%s/%d", tenant, len(added))
		added[item] = now
		q.Add(item)
	}
	for now := range n.length {
		if now == n.burstAt {
			for range n.burst {
				add(now, "noisy")
			}
		}
		if now%2 == 0 {
			add(now, "noisy")
		}
		if now%100 == 0 {
			add(now, "quiet")
		}
		if q.Len() == 0 {
			continue
		}
		item, _ := q.Get()
		q.Done(item)
		if tenantOf(item) == "quiet" {
			waits = append(waits, wait{added: added[item], took: now - added[item]})
		}
	}
	return waits
}

// draw returns an SVG of the waits with and without fairness.
func (n neighbourhood) draw() []byte {
	const (
		height, right = 300, 20
		top, bottom   = 44, 44
	)
	without, with := n.run(larderQueue()), n.run(fairQueue())
	worst := func(waits []wait) int {
		return slices.MaxFunc(waits, func(a, b wait) int { return a.took - b.took }).took
	}
	highest := (worst(without)/2_000 + 1) * 2_000 // ms, at the top of the axis
	title := fmt.Sprintf("How long the quiet tenant's items wait; the noisy one adds %s items at second %d", grouped(n.burst), n.burstAt/1_000)
	unfair := fmt.Sprintf("in order of arrival: up to %.1f s", float64(worst(without))/1_000)
	fair := fmt.Sprintf("with FairBy: up to %d ms", worst(with))
	widthOf := func(s string) int { return int(textWidth(plainSize, s)) + 1 }
	left := max(60, right+widthOf(fmt.Sprintf("%d s", highest/1_000)))
	width := max(720, left+widthOf(title)+right/2)
	x := func(ms int) int { return left + ms*(width-left-right)/n.length }
	// within returns where a text begins, so that it does not leave the picture.
	within := func(x int, s string) int { return min(x, width-right-widthOf(s)) }
	y := func(ms int) int { return height - bottom - ms*(height-top-bottom)/highest }

	var b strings.Builder
	text := func(x, y int, anchor, color, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchor, color, s)
	}
	line := func(waits []wait, color string) {
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2.5" points="`, color)
		for _, w := range waits {
			fmt.Fprintf(&b, "%d,%d ", x(w.added), y(w.took))
		}
		b.WriteString("\"/>\n")
	}
	const black, grey, red, green = "#222", "#ddd", "#c0392b", "#1e8449"
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	text(left, 22, "start", black, title)
	for ms := 0; ms <= highest; ms += 2_000 {
		fmt.Fprintf(&b, `<path stroke="%s" d="M%d %dH%d"/>`+"\n", grey, left, y(ms), width-right)
		text(left-8, y(ms)+4, "end", black, fmt.Sprintf("%d s", ms/1_000))
	}
	for ms := 0; ms <= n.length; ms += 5_000 {
		text(x(ms), height-bottom+20, "middle", black, fmt.Sprintf("%d s", ms/1_000))
	}
	line(without, red)
	line(with, green)
	text(within(x(12_000), unfair), y(highest*5/8), "start", red, unfair)
	text(within(x(3_000), fair), y(0)-8, "start", green, fair)
	b.WriteString("</svg>\n")
	return []byte(b.String())
}
