package rest

import (
	"errors"
	"strings"

	"wringer/drivers"
)

// witnessable returns why a witness cannot read the stream's requests; nil if it can.
func (c *Config) witnessable() error {
	line, err := parseRequestLine(c.Request)
	switch {
	case !c.single():
		return errNotSingle
	case err == nil && line.scheme == "https":
		return errors.New("sees nothing of TLS: point the stream at a plain http:// port of the target, or take witness away")
	case c.marks():
		return errors.New("sets the header " + drivers.MarkHeader + " itself; remove it from headers")
	}
	return nil
}

// marks reports whether the scenario sets the witness's own header.
func (c *Config) marks() bool {
	for name := range c.Headers {
		if strings.EqualFold(name, drivers.MarkHeader) {
			return true
		}
	}
	return false
}
