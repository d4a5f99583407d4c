package containers

import (
	"context"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// createNetwork makes a network. Its subnet, if the options leave it open, is one that the engine chose and that is then asked for: in
// such a network alone a container that was taken out can have its address again.
func (p *prepared) createNetwork(ctx context.Context, name string, o client.NetworkCreateOptions) (*network.Inspect, error) {
	if o.IPAM != nil && len(o.IPAM.Config) > 0 {
		return p.newNetwork(ctx, name, o)
	}
	const tries = 5 // another run may take the subnet in between
	var failed error
	for range tries {
		chosen, err := p.newNetwork(ctx, name, o)
		if err != nil {
			return nil, err
		}
		if _, err := p.engine.NetworkRemove(ctx, chosen.ID, client.NetworkRemoveOptions{}); err != nil {
			return nil, err
		}
		asked := o
		asked.IPAM = subnets(chosen.IPAM)
		made, err := p.newNetwork(ctx, name, asked)
		if err == nil {
			return made, nil
		}
		failed = err
	}
	return nil, failed
}

// newNetwork makes a network as the options say, and looks at it.
func (p *prepared) newNetwork(ctx context.Context, name string, o client.NetworkCreateOptions) (*network.Inspect, error) {
	made, err := p.engine.NetworkCreate(ctx, name, o)
	if err != nil {
		return nil, err
	}
	seen, err := p.engine.NetworkInspect(ctx, made.ID, client.NetworkInspectOptions{})
	return &seen.Network, err
}

// subnets are the subnets and gateways that an engine chose.
func subnets(chosen network.IPAM) *network.IPAM {
	ipam := &network.IPAM{Driver: chosen.Driver, Options: chosen.Options}
	for _, c := range chosen.Config {
		ipam.Config = append(ipam.Config, network.IPAMConfig{Subnet: c.Subnet, Gateway: c.Gateway})
	}
	return ipam
}
