package toxi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// Distribution is the shape of a jitter; empty is Uniform.
type Distribution string

const (
	Uniform Distribution = "uniform" // over latency +- jitter
	Normal  Distribution = "normal"  // jitter is its standard deviation
	Pareto  Distribution = "pareto"  // of shape 3: jitter is its standard deviation, the least is latency - 0.58 jitter
)

// shapes are the distributions with mean 0 and unit 1, each as the integral of its quantile function from 0 to u. The
// difference of two integrals is the mean between two quantiles. So a table of such means has exactly the mean of the
// distribution, however coarse the table is.
var shapes = map[Distribution]func(u float64) float64{
	Uniform: func(u float64) float64 { return u*u - u },
	Normal: func(u float64) float64 {
		if u <= 0 || u >= 1 {
			return 0
		}
		z := math.Sqrt2 * math.Erfinv(2*u-1)
		return -math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
	},
	Pareto: func(u float64) float64 {
		least := 2 / math.Sqrt(3) // of a deviation of 1
		return 1.5 * least * (1 - math.Pow(1-u, 2.0/3) - u)
	},
}

// spread is a distribution as a table of equally likely values, ascending. A fine table serves independent draws. A
// coarse table serves dependent draws (see jitterWalk): its values lie no further apart than a delay can move in
// reasonable time.
type spread struct {
	fine, coarse []time.Duration
	mean         time.Duration
	slope        float64 // the steepest slope of the coarse table: change of the value over change of the quantile
}

const (
	fineLevels   = 1024
	coarseLevels = 32
)

// newSpread makes the tables of a distribution from the integral of its quantile function and a unit.
func newSpread(integral func(u float64) float64, unit time.Duration) *spread {
	table := func(levels int) []time.Duration {
		values := make([]time.Duration, levels)
		for i := range values {
			n := float64(levels)
			values[i] = time.Duration(n * (integral(float64(i+1)/n) - integral(float64(i)/n)) * float64(unit))
		}
		return values
	}
	s := &spread{fine: table(fineLevels), coarse: table(coarseLevels), mean: time.Duration(integral(1) * float64(unit))}
	for i := range coarseLevels - 1 {
		s.slope = max(s.slope, float64(s.coarse[i+1]-s.coarse[i])*coarseLevels)
	}
	return s
}

func (s *spread) most() time.Duration { return s.fine[fineLevels-1] }

// width is the distance of the outermost values.
func (s *spread) width() time.Duration { return s.coarse[coarseLevels-1] - s.coarse[0] }

// draw returns the value at a quantile in [0, 1).
func (s *spread) draw(u float64) time.Duration { return s.fine[int(u*fineLevels)] }

// swept returns a value that changes continuously with the quantile.
func (s *spread) swept(u float64) time.Duration {
	at := min(max(u*coarseLevels-0.5, 0), coarseLevels-1)
	i := min(int(at), coarseLevels-2)
	return s.coarse[i] + time.Duration((at-float64(i))*float64(s.coarse[i+1]-s.coarse[i]))
}

// The bounds of a file of recorded delays.
const (
	mostRecorded    = 1 << 20
	longestRecorded = time.Hour
)

// recorded reads the distribution in a file: one duration a line, without empty lines and # comments.
func recorded(path string) (*spread, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read recorded delays: %w", err)
	}
	defer f.Close()
	values, err := readDelays(f)
	if err != nil {
		return nil, fmt.Errorf("read recorded delays %s: %w", path, err)
	}
	return newSpread(integralOf(values), time.Nanosecond), nil
}

func readDelays(r io.Reader) ([]time.Duration, error) {
	var values []time.Duration
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := lines.Text()
		if n == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		word, _, _ := strings.Cut(text, "#")
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		d, err := time.ParseDuration(word)
		if err != nil || d < 0 || d > longestRecorded {
			return nil, fmt.Errorf("line %d: %q is not a delay: write 12.5ms, at most %v", n, word, longestRecorded)
		}
		if values = append(values, d); len(values) > mostRecorded {
			return nil, fmt.Errorf("more than %d delays: thin them out", mostRecorded)
		}
	}
	if len(values) == 0 && lines.Err() == nil {
		return nil, errors.New("the file holds no delay: write one a line, such as 12.5ms")
	}
	slices.Sort(values)
	return values, lines.Err()
}

// integralOf returns the integral of the quantile function of sorted values.
func integralOf(sorted []time.Duration) func(u float64) float64 {
	sums := make([]float64, len(sorted)+1)
	for i, v := range sorted {
		sums[i+1] = sums[i] + float64(v)
	}
	n := float64(len(sorted))
	return func(u float64) float64 {
		i := min(int(u*n), len(sorted)-1)
		return (sums[i] + (u*n-float64(i))*float64(sorted[i])) / n
	}
}
