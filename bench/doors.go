package main

import "strconv"

// doorMeasures are what is measured of the doors. Each is compared to what it stands in for.
func doorMeasures(objects int) []measure {
	heap := 0.10
	if objects >= 100_000 {
		heap = 0.07
	}
	return []measure{
		{title: "live heap, an object", of: func(f Footprint) float64 { return f.LiveHeap }, show: bytesShown, atMost: ofDoors(heap)},
		{title: "peak RSS until synced", of: func(f Footprint) float64 { return f.PeakRSS }, show: megabytes, atMost: ofDoors(0.15)},
		{title: "processor time until synced", of: func(f Footprint) float64 { return f.CPU }, show: seconds, atMost: ofDoors(0.5)},
		{title: "time until synced", of: func(f Footprint) float64 { return f.Wall }, show: seconds},
		{title: "forced collection", of: func(f Footprint) float64 { return f.ForcedGC }, show: nanoseconds, atMost: ofDoors(1.0 / 30)},
		{title: "Get of a hot object", of: func(f Footprint) float64 { return f.HotGet }, show: nanoseconds, atMost: ofDoors(1.0 / 5)},
		{title: "Get of a hot object, with UnsafeDisableDeepCopy", of: func(f Footprint) float64 { return f.SharedGet }, show: nanoseconds},
		{title: "Get of any object", of: func(f Footprint) float64 { return f.ColdGet }, show: nanoseconds, atMost: ofDoors(2)},
		{title: "List of everything", of: func(f Footprint) float64 { return f.List }, show: nanoseconds, atMost: ofDoors(1.5)},
	}
}

// controllerMeasures are what is measured of a controller under way.
var controllerMeasures = []measure{
	{title: "processor time of the controller", of: func(f Footprint) float64 { return f.LoadCPU }, show: seconds, atMost: ofDoors(1)},
	{
		title: "requests reconciled", of: func(f Footprint) float64 { return f.Reconciled },
		show: func(v float64) string { return strconv.Itoa(int(v)) }, equal: true,
	},
	{title: "peak RSS until all Pods were reconciled once", of: func(f Footprint) float64 { return f.PeakRSS }, show: megabytes},
	{title: "live heap after the updates, a Pod", of: func(f Footprint) float64 { return f.LiveHeap }, show: bytesShown},
}

// ofDoors is a target of every door that packs.
func ofDoors(ratio float64) map[string]float64 {
	targets := map[string]float64{}
	for _, c := range doors {
		if c.stock != "" && c.name != runtimePlain {
			targets[c.name] = ratio
		}
	}
	return targets
}
