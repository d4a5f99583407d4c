package drivers

import (
	"context"
	"time"
)

// SeriesConfig is one entry of `observe:`, a place where the target says how it is. Its struct is as that of a Config.
type SeriesConfig interface {
	// Check is as in Config.
	Check(problem func(field, message string))
	// Describe is as in Config.
	Describe() SeriesDescription
	// Open prepares the readings. It does not dial. An error wraps ErrConfig if the scenario caused it.
	Open(env SeriesEnv) (SeriesSource, error)
}

// SeriesDescription is what an entry of `observe:` offers.
type SeriesDescription struct {
	// Place is where the series are read, in words and without secrets.
	Place string
	// Every is the time from one reading to the next.
	Every time.Duration
	// Series are the names of the series, sorted.
	Series []string
	// NoCounters is the reason why no series can be a counter; empty: some can.
	NoCounters string
}

// SeriesEnv is what a SeriesConfig gets from the runner.
type SeriesEnv struct {
	// Direct dials the target, Beside what is no part of it. No fault touches either.
	Direct, Beside DialFunc
	// Files is the folder of the scenario file. Relative paths start there.
	Files string
}

// SeriesSource reads the series of one entry of `observe:`.
type SeriesSource interface {
	// Read reads every series once, by name. It blocks until the answer is whole, at most for the entry's timeout, or until ctx ends.
	// An error means that nothing is known of any series. Calls come from one goroutine.
	Read(ctx context.Context) (map[string]SeriesReading, error)
	Close() error
}

// SeriesReading is one reading of a series.
type SeriesReading struct {
	// Counter: the values count since the start of the process. Otherwise each is a value of its own.
	Counter bool
	// Values are those of the time series that match, by their labels. The series is their sum.
	Values map[string]float64
	// Missing is the reason why there is no value; empty: there is one.
	Missing string
	// Absent: nothing matched. A counter that appears later began at 0.
	Absent bool
}
