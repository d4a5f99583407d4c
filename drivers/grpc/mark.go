package grpc

import (
	"errors"
	"strings"

	"wringer/drivers"
)

// Witnessable implements drivers.Witnessable.
func (c *Config) Witnessable() error {
	if c.TLS != nil {
		return errors.New("sees nothing of TLS: point the stream at a plain port of the target and take tls away, or take witness away")
	}
	for key := range c.Metadata {
		if strings.EqualFold(key, drivers.MarkHeader) {
			return errors.New("sets the metadata " + strings.ToLower(drivers.MarkHeader) + " itself: take it out of metadata")
		}
	}
	return nil
}
