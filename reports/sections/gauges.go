package sections

import (
	"maps"
	"slices"
)

// gauges summarises the readings of the driver's gauges.
func (b *builder) gauges() Section {
	s := Section{Name: NameGauges, Title: "gauges of the driver", Rank: Full, Head: []Column{
		{Name: "gauge"}, {Name: "readings", Kind: Count}, {Name: "min", Kind: Factor}, {Name: "mean", Kind: Factor}, {Name: "max", Kind: Factor}, {Name: "last", Kind: Factor},
	}}
	for _, name := range slices.Sorted(maps.Keys(b.stream.Gauges)) {
		readings := b.stream.Gauges[name]
		if len(readings) == 0 {
			continue
		}
		low, high, sum := readings[0].Value, readings[0].Value, 0.0
		for _, r := range readings {
			low, high, sum = min(low, r.Value), max(high, r.Value), sum+r.Value
		}
		cells := []Cell{count(int64(len(readings)))}
		for _, v := range []float64{low, sum / float64(len(readings)), high, readings[len(readings)-1].Value} {
			cells = append(cells, factor(&v))
		}
		s.Rows = append(s.Rows, Row{Label: name, Cells: cells})
	}
	return s
}
