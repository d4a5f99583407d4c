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
