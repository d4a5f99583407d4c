package kafka

import "wringer/drivers"

var _ drivers.Nullable = (*Config)(nil)

// Null implements drivers.Nullable. Each request of the null target is its own reply: it carries the correlation that a reply needs. No
// reply is looked at.
func (c *Config) Null(authority string) drivers.Config {
	out := *c
	out.SASL = nil
	if c.Describe().TLS {
		out.TLS = c.TLS.Trusting(authority)
	}
	if c.Reply != nil {
		out.Reply = &Reply{Topic: c.Topic, Correlation: c.Reply.Correlation, ReplyTo: c.Reply.ReplyTo}
	}
	return &out
}
