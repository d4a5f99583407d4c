package reports

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The words for a missing figure.
const (
	NotMeasured = "not measured"
	NotKnown    = "not known"
	NoAnswer    = "no answer"
)

// Significant digits of a figure, and of one that must differ visibly from another.
const (
	usualDigits = 3
	mostDigits  = 12
)

// Duration writes nanoseconds: 250 ms, 1.88 s, 2 min 5 s.
func Duration(ns float64) string { return duration(ns, usualDigits) }

func duration(ns float64, digits int) string {
	if ns < 0 {
		return "-" + duration(-ns, digits)
	}
	ns = round(ns, digits)
	switch {
	case ns == 0:
		return "0 s"
	case ns < 1e3:
		return significant(ns, digits) + " ns"
	case ns < 1e6:
		return significant(ns/1e3, digits) + " µs"
	case ns < 1e9:
		return significant(ns/1e6, digits) + " ms"
	case ns < 60e9 || digits > usualDigits:
		return significant(ns/1e9, digits) + " s"
	}
	s := int64(math.Round(ns / 1e9))
	if s < 3600 {
		return twoUnits(s/60, "min", s%60, "s")
	}
	return twoUnits(s/3600, "h", s%3600/60, "min")
}

func twoUnits(a int64, unitA string, b int64, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unitA)
	}
	return fmt.Sprintf("%d %s %d %s", a, unitA, b, unitB)
}

// Moment writes a point of the run, counted from the end of the warm-up, so that two moments a millisecond apart differ:
// 12.031 s.
func Moment(ns int64) string {
	s := strconv.FormatFloat(float64(ns)/1e9, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + " s"
}

// Span writes an interval of the run: 10 s – 18 s.
func Span(startNS, endNS int64) string { return Moment(startNS) + " – " + Moment(endNS) }

// Counted writes a number with its noun: 1 request, 12,345 requests.
func Counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Count writes a whole number exactly: 12,345.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// Rate writes a number a second: 400/s, 12.4 k/s.
func Rate(perSecond float64) string { return rate(perSecond, usualDigits) }

func rate(perSecond float64, digits int) string {
	number, prefix := prefixed(perSecond, digits)
	if prefix == "" {
		return number + "/s"
	}
	return number + " " + prefix + "/s"
}

// Bytes writes an amount of data in decimal units: 1.2 MB.
func Bytes(n int64) string {
	number, prefix := prefixed(float64(n), usualDigits)
	return number + " " + prefix + "B"
}

// Magnitude writes a number whose unit is not known: 12.4, 1.07 G.
func Magnitude(v float64) string { return magnitude(v, usualDigits) }

func magnitude(v float64, digits int) string {
	number, prefix := prefixed(v, digits)
	if prefix == "" {
		return number
	}
	return number + " " + prefix
}

func prefixed(v float64, digits int) (number, prefix string) {
	v = round(v, digits)
	for _, p := range []struct {
		name string
		size float64
	}{{"G", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if math.Abs(v) >= p.size {
			return significant(v/p.size, digits), p.name
		}
	}
	return significant(v, digits), ""
}

// Share writes a ratio of 0 to 1 in percent: 1.25 %. Only exactly none or all reads as 0 % or 100 %.
func Share(ratio float64) string { return share(ratio, usualDigits) }

func share(ratio float64, digits int) string {
	percent := ratio * 100
	switch {
	case ratio > 0 && percent < 0.001 && digits == usualDigits:
		return "< 0.001 %"
	case ratio < 1 && percent > 99.999 && digits == usualDigits:
		return "> 99.999 %"
	}
	s := significant(percent, digits)
	for ; s == "100" && ratio < 1 && digits < mostDigits; digits++ {
		s = significant(percent, digits+1)
	}
	return s + " %"
}

// Factor writes a plain ratio such as the amplification: 1.02.
func Factor(v float64) string { return significant(v, usualDigits) }

// Value writes a figure in a gate's unit: ns, ratio, count, per_second, or empty.
func Value(v float64, unit string) string { return value(v, unit, usualDigits) }

func value(v float64, unit string, digits int) string {
	switch unit {
	case "ns":
		return duration(v, digits)
	case "ratio":
		return share(v, digits)
	case "per_second":
		return rate(v, digits)
	case "count":
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return Count(int64(v))
		}
	}
	if math.Abs(v) >= 1e6 { // bytes of a target, mostly
		return magnitude(v, digits)
	}
	return significant(v, digits)
}

// GateValues writes the observed value and the limit of a gate, with enough digits to tell them apart. A gate that misses 250
// ms by a little must not read "250 ms, not below 250 ms".
func GateValues(g *Gate) (observed, limit string) {
	if g.Limit != nil {
		limit = Value(*g.Limit, g.Unit)
	}
	if g.Observed == nil {
		return unobserved(g), limit
	}
	observed = Value(*g.Observed, g.Unit)
	if g.Limit == nil || *g.Observed == *g.Limit {
		return observed, limit
	}
	for digits := usualDigits + 1; observed == limit && digits <= mostDigits; digits++ {
		observed, limit = value(*g.Observed, g.Unit, digits), value(*g.Limit, g.Unit, digits)
	}
	return observed, limit
}

// unobserved separates a time beyond every answer, which decides a gate, from one that leaves it open.
func unobserved(g *Gate) string {
	switch {
	case g.Verdict == Inconclusive:
		return NotKnown
	case g.Unit != "ns":
		return NotMeasured
	}
	return cmp.Or(g.Beyond, NoAnswer)
}

// Percentile writes v, a percentile of l: no answer if it falls among operations that were never answered.
func Percentile(l *Latency, v *float64) string {
	switch {
	case l != nil && v != nil:
		return Duration(*v)
	case l != nil && l.Unanswered != nil && *l.Unanswered > 0:
		return NoAnswer
	}
	return NotMeasured
}

// IntegrityCount writes the count of that name. If observation ended too early, an unseen operation may be lost, or late.
func IntegrityCount(i *Integrity, name string) string {
	if n := i.Count(name); n != nil {
		return Count(*n)
	}
	if name == "lost" && i != nil && i.Unseen != nil {
		return NotKnown
	}
	return NotMeasured
}

// Measured writes a measurement that may be absent.
func Measured[T any](v *T, write func(T) string) string {
	if v == nil {
		return NotMeasured
	}
	return write(*v)
}

// round keeps that many significant digits.
func round(v float64, digits int) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	return r
}

// significant writes that many significant digits, never an exponent, no zeros at the end of a fraction.
func significant(v float64, digits int) string {
	s := strconv.FormatFloat(round(v, digits), 'f', -1, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}
