package toxi

import (
	"fmt"
	"sync"
	"time"

	"wringer/faults"
)

// Flap switches a fault on and off. The fault is in force at the start of each period, for the duty's share of it.
type Flap struct {
	Every time.Duration `yaml:"every" jsonschema:"required" jsonschema_description:"The length of a period. At least 10ms."`
	Duty  faults.Share  `yaml:"duty" worse:"more" jsonschema:"required" jsonschema_description:"The part of each period, from its start, in which the fault is in force: 30%."`
}

// leastFlap bounds the rate of switching.
const leastFlap = 10 * time.Millisecond

func (f *Flap) String() string { return fmt.Sprint("flap every ", f.Every, ", ", f.Duty) }

func (f *Flap) check(problem func(field, message string)) {
	if f.Every < leastFlap {
		problem("flap.every", fmt.Sprintf("%v is less than %v", f.Every, leastFlap))
	}
	if f.Duty <= 0 || f.Duty >= 1 {
		problem("flap.duty", "must be more than 0% and less than 100%: without pauses remove flap")
	}
}

// flapping switches a fault off and on until it is stopped.
type flapping struct {
	stop chan struct{}
	over sync.WaitGroup
}

// startFlapping begins with the fault on. It ends by itself when a switch fails because the link is closed.
func startFlapping(f *Flap, gone <-chan struct{}, on, off func() error) *flapping {
	p := &flapping{stop: make(chan struct{})}
	p.over.Go(func() {
		begun := time.Now()
		for period := time.Duration(0); ; period++ {
			start := begun.Add(period * f.Every)
			if !p.until(start.Add(time.Duration(float64(f.Every)*float64(f.Duty))), gone) || off() != nil {
				return
			}
			if !p.until(start.Add(f.Every), gone) || on() != nil {
				return
			}
		}
	})
	return p
}

func (p *flapping) until(at time.Time, gone <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
	case <-gone:
	}
	return false
}

// end stops the switching and waits for its goroutine. It must be called only once.
func (p *flapping) end() {
	close(p.stop)
	p.over.Wait()
}
