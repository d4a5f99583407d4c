package containers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"wringer/faults/container"
)

// alias leads a caller's connections to another name to a link.
type alias struct{ caller, callee, address string }

// Alias implements scenarios.Aliased. Links that take the same port listen on the gateways of networks of their own: each is an
// address of this machine that containers reach.
func (p *prepared) Alias(ctx context.Context, caller, callee string, ports []uint16) (string, error) {
	if !p.local {
		return "", errors.New("the container engine runs on another machine or in a virtual one, whose containers cannot reach this process by name; point the caller at ${links.NAME} instead")
	}
	host, err := p.addressFor(ctx, ports)
	if err != nil {
		return "", err
	}
	p.held[host] = append(p.held[host], ports...)
	p.aliases = append(p.aliases, alias{caller, callee, host})
	return host, nil
}

// addressFor is an address of this machine on which no other link holds one of the ports.
func (p *prepared) addressFor(ctx context.Context, ports []uint16) (string, error) {
	if p.held == nil {
		p.held = map[string][]uint16{p.gateway.String(): nil}
	}
	for host, held := range p.held {
		if !slices.ContainsFunc(ports, func(port uint16) bool { return slices.Contains(held, port) }) {
			return host, nil
		}
	}
	gateway, err := p.addNetwork(ctx, fmt.Sprintf("%s-%d", p.network, len(p.held)))
	if err != nil {
		return "", err
	}
	if !container.OnThisMachine(gateway) {
		return "", fmt.Errorf("the gateway %v of a second network is no address of this machine", gateway)
	}
	return gateway.String(), nil
}

// addNetwork makes a network of the run, or finds the one that an earlier run kept, and returns its gateway.
func (p *prepared) addNetwork(ctx context.Context, name string) (gateway netip.Addr, err error) {
	if p.adopted == nil {
		options := client.NetworkCreateOptions{Driver: "bridge", Labels: map[string]string{container.LabelRun: p.run}}
		if _, err := p.createNetwork(ctx, name, options); err != nil {
			return gateway, fmt.Errorf("make the network %s: %w", name, err)
		}
	}
	seen, err := p.engine.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	if err != nil {
		return gateway, fmt.Errorf("find the network %s: %w", name, err)
	}
	for _, c := range seen.Network.IPAM.Config {
		if c.Gateway.Is4() {
			gateway = c.Gateway
		}
	}
	return gateway, nil
}

// CheckAlias implements scenarios.Aliasing.
func (c *Config) CheckAlias(caller, callee string, ports []uint16) error {
	for _, end := range []string{caller, callee} {
		if (*c)[end] == nil {
			return fmt.Errorf("there is no container %q; there are %s", end, strings.Join(c.names(), ", "))
		}
	}
	if caller == callee {
		return errors.New("the caller and the callee are the same container")
	}
	of := (*c)[callee]
	for _, port := range ports {
		if !slices.Contains(of.ports(), port) {
			return fmt.Errorf("port %d is not in ports of %s: wringer must reach it there", port, callee)
		}
	}
	if (*c)[caller].Hosts[callee] != "" {
		return fmt.Errorf("hosts of %s leads %s elsewhere; remove one of the two", caller, callee)
	}
	return nil
}

// hosts are the entries that lead a caller to the links that stand in place of others.
func (p *prepared) hosts(caller string) []Host {
	var all []Host
	for _, a := range p.aliases {
		if a.caller == caller {
			all = append(all, Host{Name: a.callee, Address: a.address})
		}
	}
	return all
}
