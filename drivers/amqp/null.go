package amqp

import "wringer/drivers"

var _ drivers.Nullable = (*Config)(nil)

// Null implements drivers.Nullable. The null target replies, and no reply is looked at.
func (c *Config) Null(authority string) drivers.Config {
	out := *c
	out.SASL = nil
	if c.Describe().TLS {
		out.TLS = c.TLS.Trusting(authority)
	}
	if c.Reply != nil {
		out.Reply = &Reply{Queue: c.Reply.Queue}
	}
	return &out
}
