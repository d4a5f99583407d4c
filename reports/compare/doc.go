// Package compare tells what changed between two sides of runs of one scenario, and whether the change is real. It is pure apart from
// Load: the same runs give the same answer.
//
// One run is one sample. Seconds of one run depend on each other, so they are no samples. With n runs a side a rank test says whether a
// metric moved, and an interval says by how much. Few metrics are judged, because a correction for many would hide every change. All
// others are shown without a verdict.
package compare
