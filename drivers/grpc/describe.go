package grpc

import "wringer/drivers"

// Describe implements drivers.Config.
func (c *Config) Describe() drivers.Description {
	return drivers.Description{
		Place: c.Target + " " + c.Method, Gauges: []string{"connections", "connections_opened"}, Messages: c.messageTelling(),
		Witness: true, NoWitness: c.noWitness(),
	}
}
