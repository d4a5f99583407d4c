package scenarios

import "time"

// Rate is the shape of an open model's arrivals. Exactly one of its forms is set.
type Rate struct {
	// Constant arrivals a second: "400/s" in the scenario, also "24000/m".
	Constant float64
	// Max: as fast as the target answers, with MaxInFlight users. In truth a closed model.
	Max bool

	Ramp    *Ramp
	Steps   []Step
	Sine    *Sine
	Poisson float64
}

// Ramp grows (or falls) linearly and then stays.
type Ramp struct {
	From PerSecond     `yaml:"from"`
	To   PerSecond     `yaml:"to" jsonschema:"required"`
	Over time.Duration `yaml:"over" jsonschema_description:"Default: the run's duration."`
}

// Step is one constant rate. The last one stays.
type Step struct {
	Rate PerSecond     `yaml:"rate" jsonschema:"required"`
	For  time.Duration `yaml:"for"`
}

// Sine swings around a mean.
type Sine struct {
	Mean      PerSecond     `yaml:"mean" jsonschema:"required"`
	Amplitude PerSecond     `yaml:"amplitude" jsonschema:"required"`
	Period    time.Duration `yaml:"period" jsonschema:"required"`
}

// PerSecond is a rate, written 400/s, 24000/m or 1.5/s.
type PerSecond float64
