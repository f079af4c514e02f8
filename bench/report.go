package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is what a run has found out.
type Report struct {
	World   *World
	Command string // that makes it anew
	Results []Result
	Growths []Grown
}

// measure runs what is selected, and says what it is doing.
func (r *Report) measure(selected *regexp.Regexp, progress io.Writer) {
	begin := time.Now()
	begins := func(name string) bool {
		wanted := selected.MatchString(name)
		if wanted {
			fmt.Fprintf(progress, "%6s  %s\n", time.Since(begin).Round(time.Second), name)
		}
		return wanted
	}
	for _, s := range scenarios(r.World) {
		if begins(s.Name) {
			r.Results = append(r.Results, run(s, r.World.Rounds))
		}
	}
	for _, g := range growths(r.World) {
		if begins(g.Name) {
			r.Growths = append(r.Growths, grow(g, r.World.Rounds))
		}
	}
}

// save writes the report and its charts into a folder.
func (r *Report) save(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	errs := []error{os.WriteFile(filepath.Join(folder, "RESULTS.md"), []byte(r.Markdown()), 0o644)}
	for name, chart := range r.charts() {
		errs = append(errs, os.WriteFile(filepath.Join(folder, name), []byte(chart), 0o644))
	}
	return errors.Join(errs...)
}

// charts returns the drawings by the names of their files.
func (r *Report) charts() map[string]string {
	growths := slices.Clone(r.Growths)
	for _, result := range r.Results {
		if result.Scenario.Name == idleScenario {
			growths = append(growths, watched(result, r.World.Watchers))
		}
	}
	return map[string]string{"ratios.svg": ratioChart(r.Results), "growth.svg": growthChart(growths)}
}

// Markdown returns the whole report.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Results\n\n")
	fmt.Fprintf(&b, "Made by `%s` with %s on %s/%s, %d cores: %s Pods, %s small objects, %d rounds.\n\n",
		r.Command, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), grouped(r.World.Pods), grouped(r.World.Items), r.World.Rounds)
	b.WriteString("In each round every contender has its turn, in changing order. A figure is the median over the rounds; a ratio is the\n" +
		"median of the rounds' own ratios, larder : other, with the least and the greatest behind it. Less is better. Absolute\n" +
		"figures differ between machines, and on a busy one from minute to minute; ratios differ less. [README.md](README.md)\n" +
		"says how it is measured.\n")
	if len(r.Results) > 0 {
		b.WriteString("\n## Ratios\n\n" + r.table() + "\nWhy these operations:\n\n")
		for _, result := range r.Results {
			b.WriteString(reason(result.Scenario.Title, result.Scenario.Why))
		}
		b.WriteString("\n## Allocations\n\n" + r.costs())
	}
	if len(r.Growths) > 0 {
		b.WriteString("\n## Growth\n\n" + r.growth() + "\nWhy these operations:\n\n")
		for _, g := range r.Growths {
			b.WriteString(reason(g.Title, g.Why))
		}
	}
	return b.String()
}

// reason is a line of a list that says what an operation is good for.
func reason(title, why string) string { return "- **" + title + "**: " + why + ".\n" }

// table has a row for each comparison, and for each target that is not a ratio.
func (r *Report) table() string {
	rows := [][]string{{"operation", "larder", "", "other", "ratio", "least – greatest", "target", ""}}
	for _, result := range r.Results {
		s := result.Scenario
		title := s.Title
		add := func(cells ...string) {
			rows = append(rows, append([]string{title}, cells...))
			title = "" // once is enough
		}
		for _, c := range result.Comparisons() {
			ours, theirs := s.Contenders[c.Ours], s.Contenders[c.Theirs]
			name := theirs.Name
			if s.Baseline != "" {
				name = ours.Name + " : " + theirs.Name
			}
			target, met := "", ""
			if c.Target != 0 {
				target, met = "≤ "+significant(c.Target), verdict(c.Met())
			}
			add(figure(result.Figure(c.Ours).Median, s.Unit), name, figure(result.Figure(c.Theirs).Median, s.Unit),
				significant(c.Ratio.Median), significant(c.Ratio.Min)+" – "+significant(c.Ratio.Max), target, met)
		}
		if ours := result.Figure(0); s.AtMost != 0 {
			add(figure(ours.Median, s.Unit), "", "", "", figure(ours.Min, s.Unit)+" – "+figure(ours.Max, s.Unit),
				"≤ "+figure(s.AtMost, s.Unit), verdict(ours.Median <= s.AtMost))
		}
		if cost := result.Cost(0); s.Allocs != 0 && cost != nil {
			add(significant(cost.Allocs)+" allocs", "", "", "", "", "≤ "+significant(s.Allocs)+" allocs", verdict(math.Round(cost.Allocs*10)/10 <= s.Allocs))
		}
	}
	return markdown(rows)
}

// costs has a row for each contender whose allocations were counted.
func (r *Report) costs() string {
	rows := [][]string{{"operation", "contender", "figure", "allocations", "bytes"}}
	for _, result := range r.Results {
		title := result.Scenario.Title
		for i, c := range result.Scenario.Contenders {
			if cost := result.Cost(i); cost != nil {
				rows = append(rows, []string{
					title, c.Name, figure(result.Figure(i).Median, result.Scenario.Unit),
					significant(cost.Allocs), significant(cost.Bytes),
				})
				title = ""
			}
		}
	}
	return markdown(rows)
}

// growth has a row for each curve.
func (r *Report) growth() string {
	header := []string{"operation", "contender"}
	for _, size := range r.World.Points {
		header = append(header, grouped(size))
	}
	rows := [][]string{header}
	for _, g := range r.Growths {
		title := g.Title
		for _, c := range g.Curves {
			row := []string{title, c.Name}
			for _, p := range c.Points {
				row = append(row, figure(p.Figure.Median, Nanoseconds))
			}
			rows = append(rows, row)
			title = ""
		}
	}
	return markdown(rows)
}

// Summary is the table for those in a hurry: larder and client-go.
func (r *Report) Summary() string {
	rows := [][]string{{"operation", "larder", "client-go", "ratio"}}
	for _, result := range r.Results {
		s := result.Scenario
		for _, c := range result.Comparisons() {
			if againstClientgo(result, c) {
				rows = append(rows, []string{
					s.Title, figure(result.Figure(c.Ours).Median, s.Unit),
					figure(result.Figure(c.Theirs).Median, s.Unit), significant(c.Ratio.Median),
				})
			}
		}
	}
	return markdown(rows)
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

// markdown returns a table whose columns line up.
func markdown(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+1))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range widths {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

// figure returns a number with its unit.
func figure(v float64, unit Unit) string {
	if unit == Nanoseconds {
		for _, u := range []struct {
			from float64
			name string
		}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
			if v >= u.from {
				return significant(v/u.from) + " " + u.name
			}
		}
	}
	return significant(v) + " " + string(unit)
}

// significant returns a number with the digits that mean something.
func significant(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 100:
		return grouped(int(math.Round(v)))
	case abs >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case abs < 0.005:
		rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64)
		return strconv.FormatFloat(rounded, 'f', -1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// grouped returns a number with its thousands apart.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
