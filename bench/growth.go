package main

// Growth is a scenario put again and again, of growing size.
type Growth struct {
	Name   string // for -run: "growth/get"
	Title  string
	Why    string // a user would care
	XTitle string // what grows
	Points []int
	// At returns the contenders at a size: always the same, in the same order.
	At func(size int) []Contender
}

// Curve is how one contender's figure grows.
type Curve struct {
	Name   string
	Points []Point
}

// Point is a figure at a size.
type Point struct {
	Size   int
	Figure Spread // ns
}

// Grown is what came of a Growth.
type Grown struct {
	Growth
	Curves []Curve
}

// grow measures a Growth.
func grow(g Growth, rounds int) Grown {
	grown := Grown{Growth: g}
	for _, size := range g.Points {
		contenders := g.At(size)
		if grown.Curves == nil {
			grown.Curves = make([]Curve, len(contenders))
		}
		result := run(Scenario{Name: g.Name, Contenders: contenders}, rounds)
		for i := range contenders {
			curve := &grown.Curves[i]
			curve.Name = contenders[i].Name
			curve.Points = append(curve.Points, Point{Size: size, Figure: result.Figure(i)})
		}
	}
	return grown
}

// growths returns all of them. The objects are small, so that there is room for a million.
func growths(w *World) []Growth {
	of := func(name, title, why string, work func(v *Versions[*item], s Store[*item]) Turn, openers ...opener[*item]) Growth {
		return Growth{
			Name:   "growth/" + name,
			Title:  title,
			Why:    why,
			XTitle: "entries",
			Points: w.Points,
			At: func(size int) []Contender {
				return storeContenders(func() *Versions[*item] { return w.ItemVersions(size) }, openers, work)
			},
		}
	}
	larder := opener[*item]{"larder", newLarder[*item]}
	clientgo := opener[*item]{"client-go Indexer", newClientgo[*item]}
	return []Growth{
		of("get", "Get any of them", "a cluster that grows should not make every reconcile slower", func(v *Versions[*item], s Store[*item]) Turn {
			get := getting(s, len(v.First))
			return timed(w.Fill, func(n int) { get(0, n) })
		}, larder, clientgo),
		of("update", "Update one", "a cluster that grows should not make every change slower either", func(v *Versions[*item], s Store[*item]) Turn {
			return updating(w, v, s)
		}, larder, clientgo),
		of("index", "Read the 50 objects of a node", "an index is there so that this does not depend on all the others", func(v *Versions[*item], s Store[*item]) Turn {
			return timed(w.Fill, func(n int) {
				for i := range n {
					s.Find(byNode, nodeOf(i, len(v.First)))
				}
			})
		}, larder, clientgo),
		of("replay", "Watch: replay of one entry", "whoever begins to watch is given everything first", func(v *Versions[*item], s Store[*item]) Turn {
			replays := timed(w.Fill, func(n int) {
				for range n {
					replayWatch(s)
				}
			})
			return func() Sample { return Sample{Value: replays().Value / float64(len(v.First))} }
		}, larder),
	}
}

// watched turns the scenario of idle watchers into a Grown.
func watched(r Result, counts []int) Grown {
	curve := Curve{Name: "larder"}
	for i, watchers := range counts {
		curve.Points = append(curve.Points, Point{Size: watchers, Figure: r.Figure(i)})
	}
	return Grown{Growth: Growth{Title: r.Scenario.Title, Why: r.Scenario.Why, XTitle: "watchers"}, Curves: []Curve{curve}}
}
