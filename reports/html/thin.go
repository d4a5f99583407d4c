package html

import (
	"strconv"
)

// A page draws at most so many points of the streams together. Of one stream it draws as many as a wide screen shows at most, and
// as many as a small one does at least. The tables are exact all the same.
const (
	pointsOfPage   = 14_000
	mostOfCurve    = 3_600
	fewestOfCurve  = 240
	digitsOfPoints = 5
)

// pointsOf is the most points of each of so many curves.
func pointsOf(curves int) int {
	return min(max(pointsOfPage/max(curves, 1), fewestOfCurve), mostOfCurve)
}

// pieceOf is how many rows of so many become one piece of two points, so that a curve has at most that many points; 1: each row is a
// point of its own.
func pieceOf(rows, points int) int {
	if rows <= points {
		return 1
	}
	return (2*rows + points - 1) / points
}

// figures are the values of a curve. They are written with five significant digits: the charts show three.
type figures []*float64

// MarshalJSON writes a list of numbers; a missing one is null.
func (f figures) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 6*len(f)+2)
	b = append(b, '[')
	for i, v := range f {
		if i > 0 {
			b = append(b, ',')
		}
		if v == nil {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, *v, 'g', digitsOfPoints, 64)
	}
	return append(b, ']'), nil
}

// thin keeps the smallest and the largest value of each piece of n rows, in the order in which they came. So a peak stays a peak,
// and a dip a dip. A piece without a value is two missing values.
func (f figures) thin(n int) figures {
	if n <= 1 || len(f) == 0 {
		return f
	}
	out := make(figures, 0, 2*(len(f)/n+1))
	for from := 0; from < len(f); from += n {
		low, high := extremes(f[from:min(from+n, len(f))])
		out = append(out, low, high)
	}
	return out
}

// extremes are the smallest and the largest value of a piece, in the order in which they came.
func extremes(piece figures) (first, second *float64) {
	low, high := -1, -1
	for i, v := range piece {
		if v == nil {
			continue
		}
		if low < 0 || *v < *piece[low] {
			low = i
		}
		if high < 0 || *v > *piece[high] {
			high = i
		}
	}
	if low < 0 {
		return nil, nil
	}
	return piece[min(low, high)], piece[max(low, high)]
}

// marks are small numbers of the rows of a curve, of which the largest of a piece counts.
type marks []int

func (m marks) thin(n int) marks {
	if n <= 1 {
		return m
	}
	out := make(marks, 0, 2*(len(m)/n+1))
	for from := 0; from < len(m); from += n {
		most := 0
		for _, v := range m[from:min(from+n, len(m))] {
			most = max(most, v)
		}
		out = append(out, most, most)
	}
	return out
}

// thinTimes gives each piece of n rows its two points: its begin and its middle.
func thinTimes(times []float64, n int, step float64) []float64 {
	if n <= 1 {
		return times
	}
	out := make([]float64, 0, 2*(len(times)/n+1))
	for from := 0; from < len(times); from += n {
		to := min(from+n, len(times)) - 1
		out = append(out, times[from], (times[from]+times[to]+step)/2)
	}
	return out
}
