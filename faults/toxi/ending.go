package toxi

import (
	"fmt"
	"time"
)

// HalfOpen selects the connections that fall silent; empty: none.
type HalfOpen string

const (
	Existing  HalfOpen = "existing"
	Accepting HalfOpen = "accepting"
)

// CloseWith is how a connection is closed; empty is WithFIN.
type CloseWith string

const (
	WithFIN   CloseWith = "fin"
	WithReset CloseWith = "reset"
)

// Limit is the point at which a connection is closed: after a time, or after an amount of bytes. One of the two is 0.
type Limit struct {
	Time  time.Duration `yaml:"-"`
	Bytes Bytes         `yaml:"-"`
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Limit) UnmarshalText(text []byte) error {
	*l = Limit{}
	if l.Bytes.UnmarshalText(text) == nil {
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is neither a time nor an amount of bytes: write 2s or 64KiB", text)
	}
	if d > longest {
		return fmt.Errorf("%s is more than close_after may be (1000h)", text)
	}
	l.Time = d
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Limit) String() string {
	if l.Bytes != 0 {
		return l.Bytes.String()
	}
	return l.Time.String()
}

func (c *Config) closeWords() string {
	with := WithFIN
	if c.CloseWith != "" {
		with = c.CloseWith
	}
	return fmt.Sprintf("close_after %v, %s", c.CloseAfter, with)
}

func (c *Config) checkEnds(problem func(field, message string)) {
	if c.HalfOpen != "" && c.HalfOpen != Existing && c.HalfOpen != Accepting {
		problem("half_open", fmt.Sprintf("%q is unknown: write existing or accepting", c.HalfOpen))
	}
	if l := c.CloseAfter; l != nil && (l.Time < 0 || l.Bytes < 0 || (l.Time == 0) == (l.Bytes == 0)) {
		problem("close_after", "is neither a time nor an amount of bytes: write 2s or 64KiB")
	}
	switch {
	case c.CloseWith == "":
	case c.CloseWith != WithFIN && c.CloseWith != WithReset:
		problem("close_with", fmt.Sprintf("%q is unknown: write fin or reset", c.CloseWith))
	case c.CloseAfter == nil:
		problem("close_with", "has no effect without close_after")
	}
}

// closeRule closes a connection for a fault, at a time or after an amount of bytes.
type closeRule struct {
	by   *activeFault
	at   time.Time // zero: no time
	most Bytes     // 0: no amount
}

// finish closes the connection as the fault says.
func (r *closeRule) finish(f *flow) {
	if r.by.config.CloseWith == WithReset {
		f.abort()
		return
	}
	f.end()
}

// closeAfterRule closes connections after a time or an amount. The earliest end of several faults holds.
type closeAfterRule struct{ *activeFault }

func newCloseAfterRule(f *activeFault) rule { return closeAfterRule{f} }

func (c closeAfterRule) add(r *laneRules, on *flow, d direction) {
	limit := c.config.CloseAfter
	if limit.Time > 0 {
		at := later(c.since, on.born).Add(limit.Time)
		if r.closeByTime == nil || at.Before(r.closeByTime.at) {
			r.closeByTime = &closeRule{by: c.activeFault, at: at}
		}
	}
	if limit.Bytes > 0 && c.config.appliesTo().covers(d) && (r.closeByBytes == nil || limit.Bytes < r.closeByBytes.most) {
		r.closeByBytes = &closeRule{by: c.activeFault, most: limit.Bytes}
	}
}

// slowCloseRule delays the end of a connection.
type slowCloseRule struct{ *activeFault }

func newSlowCloseRule(f *activeFault) rule { return slowCloseRule{f} }

func (s slowCloseRule) add(r *laneRules, _ *flow, d direction) {
	if s.config.appliesTo().covers(d) {
		r.closeDelay += s.config.SlowClose
		r.closeDelayBy = append(r.closeDelayBy, s.activeFault)
	}
}

// resetRule resets a connection at its next byte.
type resetRule struct{ *activeFault }

func newResetRule(f *activeFault) rule { return resetRule{f} }

func (s resetRule) add(r *laneRules, _ *flow, _ direction) {
	r.resetBy = append(r.resetBy, s.activeFault)
}

// halfOpenRule silences a connection.
type halfOpenRule struct{ *activeFault }

func newHalfOpenRule(f *activeFault) rule { return halfOpenRule{f} }

func (h halfOpenRule) add(r *laneRules, on *flow, _ direction) {
	if h.silences(on) {
		r.cutOff(h.activeFault, true)
	}
}
