package metrics

import "wringer/reports"

// spreadOf are the percentiles of a Spread, in percent.
var spreadOf = []float64{10, 25, 75, 97.5, 99.5, 99.75, 99.95, 99.99, 99.999}

// Spread has further percentiles of total values, as far as values are known and enough of them lie beyond.
func (h *Hist) Spread(total int64) []reports.Quantile {
	var all []reports.Quantile
	for _, percent := range spreadOf {
		if float64(total)*(100-percent) < 100 {
			break // less than one value is beyond
		}
		d, ok := h.Rank(percent/100, total)
		if !ok {
			break
		}
		all = append(all, reports.Quantile{Percent: percent, NS: float64(d)})
	}
	return all
}
