package grpc

import (
	"strings"

	"wringer/drivers"
)

// noWitness returns why a witness cannot read the stream's requests, with the remedy; "" if it can.
func (c *Config) noWitness() string {
	if c.Steps != nil {
		return "works only with streams of one call: remove steps, or take witness away"
	}
	if c.TLS != nil {
		return "sees nothing of TLS: point the stream at a plain port of the target and take tls away, or take witness away"
	}
	for key := range c.Metadata {
		if strings.EqualFold(key, drivers.MarkHeader) {
			return "sets the metadata " + strings.ToLower(drivers.MarkHeader) + " itself: take it out of metadata"
		}
	}
	return ""
}
