// Package part pauses and kills parts of a target: components of the embedded one, processes, containers, whatever
// implements faults.Part.
package part

import (
	"fmt"
	"time"

	"wringer/faults"
)

// Config is a fault on a part. Exactly one of Pause and Kill is set, and names it.
type Config struct {
	Pause string        `yaml:"pause" jsonschema_description:"The part of the target to freeze: it keeps its connections and its state, and answers nothing."`
	Kill  string        `yaml:"kill" jsonschema_description:"The part of the target to kill: what it had only in memory is gone."`
	Every time.Duration `yaml:"every" jsonschema_description:"The part is paused and resumed, or killed and started, at once and again each time this has passed. Absent: it stays down until the end."`
}

// leastEvery keeps a fault from being nothing but its own switching.
const leastEvery = 10 * time.Millisecond

// Check implements faults.Config.
func (c *Config) Check(problem func(field, message string)) {
	switch {
	case c.Pause == "" && c.Kill == "":
		problem("pause", "names no part: give pause or kill, and the part's name")
	case c.Pause != "" && c.Kill != "":
		problem("kill", "stands beside pause: give each a fault of its own")
	}
	if c.Every != 0 && c.Every < leastEvery {
		problem("every", fmt.Sprintf("%v is less than %v", c.Every, leastEvery))
	}
}

// Kind implements faults.Config.
func (c *Config) Kind() string {
	if c.Kill != "" {
		return "kill"
	}
	return "pause"
}

// On implements faults.Config.
func (c *Config) On() faults.Place {
	if c.Kill != "" {
		return faults.Place{Part: c.Kill}
	}
	return faults.Place{Part: c.Pause}
}

// String tells the fault in words: "kill broker-2", "pause stock, every 500ms".
func (c *Config) String() string {
	s := c.Kind() + " " + c.On().Part
	if c.Every > 0 {
		s += fmt.Sprint(", every ", c.Every)
	}
	return s
}

// Open implements faults.Config.
func (c *Config) Open(env faults.Env) (faults.Fault, error) {
	p, err := env.Part(c.On().Part)
	if err != nil {
		return nil, err
	}
	f := &Fault{name: c.String(), part: p, strike: p.Pause, mend: p.Resume, every: c.Every, turn: make(chan struct{}, 1)}
	if c.Kill != "" {
		f.strike, f.mend = p.Kill, p.Start
	}
	return f, nil
}
