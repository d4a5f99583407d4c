package envelope

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"wringer/faults"
)

// The units of an intensity, in the answer's terms.
const (
	inNS             = "ns"
	inRatio          = "ratio"
	inBytesPerSecond = "bytes_per_second"
	inBytes          = "bytes"
	inCount          = "count" // a plain number
)

// parseQuantity reads a number as a scenario writes it: 140ms, 5%, 1MiB/s, 64KiB, 3.
func parseQuantity(text string) (v float64, unit string, err error) {
	text = strings.TrimSpace(text)
	if share, ok := strings.CutSuffix(text, "%"); ok {
		v, err = strconv.ParseFloat(strings.TrimSpace(share), 64)
		v, unit = v/100, inRatio
	} else if amount, ok := strings.CutSuffix(text, "/s"); ok {
		n, whole := faults.ParseBytes(amount)
		if v, unit = float64(n), inBytesPerSecond; !whole {
			err = strconv.ErrSyntax
		}
	} else if n, ok := faults.ParseBytes(text); ok {
		v, unit = float64(n), inBytes
	} else if v, err = strconv.ParseFloat(text, 64); err == nil {
		unit = inCount
	} else {
		var d time.Duration
		d, err = time.ParseDuration(text)
		v, unit = float64(d), inNS
	}
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return 0, "", fmt.Errorf("%q is no number above 0: write it as the scenario does, as in 140ms, 5%%, 1MiB/s or 3", text)
	}
	return v, unit, nil
}

// writeQuantity writes a number as a scenario does.
func writeQuantity(v float64, unit string) string {
	switch unit {
	case inNS:
		return time.Duration(math.Round(v)).String()
	case inRatio:
		return strconv.FormatFloat(v*100, 'g', 10, 64) + "%"
	case inBytesPerSecond:
		return faults.Bytes(math.Round(v)).String() + "/s"
	case inBytes:
		return faults.Bytes(math.Round(v)).String()
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

var numberAndUnit = regexp.MustCompile(`^([0-9.]+)([^0-9.]+)$`)

// forPeople sets a number apart from its unit: 140 ms.
func forPeople(text string) string { return numberAndUnit.ReplaceAllString(text, "$1 $2") }

// ladder are the values from low to high, both included. Each is above the one before by the share width at most, or by 1 where only
// whole numbers will do. They are rounded to as few digits as that allows.
func ladder(low, high, width float64, whole bool) []float64 {
	if whole {
		return wholeLadder(low, high, width)
	}
	digits := 2
	for ; 5*math.Pow(10, float64(-digits)) > width/10; digits++ {
	}
	rounding := 5 * math.Pow(10, float64(-digits)) // at most, as a share
	n := math.Ceil(math.Log(high/low) / math.Log((1+width)/(1+2*rounding)))
	all := []float64{low}
	for i := 1.0; i < n; i++ {
		v := low * math.Pow(high/low, i/n)
		if short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64); err == nil {
			v = short
		}
		if v > all[len(all)-1] && v < high {
			all = append(all, v)
		}
	}
	return append(all, high)
}

// wholeLadder is the ladder of whole numbers.
func wholeLadder(low, high, width float64) (all []float64) {
	for v := low; v < high; v = max(v+1, math.Floor(v*(1+width))) {
		all = append(all, v)
	}
	return append(all, high)
}
