package rest

import (
	"errors"
	"strings"

	"wringer/drivers"
)

// markPlace tells the mark apart from the other texts of a request.
const markPlace = 1 << 32

// Witnessable implements drivers.Witnessable.
func (c *Config) Witnessable() error {
	line, err := parseLine(c.Request)
	switch {
	case c.Request == "":
		return errNotOne
	case err == nil && line.scheme == "https":
		return errors.New("sees nothing of TLS: point the stream at a plain http:// port of the target, or take witness away")
	case c.marks():
		return errors.New("sets the header " + drivers.MarkHeader + " itself: take it out of headers")
	}
	return nil
}

// errNotOne: a mark, and a key, tell operations apart, and not the requests of one.
var errNotOne = errors.New("goes with one request an operation: write request, or take it away")

// marks says that the scenario sets the witness's own header.
func (c *Config) marks() bool {
	for name := range c.Headers {
		if strings.EqualFold(name, drivers.MarkHeader) {
			return true
		}
	}
	return false
}
