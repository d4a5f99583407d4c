package capacity

import (
	"math"
	"time"

	"wringer/reports"
)

// USL is the fit of the Universal Scalability Law to the trials, as a diagnostic: it decides nothing. With N operations in flight, a
// service of throughput X(N) = Lambda*N / (1 + Sigma*(N-1) + Kappa*N*(N-1)) loses Sigma to waiting and Kappa to coherence (N. J. Gunther,
// "Guerrilla Capacity Planning", 2007). N follows from Little's law: throughput times mean response time.
type USL struct {
	Lambda    float64    `json:"lambda_per_second"`
	Sigma     float64    `json:"sigma"`
	Kappa     float64    `json:"kappa"`
	Peak      *float64   `json:"peak_in_flight"` // where the throughput is highest; null: it has no peak
	Most      *float64   `json:"peak_per_second"`
	Residuals []Residual `json:"residuals"`
}

// Residual is what the fit misses at a trial.
type Residual struct {
	At       float64 `json:"at"`
	InFlight float64 `json:"in_flight"`
	Achieved float64 `json:"achieved"`
	Fitted   float64 `json:"fitted"`
}

// leastFit is the number of trials from which a fit of three numbers says something.
const leastFit = 4

// fit fits by least squares of the relative errors of N/X = (1 + Sigma*(N-1) + Kappa*N*(N-1)) / Lambda, which is linear in 1/Lambda,
// Sigma/Lambda and Kappa/Lambda. nil: the trials are too few, or say nothing of it.
func fit(trials []*Trial) *USL {
	var rows [][3]float64
	var points []Residual
	for _, t := range trials {
		if t.Achieved == nil || t.MeanNS == nil || *t.Achieved <= 0 || *t.MeanNS <= 0 || t.Verdict == string(reports.Inconclusive) || t.early() {
			continue
		}
		wait := *t.MeanNS / float64(time.Second)
		n := *t.Achieved * wait
		rows = append(rows, [3]float64{1 / wait, (n - 1) / wait, n * (n - 1) / wait}) // each divided by N/X, so that errors are relative
		points = append(points, Residual{At: t.At, InFlight: n, Achieved: *t.Achieved})
	}
	if len(rows) < leastFit {
		return nil
	}
	a, ok := solve(normal(rows))
	if !ok || a[0] <= 0 {
		return nil
	}
	u := &USL{Lambda: 1 / a[0], Sigma: a[1] / a[0], Kappa: a[2] / a[0]}
	for _, p := range points {
		if p.Fitted = u.At(p.InFlight); math.IsInf(p.Fitted, 0) || math.IsNaN(p.Fitted) {
			return nil
		}
		u.Residuals = append(u.Residuals, p)
	}
	if u.Kappa > 0 && u.Sigma < 1 {
		n := math.Sqrt((1 - u.Sigma) / u.Kappa)
		if x := u.At(n); x > 0 && !math.IsInf(x, 0) {
			u.Peak, u.Most = &n, &x
		}
	}
	return u
}

// At is the throughput of the fit with so many operations in flight.
func (u *USL) At(n float64) float64 {
	return u.Lambda * n / (1 + u.Sigma*(n-1) + u.Kappa*n*(n-1))
}

// normal are the normal equations of rows whose wanted values are all 1.
func normal(rows [][3]float64) (m [3][4]float64) {
	for _, r := range rows {
		for i := range 3 {
			for j := range 3 {
				m[i][j] += r[i] * r[j]
			}
			m[i][3] += r[i]
		}
	}
	return m
}

// solve is Gauss's elimination with pivots.
func solve(m [3][4]float64) (x [3]float64, ok bool) {
	for i := range 3 {
		best := i
		for r := i + 1; r < 3; r++ {
			if math.Abs(m[r][i]) > math.Abs(m[best][i]) {
				best = r
			}
		}
		m[i], m[best] = m[best], m[i]
		if math.Abs(m[i][i]) < 1e-12 {
			return x, false
		}
		for r := range 3 {
			if r == i {
				continue
			}
			f := m[r][i] / m[i][i]
			for k := i; k < 4; k++ {
				m[r][k] -= f * m[i][k]
			}
		}
	}
	for i := range 3 {
		x[i] = m[i][3] / m[i][i]
	}
	return x, true
}
