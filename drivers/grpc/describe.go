package grpc

import "wringer/drivers"

// Describe implements drivers.Config.
func (c *Config) Describe() drivers.Description {
	return drivers.Description{
		Place: c.Target + " " + c.Method, Gauges: []string{"connections", "connections_opened"}, Messages: c.messageTelling(),
		Connections: drivers.ConnectionTelling{Shared: max(c.Connections, 1) * len(c.targets())}, Witness: true, NoWitness: c.noWitness(),
	}
}
