package grpc

import (
	"fmt"
	"strings"

	"wringer/drivers"
	"wringer/drivers/grpc/unary"
)

// gauges are the open connections, and all that were opened so far.
var gauges = []string{"connections", "connections_opened"}

// Describe implements drivers.Config.
func (c *Config) Describe() drivers.Description {
	parts := c.parts()
	d := drivers.Description{
		Place: c.Target + " " + c.Method, Steps: c.stepNames(), Gauges: gauges, Counters: gauges[1:], Messages: c.messageTelling(),
		Connections: drivers.ConnectionTelling{Shared: max(c.Connections, 1) * len(c.targets()) * len(parts)}, Witness: true, NoWitness: c.noWitness(), Codes: ownCodes(),
		StatusPrefix: unary.ProxyPrefix, // of an answer that a proxy in front of the target gave
		Kept:         int64(c.maxMessage()),
		Traces:       true, TLS: c.TLS != nil,
	}
	if len(d.Steps) > 0 {
		d.Place = fmt.Sprintf("%s, %d steps: %s", c.Target, len(d.Steps), strings.Join(d.Steps, ", "))
	}
	var metadata []map[string]string
	for i := range parts {
		p := &parts[i]
		metadata = append(metadata, p.Metadata)
		d.Checks = d.Checks || len(p.Checks) > 0 || len(p.step.capture) > 0
		for j := range p.Checks {
			if name := p.Checks[j].Name; name != "" {
				d.CheckNames = append(d.CheckNames, name)
			}
		}
	}
	d.OwnTrace = drivers.TraceHeadersIn(metadata...)
	return d
}
