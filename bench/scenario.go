package main

// Scenario is one question that is put to several contenders. Those that the program knows are in
// [scenarios].
type Scenario struct {
	// Name is what -run selects by: "get/parallel".
	Name string
	// Title says what one operation is, in the words of the table.
	Title string
	// Why says in one short clause why a user would care.
	Why string
	// Unit is that of the contenders' figures: ns or B, for one operation or one entry.
	Unit Unit
	// Contenders are measured side by side. The first is larder, unless Baseline is set.
	Contenders []Contender
	// Anew has every contender opened anew for each of its turns, with no other there. It is for what depends
	// on where in memory a store has come to lie.
	Anew bool
	// Baseline names the contender that every other is compared to. Default: the first contender is
	// compared to every other.
	Baseline string
	// Ratios are the targets, by the name of the contender that is not in every ratio: it shall be at most so
	// much.
	Ratios map[string]float64
	// AtMost, if not 0, is what the first contender's figure shall be at most.
	AtMost float64
	// Allocs, if not 0, is how many allocations the first contender shall need at most.
	Allocs float64
}

// Unit is the unit of a figure.
type Unit string

// The units of figures. Less is better, always.
const (
	Nanoseconds Unit = "ns"
	Bytes       Unit = "B"
	Items       Unit = "items"
)

// Contender is one way to do what a scenario asks for.
type Contender struct {
	Name string
	// Open prepares the contender. The turn that it returns is called once to warm up, and then once in each
	// round, or with Anew once; then closing, which must end whatever was started.
	Open func() (turn Turn, closing func())
}

// Turn does the work once, and says what it took.
type Turn func() Sample

// Sample is what one turn took, for one operation.
type Sample struct {
	Value float64 // in the scenario's unit
	Cost  *Cost   // nil: not counted
}

// Cost is what one operation allocates.
type Cost struct{ Allocs, Bytes float64 }

// nothing is the closing of a contender that has nothing to end.
func nothing() {}
